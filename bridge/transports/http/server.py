"""The HTTP server: a socket of our own, and uvicorn on it, within limits, until it is asked to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import msgspec
import uvicorn

from bridge.api.bridge import Bridge
from bridge.process.descriptors import share_of_descriptors
from bridge.transports.addresses import authority_in
from bridge.transports.http.app import make_app
from bridge.transports.http.guard import Guard
from bridge.transports.http.limits import LIMITS, Limits
from bridge.transports.http.wire import BoundedProtocol, BoundedSocket
from bridge.transports.settings import HttpSettings
from cerebros.errors import FailedPrecondition

WS_PING_S = 2.0

# The parser and the frames of one chunk are worked off in one go; 64 kB of the smallest frames take some 50 ms.
RECEIVED_AT_ONCE = 32 * 2**10

# Connections that the kernel keeps until they are taken in; a caller that finds no room there waits for a second.
WAITING_IN_KERNEL = 2_048


class HttpServer(msgspec.Struct, frozen=True):
    """A started server; `port` is the port that was bound, also when port 0 was asked for, `serving` ends with it."""

    port: int
    serving: asyncio.Task[None]


@asynccontextmanager
async def http_server(bridge: Bridge, limits: Limits = LIMITS) -> AsyncIterator[HttpServer]:
    """Serve HTTP while the context is open.

    Raises:
        FailedPrecondition: the address is taken.
    """
    settings = bridge.deps.settings[HttpSettings]
    connections = share_of_descriptors(limits.connections)
    limits = msgspec.structs.replace(limits, connections=connections, sockets=min(limits.sockets, connections // 2))
    listener = _bind(settings.http_address)
    config = uvicorn.Config(
        Guard(make_app(bridge), settings, limits),
        http=partial(BoundedProtocol, limits, {}),  # type: ignore[arg-type]  # called like the class that it is of
        ws=BoundedSocket,
        ws_max_size=limits.body_bytes,
        ws_per_message_deflate=False,  # a small frame could unfold to a large message
        ws_ping_interval=WS_PING_S,  # a subscriber that vanished or froze is let go within two pings
        ws_ping_timeout=WS_PING_S,
        log_config=None,  # uvicorn would log in a form of its own
        lifespan="off",
        proxy_headers=False,  # anybody here could claim to be a proxy, and so another caller
        server_header=False,
        timeout_keep_alive=int(limits.idle_s) + 1,  # ours ends it
        backlog=WAITING_IN_KERNEL,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield HttpServer(listener.getsockname()[1], serving)
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


def _bind(address: str) -> socket.socket:
    """Return a listening socket; uvicorn would end the process if the address is taken."""
    authority = authority_in(address)
    try:
        if authority is None or authority.port is None:
            raise OSError("it is no `host:port`")
        family, *_, place = socket.getaddrinfo(authority.host, authority.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as problem:  # a host name with an overlong label is a UnicodeError
        raise FailedPrecondition(
            f"HTTP address {address} cannot be bound: {problem}; set CEREBROS_HTTP_ADDRESS"
        ) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_AT_ONCE)  # connections inherit it
    return listener


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: `until_signalled` handles signals."""
        yield
