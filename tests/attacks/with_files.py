"""Attacks with paths: whatever a caller names, the service tells nothing of files that are not datasets."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from pathlib import Path

from tests.attacks.target import Port, Target
from tests.conftest import EXAMPLES
from tests.faults.arena import promise

# Long after every caller's patience.
HELD_S = 15.0

# Right in all but its source: one that is refused for something else would prove nothing.
MANIFEST = """
schema = 1
name = "stolen"
description = "Somebody else's."
label = "y"
task = "classification"
licence = "CC0-1.0"
purposes = ["train"]
[split]
seed = 1
[[sources]]
uri = "{uri}"
sha256 = "{sha256}"
"""


async def _ask(target: Target, port: Port, path: str) -> list[str]:
    """The answers of all doors to one manifest's path, the port's first."""
    spec = {"kind": "nas", "manifest": path}
    answers = [await port.call("check_dataset", manifest=path), await port.call("start_run", pac_id="p", spec=spec)]
    answers.append(await target.rpc("check_dataset", manifest=path))
    answers.append(await target.graphql("mutation($m: String!) { checkDataset(manifest: $m) { digest } }", m=path))
    return answers


def _about(answer: str, path: str) -> str:
    """An answer without its transport's code and without the path that the caller gave himself."""
    return answer.lower().replace(path.lower(), "PATH").partition(" ")[2]


async def files_outside(target: Target) -> str:
    """Manifests that are, or link to, files outside the roots: one and the same answer, whatever is there."""
    link = target.datasets / "link.toml"
    link.symlink_to(target.outside / "secret.toml")
    (target.datasets / "around").symlink_to(target.outside)
    outside = target.outside
    named = [outside / "secret.toml", outside / "id_rsa", outside, outside / "missing.toml"]
    named += [
        target.home / "cerebros.toml",
        target.home / "postgres.password",
        Path("/etc/passwd"),
        Path("/etc/shadow"),
    ]
    paths = [
        *map(str, named),
        "/proc/self/environ",
        "/dev/zero",
        f"{target.datasets}/../../outside/secret.toml",
        f"file://{outside}/secret.toml",
        f"{target.datasets}/%2e%2e/secret.toml",
    ]
    told: set[str] = set()
    async with target.port() as port:
        for path in paths:
            answers = await _ask(target, port, path)
            for answer in answers:
                promise(
                    not answer.lower().startswith(("ok", '200 {"data": {"checkdataset": {')), f"{path}: {answer[:80]!r}"
                )
            told.add(_about(answers[0], path))
        for path in (link, target.datasets / "around" / "secret.toml"):
            for answer in await _ask(target, port, str(path)):
                promise(not answer.startswith("ok"), f"{path}: {answer[:80]!r}")
    own = target.digests()
    promise(not any(digest in text for digest in own for text in target.told), "a digest of a file outside was told")
    promise(len({text.replace("path", "") for text in told}) <= 2, f"the answers tell files apart: {sorted(told)[:4]}")
    return f"{len(paths) + 2} paths over four doors, told alike"


async def sources_outside(target: Target) -> str:
    """Manifests inside the roots whose sources are not."""
    secret = target.outside / "secret.csv"
    link = target.datasets / "data.csv"
    link.symlink_to(secret)
    seen = 0
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()
    uris = (
        str(secret),
        "../../outside/secret.csv",
        "data.csv",
        f"file://{secret}",
        "/proc/self/environ",
        "..%2f..%2foutside%2fsecret.csv",
    )
    async with target.port() as port:
        for uri, sha256 in itertools.product(uris, (digest, "0" * 64)):
            manifest = target.datasets / f"steal{seen}.toml"
            manifest.write_text(MANIFEST.format(uri=uri, sha256=sha256))
            for answer in await _ask(target, port, str(manifest)):
                promise(sha256 == digest or digest not in answer, f"{uri}: the digest was told")
            seen += 1
    await asyncio.sleep(1.0)
    log = (target.home / "up.log").read_text(errors="replace")
    promise(target.canary not in log, "the log has what stands in a file outside")
    return f"{seen} manifests over four doors, nothing told"


async def files_that_hold(target: Target) -> str:
    """Manifests that are pipes, devices, or take for ever to read: others are answered meanwhile."""
    pipe = target.datasets / "pipe.toml"
    os.mkfifo(pipe)
    dotted = target.datasets / "dotted.toml"
    dotted.write_text(".".join(["a"] * 500_000) + " = 1\n")
    keys = target.datasets / "keys.toml"
    keys.write_text("\n".join(f"{'.'.join(['a'] * 100)}.b{n} = 1" for n in range(300)))
    deep = target.datasets / "deep.toml"
    deep.write_text("a = " + "[" * 30_000)
    sparse = target.datasets / "sparse.toml"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    directory = target.datasets / "directory.toml"
    directory.mkdir()
    began = time.monotonic()
    held = [path for path in (pipe, dotted, keys, deep, sparse, directory) for _ in range(8)]
    async with target.port() as port:
        asked = [asyncio.create_task(target.rpc("check_dataset", manifest=str(path))) for path in held]
        await asyncio.sleep(0.2)
        plain = await asyncio.wait_for(port.call("check_dataset", manifest=str(EXAMPLES / "digits.toml")), HELD_S + 20)
        promise(plain.startswith("ok"), f"an honest manifest: {plain[:100]!r}")
    answers = await asyncio.gather(*asked)
    took_s = time.monotonic() - began
    for path, answer in zip(held, answers, strict=True):
        promise(not answer.startswith(("INTERNAL", "OK", "DEADLINE")), f"{path.name}: {answer[:100]!r}")
    promise(took_s < HELD_S + 20, f"held for {took_s:.0f} s")
    return f"{len(held)} refused, an honest one answered, {took_s:.1f} s"
