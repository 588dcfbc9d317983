"""Manifests as callers name them: files on the bridge's host, in reach of the one who asks."""

from __future__ import annotations

import os
from contextlib import suppress

from bridge.contract.procedure import Caller
from bridge.datasets.files import Found, Reach, Wanted, joined, read_file, require_in_reach
from bridge.datasets.settings import DatasetSettings
from bridge.datasets.work import Data
from bridge.process.settings import Settings, shipped
from bridge.process.threads import Threads
from bridge.runs.kinds import Deps
from cerebros.data.manifest import parse_manifest
from cerebros.errors import ManifestRejected

# About 4,000 named columns.
MANIFEST_BYTES_AT_MOST = 2**16

# As many manifests are read at a time; each takes milliseconds, unless its disk does not answer.
READERS = 4


async def dataset_named(file: str, caller: Caller, deps: Deps) -> Data:
    """Return the dataset whose manifest a caller names.

    Raises:
        ManifestRejected: the manifest or one of its sources is out of the caller's reach, or breaks a rule.
        ResourceExhausted: too many manifests wait to be read.
    """
    return await deps.one(ManifestThreads).run(read_dataset, file, reach_of(caller, deps.settings))


class ManifestThreads(Threads):
    """The threads that read manifests in this process."""

    def __init__(self, _deps: Deps) -> None:
        super().__init__("manifests", READERS)


def reach_of(caller: Caller, settings: Settings) -> Reach:
    """Return the files that are read for a caller: for a user's own command all, for others the dataset roots."""
    chosen = settings[DatasetSettings]
    if caller.transport == "cli":  # asks in a process of its own, which can read what the user can
        return Reach(("/",), any_name=True, bytes_at_most=chosen.source_bytes_at_most)
    home = str(settings.home)
    named = [os.path.expanduser(root) for root in chosen.dataset_roots.split(os.pathsep) if root]
    usual = [str(shipped("examples", beside="")), os.path.join(home, "datasets")]
    roots = tuple(os.path.abspath(root) for root in named or usual)
    return Reach(roots, home, bytes_at_most=chosen.source_bytes_at_most)


def read_dataset(file: str, reach: Reach) -> Data:
    """Read a manifest; its sources are in reach too, and are not read yet.

    Raises:
        ManifestRejected: the manifest or a source is out of reach, or it breaks a rule.
    """
    found = _found(file, reach)
    try:
        text = found.content.decode()
    except UnicodeDecodeError:
        raise ManifestRejected(f"{file}: is not text in UTF-8; convert it") from None
    manifest, base = parse_manifest(text, file), os.path.dirname(found.path)
    for source in manifest.sources:
        if not source.uri.startswith("sklearn:"):
            require_in_reach(source.uri, joined(base, source.uri), reach)
    return Data(manifest, base, reach)


def _found(file: str, reach: Reach) -> Found:
    wanted = Wanted(
        f"manifest {file!r}",
        MANIFEST_BYTES_AT_MOST,
        "a manifest says where the rows are, and has none itself",
        () if reach.any_name else (".toml",),
    )
    meanings = reach.meanings(file)
    for path in [path for path in meanings if reach.place(path)] or meanings[:1]:
        with suppress(FileNotFoundError):
            return read_file(wanted, path, reach)
    raise ManifestRejected(f"{wanted.told}: cannot be read: there is no such file; name one on the bridge's host")
