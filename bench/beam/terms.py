"""A port program that reads every term and writes it back: `terms.py ours`, or `terms.py erlang-py` for the peer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable


def round_trip(codec: str) -> Callable[[bytes], bytes]:
    if codec == "erlang-py":
        import erlang

        return lambda term: erlang.term_to_binary(erlang.binary_to_term(term))
    from bridge.transports.port.etf import decode, encode

    return lambda term: encode(decode(term))


class Terms(asyncio.Protocol):
    def __init__(self, codec: str, out: asyncio.WriteTransport, ended: asyncio.Event) -> None:
        self._round_trip = round_trip(codec)
        self._out = out
        self._ended = ended
        self._unread = bytearray()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= 4 and len(self._unread) >= 4 + (size := int.from_bytes(self._unread[:4])):
            answer = self._round_trip(bytes(self._unread[4 : 4 + size]))
            del self._unread[: 4 + size]
            self._out.write(len(answer).to_bytes(4) + answer)

    def connection_lost(self, problem: Exception | None) -> None:
        self._ended.set()


async def main(codec: str) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(4, "wb", 0))
    await loop.connect_read_pipe(lambda: Terms(codec, out, ended), os.fdopen(3, "rb", 0))
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
