"""Faults of a home: the keeper of its database is killed, and a second server is started in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import psutil

from bridge.store.keeper import problem_at, published
from tests.faults.arena import Arena, arranged, promise, until
from tests.faults.workers import has_ended

LOOPBACK = {"grpc_address": "127.0.0.1:0", "http_address": "127.0.0.1:0"}

# An upper bound for a keeper, its server and a pool to be there again on a busy machine.
KEPT_AGAIN_S = 45.0


async def killed_keeper(arena: Arena, _dice: Random, *guards: str) -> str:
    """kill -9 of the keeper of a service's own database."""
    with tempfile.TemporaryDirectory(prefix="faults-keeper-", ignore_cleanup_errors=True) as directory:
        ground, port = Arena(Path(directory), "", arena.bridge), _free_port()
        addresses = LOOPBACK | {"http_address": f"127.0.0.1:{port}"}
        try:
            async with ground.process("up", changes=guards, **addresses), httpx.AsyncClient() as client:

                async def serves() -> bool:
                    with suppress(httpx.TransportError):
                        return (await client.get(f"http://127.0.0.1:{port}/readyz", timeout=30)).status_code == 200
                    return False

                await arranged(serves, "the service is not ready")
                url = published(ground.home) or ""
                here = Arena(ground.home, url, arena.bridge)  # by its address, where `ground` is a home without one
                await arranged(lambda: bool(here.rows("SELECT worker_id FROM workers")), "no worker")
                workers, keepers = _ids(ground, "worker"), _ids(ground, "bridge.store.keeper")
                os.kill(keepers[0], signal.SIGKILL)

                async def kept_again() -> bool:
                    again = set(_ids(ground, "bridge.store.keeper")) - set(keepers)
                    return bool(again) and problem_at(published(ground.home) or "") is None and await serves()

                took_s = await until(kept_again, "the service has no database", KEPT_AGAIN_S)
                promise(published(ground.home) == url, "the server has moved")
                await asyncio.sleep(3.0)
                promise(_ids(ground, "worker") == workers, "its worker has died")
        finally:
            for process in ground.alive():
                with suppress(psutil.Error):
                    process.kill()
    return f"served again after {took_s:.1f} s, same address, same worker"


async def second_server(arena: Arena, _dice: Random, *guards: str) -> str:
    """A second `up` in the home of the first; then the first is killed and a third is started."""
    sock, draft = arena.home / "bridge.sock", arena.home / "artifacts" / "draft-of-the-dead"
    server = ("up", "--no-worker")
    async with arena.process(*server, changes=guards, **LOOPBACK) as first:
        await arranged(lambda: _answers(sock), "the first does not serve")
        inode = sock.stat().st_ino
        async with arena.process(*server, changes=guards, **LOOPBACK) as second:
            refused_s = await until(lambda: has_ended(second), "the second server goes on", 30.0)
            promise(second.returncode == 1, f"the second server ended with status {second.returncode}")
        refusal = [line for line in (arena.home / "processes.log").read_text().splitlines() if "is served by" in line]
        promise(f"process {first.pid} " in (refusal or [""])[-1], f"it said {refusal}")
        promise(_answers(sock) and sock.stat().st_ino == inode, "the first server's socket was taken")
        first.kill()
        await first.wait()
    promise(sock.exists(), "a killed server's socket is gone by itself")
    draft.write_bytes(b"half")
    async with arena.process(*server, changes=guards, **LOOPBACK):
        await until(lambda: _answers(sock), "the third does not serve")
        promise(not draft.exists(), "a dead writer's draft is left")
    return f"refused after {refused_s:.1f} s with the owner's id, its socket untouched; after its death the next serves"


def _ids(arena: Arena, last: str) -> list[int]:
    """Processes of an arena by a word of their command lines."""
    found = []
    for process in arena.alive():
        with suppress(psutil.Error):
            if last in process.cmdline():
                found.append(process.pid)
    return sorted(found)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.connect(str(path))
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
