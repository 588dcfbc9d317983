"""The service under attack: `up` on a fresh home, a probe of its /healthz, ports beside it, and secret files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil

from bridge.transports.port.etf import Atom, decode, encode
from tests.conftest import EXAMPLES
from tests.faults.arena import PATIENCE_S, promise, until
from tests.rpcs import RPCS

# What a caller of the attacks waits for one answer.
ANSWER_S = 20.0

# The largest answer that is read.
ANSWER_BYTES_AT_MOST = 2**22


class Target:
    """A running service, and what an attacker on its machine may reach of it."""

    def __init__(self, home: Path, http_port: int, grpc_port: int, server: psutil.Process) -> None:
        self.home, self.http_port, self.grpc_port, self.server = home, http_port, grpc_port, server
        self.address = f"http://127.0.0.1:{http_port}"
        self.datasets, self.outside = home / "datasets", home.parent / "outside"
        # Stands in every file that no caller may learn of; an answer that has it, or the file's digest, is a leak.
        self.canary = f"canary{secrets.token_hex(8)}"
        self.told: list[str] = []
        self.health: list[tuple[float, float]] = []

    def arrange_files(self) -> None:
        """Lay out a dataset directory that may be read, and files outside it that may not."""
        self.datasets.mkdir(exist_ok=True)
        self.outside.mkdir(exist_ok=True)
        for name in ("id_rsa", "secret.csv", "secret.toml", "cerebros.toml"):
            (self.outside / name).write_text(f'{self.canary} = "{self.canary}"\n')

    def digests(self) -> list[str]:
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in self.outside.iterdir() if file.is_file()]

    def hear(self, answer: str) -> str:
        """Remember an answer for the check that no secret is in it."""
        self.told.append(answer)
        return answer

    async def exchange(self, request: bytes, *, more: bytes = b"", times: int = 0, wait_s: float = ANSWER_S) -> Reply:
        """Send bytes, then `more` up to `times` times while they are taken; the answer and how much was taken."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http_port)
        answer, sent = bytearray(), len(request)

        async def hear() -> None:
            with suppress(ConnectionError):  # a reset is an end too
                while len(answer) < ANSWER_BYTES_AT_MOST and (chunk := await reader.read(65536)):
                    answer.extend(chunk)

        hearing = asyncio.create_task(hear())  # while it sends: what the server says before a reset would be lost
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    with suppress(ConnectionError):
                        writer.write(request)
                        await writer.drain()
                        for _ in range(times):
                            writer.write(more)
                            await writer.drain()
                            sent += len(more)
                    await asyncio.shield(hearing)
            return Reply(self.hear(answer.decode("latin-1")), sent, closed=bool(answer) or hearing.done())
        finally:
            hearing.cancel()
            writer.close()

    async def graphql(self, query: Any, headers: Mapping[str, str] | None = None, **variables: Any) -> str:
        return await self.post(json.dumps({"query": query, "variables": variables}).encode(), headers)

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None, path: str = "/graphql") -> str:
        """The status and the text of an answer to a body, `NNN …`."""
        chosen = {"content-type": "application/json"} | dict(headers or {})
        async with httpx.AsyncClient(timeout=ANSWER_S) as client:
            try:
                reply = await client.post(f"{self.address}{path}", content=body, headers=chosen)
            except httpx.TimeoutException:
                return "no answer"
            except httpx.TransportError as problem:
                return f"closed: {type(problem).__name__}"
            return self.hear(f"{reply.status_code} {reply.text}")

    async def rpc(self, procedure: str, raw: bytes | None = None, metadata: Any = (), **fields: Any) -> str:
        """The status code of a call over gRPC and its details or its reply, `CODE …`."""
        rpc = RPCS[procedure]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            method = channel.unary_unary(rpc.path)
            message = rpc.request(**fields).SerializeToString() if raw is None else raw
            try:
                reply = await method(message, timeout=ANSWER_S, metadata=metadata)
            except grpc.aio.AioRpcError as refused:
                return self.hear(f"{refused.code().name} {refused.details()}")
            return self.hear(f"OK {reply.decode('latin-1')}")

    def healthz_since(self, moment: float) -> float:
        """The worst answer time of /healthz since a moment of the monotonic clock, in milliseconds."""
        return max((took for at, took in self.health if at >= moment), default=0.0)

    @asynccontextmanager
    async def port(self) -> AsyncIterator[Port]:
        """A port on the same home, as a BEAM opens it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "bridge", "port", "--stdio", "--no-worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(self.home),
        )
        opened = Port(self, process)
        try:
            opened.send(Atom("hello"), 1, {})
            promise((await opened.read())[0] == "hello", "the port says no hello")
            yield opened
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


class Reply:
    """The answer that came over one connection.

    Attributes:
        text: the bytes of the answer, one character each.
        taken: bytes that the server, and the buffers on the way, took before the answer.
        closed: the server ended the connection, or answered.
    """

    def __init__(self, text: str, taken: int, *, closed: bool) -> None:
        self.text, self.taken, self.closed = text, taken, closed

    @property
    def status(self) -> int:
        """The HTTP status, 0 when there is none."""
        words = self.text.split(" ", 2)
        return int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") else 0


class Port:
    """One end of a port's pipe."""

    def __init__(self, target: Target, process: asyncio.subprocess.Process) -> None:
        self.target, self.process, self._next = target, process, 1

    def send(self, *term: Any) -> None:
        raw = encode(term)
        self.write(len(raw).to_bytes(4) + raw)

    def write(self, raw: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(raw)

    async def read(self) -> tuple[Any, ...]:
        assert self.process.stdout is not None
        async with asyncio.timeout(ANSWER_S):
            size = int.from_bytes(await self.process.stdout.readexactly(4))
            term = decode(await self.process.stdout.readexactly(size))
        self.target.hear(repr(term))
        return tuple(term)

    async def call(self, procedure: str, **params: Any) -> str:
        """The code and message of an answer, `ok …` or `error_code …`."""
        number = self._next = self._next + 1
        self.send(Atom("call"), number, procedure, params, {"timeout_ms": int(ANSWER_S * 1000)})
        while True:
            name, answered, *rest = await self.read()
            if answered == number:
                return f"ok {rest[0]!r}" if name == "ok" else f"{rest[0]} {rest[1]['message']}"


def environment(home: Path, **more: object) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    settings = {"CEREBROS_HOME": home, "CEREBROS_DATASET_ROOTS": f"{home / 'datasets'}:{EXAMPLES}"} | more
    return kept | {name: str(value) for name, value in settings.items()}


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """A fresh service, its probe at work."""
    with tempfile.TemporaryDirectory(prefix="attacks-") as directory:
        home = Path(directory) / "home"
        home.mkdir()
        http_port, grpc_port = _free_port(), _free_port()
        addresses = {
            "CEREBROS_HTTP_ADDRESS": f"127.0.0.1:{http_port}",
            "CEREBROS_GRPC_ADDRESS": f"127.0.0.1:{grpc_port}",
        }
        with (home / "up.log").open("wb") as log:
            up = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "bridge", "up"),
                stdout=log,
                stderr=log,
                env=environment(home, **addresses),
            )
        probe = None
        try:
            opened = Target(home, http_port, grpc_port, psutil.Process(up.pid))
            opened.arrange_files()
            await until(lambda: _ready(opened), f"not ready: {(home / 'up.log').read_text()[-2000:]}", PATIENCE_S)
            probe = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.attacks.probe", str(http_port)), stdout=asyncio.subprocess.PIPE
            )
            listening = asyncio.create_task(_listen(probe, opened.health))
            yield opened
            listening.cancel()
        finally:
            for process in (probe, up):
                if process is not None and process.returncode is None:
                    process.terminate()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), 20.0)
                    if process.returncode is None:
                        process.kill()
                        await process.wait()


async def _listen(probe: asyncio.subprocess.Process, health: list[tuple[float, float]]) -> None:
    assert probe.stdout is not None
    async for line in probe.stdout:
        at, took_ms = line.split()
        health.append((float(at), float(took_ms)))


async def _ready(opened: Target) -> bool:
    async with httpx.AsyncClient(timeout=5.0) as client:
        try:
            return (await client.get(f"{opened.address}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
