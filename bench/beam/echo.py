"""The least a Python port program can do: every byte goes back as it came."""

from __future__ import annotations

import asyncio
import os


class Echo(asyncio.Protocol):
    def __init__(self, out: asyncio.WriteTransport, ended: asyncio.Event) -> None:
        self._out = out
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._out.write(data)

    def connection_lost(self, problem: Exception | None) -> None:
        self._ended.set()


async def main() -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(4, "wb", 0))
    await loop.connect_read_pipe(lambda: Echo(out, ended), os.fdopen(3, "rb", 0))
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
