"""HTTP and WebSockets on a socket, bounded: uvicorn's protocols with limits of size and of time.

uvicorn with httptools bounds neither a head nor a body, and waits for ever for
the rest of either. Here a connection waits for us or for its peer. While it
waits for its peer a deadline runs, and when the server is full, the connection
that has waited longest gives its place to the next.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import httptools
import msgspec
from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bridge.transports.http.limits import Limits
from cerebros.errors import Code

# A refused peer that does not take its answer is hung up on after so long.
PARTING_S = 2.0


class Refused(Exception):
    """A request that breaks a bound, with its answer."""

    def __init__(self, status: int, code: Code, message: str) -> None:
        super().__init__(message)
        self.answer = _answer(status, code, message)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `waiting` holds the server's connections that wait for their peers, the longest first."""

    def __init__(self, limits: Limits, waiting: dict[BoundedProtocol, None], **parts: Any) -> None:
        super().__init__(**parts)
        self._limits = limits
        self._waiting = waiting
        self._deadline: asyncio.TimerHandle | None = None
        self._refusal: Refused | None = None
        self._over = False
        # The part of a request that its peer has begun and not ended; `none` between two requests.
        self._reading: Literal["none", "head", "body"] = "none"
        self._requests = 0
        self._count_anew()

    def _count_anew(self) -> None:
        self._fields = 0
        self._head_bytes = 0
        self._body_bytes = 0
        self._raw_bytes = 0  # since the chunk after the one in which the request began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reset_deadline()
        if len(self.connections) > self._limits.connections:
            next(iter(self._waiting)).make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._clear_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reset_deadline()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reset_deadline()

    def data_received(self, data: bytes) -> None:
        if self._over:
            self._raw_bytes += len(data)
            if self._raw_bytes > self._limits.body_bytes:
                self.transport.abort()
            return
        requests = self._requests
        super().data_received(data)
        if self._over or requests != self._requests:
            return
        # The parser keeps a header to itself until it is whole, and tells nothing of a chunk's extensions.
        self._raw_bytes += len(data)
        if self._reading == "head" and self._raw_bytes > self._limits.head_bytes:
            self._refuse(self._large_head())
        elif self._reading == "body" and self._raw_bytes > self._limits.head_bytes + 2 * self._limits.body_bytes:
            self._refuse(self._large_body())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = "head"
        self._requests += 1
        self._count_anew()
        self._reset_deadline()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.field_bytes:
            message = f"the request's target is too long; it may have {self._limits.field_bytes} bytes"
            self._refuse_in_parser(Refused(414, Code.INVALID_ARGUMENT, message))
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > self._limits.fields or len(name) + len(value) > self._limits.field_bytes:
            self._refuse_in_parser(self._large_head())
        self._count_head(len(name) + len(value))
        if self._reading == "head":  # a trailer would change the headers of a request that is at work
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._reading = "body"
        self._reset_deadline()
        if any(name == b"content-length" and int(value) > self._limits.body_bytes for name, value in self.headers):
            self._refuse_in_parser(self._large_body())
        self._take_origin_form()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse_in_parser(self._large_body())
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading = "none"
        self._reset_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._reset_deadline()

    def handle_websocket_upgrade(self) -> None:
        self._clear_deadline()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or Refused(400, Code.INVALID_ARGUMENT, msg))

    def make_room(self) -> None:
        """Hang up, for another connection."""
        if self._over or not self._may_answer():
            self.transport.abort()
        else:
            self._refuse(Refused(503, Code.RESOURCE_EXHAUSTED, "too many connections are open; come again"))
            self.transport.close()

    def _refuse(self, refusal: Refused) -> None:
        """Answer the request that is being read, and end the connection."""
        if self._may_answer():
            self.transport.write(refusal.answer)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        # Closed at once, the connection would be reset under a peer that still sends, and the answer lost. A little
        # of what it sends is dropped instead, until it has seen the end.
        self._over = True
        self._raw_bytes = 0
        self.flow.resume_reading()
        self.transport.write_eof()
        self._reset_deadline()

    def _may_answer(self) -> bool:
        # An answer out of turn would be taken for that of an earlier or a later request.
        if self.cycle is None:
            return True
        if self._reading == "body":
            return not self.pipeline and not self.cycle.response_started
        return self._reading == "head" and self.cycle.response_complete

    def _refuse_in_parser(self, refusal: Refused) -> None:
        self._refusal = refusal
        raise refusal  # the parser stops, and uvicorn calls `send_400_response`

    def _large_head(self) -> Refused:
        limits = self._limits
        bounds = f"{limits.fields} headers of {limits.field_bytes} bytes, {limits.head_bytes} in all"
        return Refused(431, Code.INVALID_ARGUMENT, f"the request's head is too large; it may have {bounds}")

    def _large_body(self) -> Refused:
        message = f"the request's body is too large; it may have {self._limits.body_bytes} bytes"
        return Refused(413, Code.INVALID_ARGUMENT, message)

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes:
            self._refuse_in_parser(self._large_head())

    def _take_origin_form(self) -> None:
        """Read a target in absolute form as RFC 9112 has it: its host counts, and that of `Host` does not."""
        if self.url.startswith(b"/"):
            return
        target = httptools.parse_url(self.url)
        if not target.host or target.userinfo is not None or target.schema.lower() not in (b"http", b"https"):
            self._refuse_in_parser(Refused(400, Code.INVALID_ARGUMENT, "the request's target is no path"))
        host = b"[" + target.host + b"]" if b":" in target.host else target.host
        authority = host if target.port is None else host + b":%d" % target.port
        self.headers[:] = [header for header in self.headers if header[0] != b"host"] + [(b"host", authority)]
        self.url = (target.path or b"/") + (b"" if target.query is None else b"?" + target.query)

    def _reset_deadline(self) -> None:
        self._clear_deadline()
        if (seconds := self._patience_s()) is not None:
            self._waiting[self] = None
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _patience_s(self) -> float | None:
        """Seconds that the peer may take for its next move; None if the next move is ours."""
        if self._over:
            return PARTING_S
        if self.flow.write_paused:
            return self._limits.unread_s
        if self._reading == "body":
            return self._limits.body_s
        if self._reading == "head" or self.cycle is None:
            return self._limits.head_s
        return self._limits.idle_s if self.cycle.response_complete and not self.pipeline else None

    def _clear_deadline(self) -> None:
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._over or self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self._reading == "none":
            self.transport.close()
        else:
            self._refuse(Refused(408, Code.DEADLINE_EXCEEDED, "the request did not arrive in time"))


class BoundedSocket(WebSocketsSansIOProtocol):
    """One WebSocket; a peer that does not read is not read either, and is hung up on when it answers no ping."""

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()  # each of its pings would be answered, into memory

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        if not self.writable.is_set():
            self.transport.pause_reading()
        return message

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait until everything is read, which may be never


def _answer(status: int, code: Code, message: str) -> bytes:
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[status] + head + body
