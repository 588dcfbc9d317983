"""The guard before the application: requests for this server alone, from pages that may ask, at a bearable pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from bridge.transports.addresses import Authority, Hosts, authority_in, origin_in, same_origin
from bridge.transports.http.app import error_response
from bridge.transports.http.limits import Limits
from bridge.transports.settings import HttpSettings
from cerebros.errors import Code

# Request headers that a page of a listed origin may send besides those that browsers always allow.
_CORS_HEADERS = ("content-type", "traceparent", "x-correlation-id", "x-timeout-s")


class Guard:
    """ASGI application that passes on what may come in.

    A request for another host is answered 421, without a host or with a malformed one 400, from
    a page of another origin 403. Requests without `Origin` do not come from pages and pass.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings, limits: Limits) -> None:
        authority = authority_in(settings.http_address)
        self._hosts = Hosts((authority.host, *settings.http_hosts) if authority else settings.http_hosts)
        self._origins = frozenset(filter(None, map(origin_in, settings.http_origins)))
        self._app = _with_cors(app, [str(origin) for origin in self._origins]) if self._origins else app
        self._limits = limits
        self._sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, refusal)
        elif refusal is not None:
            await refusal(scope, receive, send)
        else:
            with suppress(ClientDisconnect):  # nobody is left to be told
                await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        authority = authority_in(named[0]) if len(named) == 1 else None
        if authority is None:
            told = f"`Host` is {', '.join(map(repr, named))[:200] or 'missing'}; send one, as `host` or `host:port`"
            return _closing(400, Code.INVALID_ARGUMENT, told)
        if authority.host not in self._hosts:
            told = f"this server is not {authority.host[:200]!r}; if it is, add that name to CEREBROS_HTTP_HOSTS"
            return _closing(421, Code.PERMISSION_DENIED, told)
        origins = headers.getlist("origin")
        if all(self._may_ask(origin, authority) for origin in origins) and len(origins) <= 1:
            return None
        told = f"pages of {', '.join(origins)[:200]!r} may not ask; if one may, add its origin to CEREBROS_HTTP_ORIGINS"
        return _closing(403, Code.PERMISSION_DENIED, told)

    def _may_ask(self, text: str, authority: Authority) -> bool:
        origin = origin_in(text)
        return origin is not None and (same_origin(origin, authority) or origin in self._origins)

    async def _socket(self, scope: Scope, receive: Receive, send: Send, refusal: Response | None) -> None:
        if refusal is None and self._sockets >= self._limits.sockets:
            told = f"{self._limits.sockets} WebSockets are open; close one and come again"
            refusal = _closing(503, Code.RESOURCE_EXHAUSTED, told)
        if refusal is not None:
            await receive()  # the opening of the handshake, which the answer ends
            await WebSocket(scope, receive, send).send_denial_response(refusal)
            return
        self._sockets += 1
        try:
            await self._app(scope, _paced(receive, self._limits), send)
        finally:
            self._sockets -= 1


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    return CORSMiddleware(app, allow_origins=origins, allow_methods=("GET", "POST"), allow_headers=_CORS_HEADERS)


def _closing(status: int, code: Code, message: str) -> Response:
    """Return a refusal after which the connection is closed: its request's body is not read."""
    refusal = error_response(status, code, message)
    refusal.headers["connection"] = "close"
    refusal.headers["vary"] = "origin"
    return refusal


def _paced(receive: Receive, limits: Limits) -> Receive:
    """Read a WebSocket's messages no faster than they may come; what waits, waits in the network."""
    loop = asyncio.get_running_loop()
    due = loop.time()

    async def receive_when_due() -> Message:
        nonlocal due
        message = await receive()
        if message["type"] == "websocket.receive":
            due = max(due, loop.time() - limits.burst_s) + 1 / limits.messages_a_second
            if (early_s := due - loop.time()) > 0:
                await asyncio.sleep(early_s)
        return message

    return receive_when_due
