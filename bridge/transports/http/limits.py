"""Bounds of all that comes in over HTTP, in one table."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one HTTP server.

    Attributes:
        body_bytes: of a request's body, also of a message over a WebSocket.
        head_bytes: of a request's line and headers together.
        field_bytes: of one header, and of the request's target; what speaks WebSockets takes no longer ones.
        fields: headers of a request.
        head_s: seconds a peer may take to send a request's head.
        body_s: seconds it may take to send a body.
        idle_s: seconds a connection is kept between two requests.
        unread_s: seconds a peer may leave an answer unread.
        connections: open at once, WebSockets among them.
        sockets: WebSockets open at once, fewer than `connections` so that they cannot shut out requests.
        messages_a_second: pace of the messages over one WebSocket.
        burst_s: seconds of that pace that may come at once.
    """

    # A start request with a large space is a few kB; the largest body that is of use is a tree of some 100 kB.
    body_bytes: int = 2**20
    head_bytes: int = 16 * 2**10
    field_bytes: int = 8_000
    fields: int = 100
    head_s: float = 10.0
    body_s: float = 20.0
    idle_s: float = 15.0  # Prometheus and browsers open a connection anew when theirs is gone
    unread_s: float = 20.0
    connections: int = 1024
    sockets: int = 512
    messages_a_second: float = 100.0
    burst_s: float = 2.0


LIMITS = Limits()
