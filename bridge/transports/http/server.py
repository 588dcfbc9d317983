"""The HTTP server: a socket of our own, and uvicorn on it until it is asked to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from bridge.api.bridge import Bridge
from bridge.transports.http.app import make_app
from cerebros.errors import FailedPrecondition

WS_PING_S = 2.0


@asynccontextmanager
async def http_server(bridge: Bridge, address: str) -> AsyncIterator[asyncio.Task[None]]:
    """Serve HTTP while the context is open; the yielded task ends with the server.

    Raises:
        FailedPrecondition: the address is taken.
    """
    listener = _bind(address)
    config = uvicorn.Config(
        make_app(bridge),
        log_config=None,  # uvicorn would log in a form of its own
        lifespan="off",
        ws_ping_interval=WS_PING_S,  # a subscriber that vanished or froze is let go within two pings
        ws_ping_timeout=WS_PING_S,
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield serving
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


def _bind(address: str) -> socket.socket:
    """Return a listening socket; uvicorn would end the process if the address is taken."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        raise FailedPrecondition(
            f"HTTP address {address} cannot be bound: {problem}; set CEREBROS_HTTP_ADDRESS"
        ) from None


@contextmanager
def _no_signals() -> Iterator[None]:
    """Install no signal handlers, unlike uvicorn's own: `until_signalled` handles signals."""
    yield
