"""Port protocol v1 without I/O: bytes go in, commands and bytes come out.

`Connection` is one session with a BEAM. It cuts `{packet, 4}` frames, checks
each message, keeps the table of calls, and answers by itself whatever needs
no procedure. The meaning of every message is in docs/port-protocol.md; this
file is the reference where the two differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from bridge.transports.port.etf import Atom, EtfError, decode
from bridge.transports.port.feed import Feed
from bridge.transports.port.messages import (
    CODE_ATOMS,
    LONGEST_TEXT,
    MAX_CALLS,
    MAX_FRAME_BYTES,
    PROTOCOL,
    Call,
    Cancel,
    Command,
    Credit,
    Drain,
    Follow,
    Heartbeat,
    Hello,
    HelloOptions,
    Invoke,
    LogLine,
    Message,
    Phase,
    Ping,
    framed,
    sendable,
    with_lists,
    with_texts,
)
from cerebros.errors import CerebrosError, FailedPrecondition, Internal, InvalidArgument, ResourceExhausted, Unavailable

# How a frame begins that would start a call: `{call, Id, …`, its name an atom of any age or a binary, its id an
# integer of one byte, of four, or of four to eight behind their count and a sign.
_CALL_HEAD = re.compile(
    rb"\x83h.(?:[sw]|[dv]\0|m\0{3})\x04call("
    + b"|".join([b"a.", b"b.{4}", *(b"n%c\\0.{%d}" % (size, size) for size in range(4, 9))])
    + b")",
    re.DOTALL,
)


class Connection:
    """One session: `receive` takes the bytes that were read, `outgoing` returns the bytes to write.

    Each id gets exactly one terminal message, `ok` or `error`; answering an id
    that is not in flight does nothing, because its answer has already left.
    """

    def __init__(self, info: Mapping[str, str], streams: Collection[str]) -> None:
        """Begin a session; `hello` carries `info`, and `streams` names the procedures that stream."""
        self.phase: Phase = "greeting"
        self._info = info
        self._streams = streams
        self._unread = bytearray()
        self._unsent: list[bytes] = []
        self._received = 0
        self._sent = 0
        self._options = HelloOptions()
        # Calls in flight → their feed, None for a call that does not stream.
        self._calls: dict[int, Feed | None] = {}

    def receive(self, chunk: bytes) -> list[Command]:
        """Take received bytes, in pieces of any size; return the commands to carry out now."""
        self._unread += chunk
        commands = []
        at = 0
        while self.phase != "closed" and len(self._unread) - at >= 4:
            size = int.from_bytes(self._unread[at : at + 4])
            if size > MAX_FRAME_BYTES:
                self._warn(f"a frame of {size} bytes is over the limit of {MAX_FRAME_BYTES}; send less at once")
                self.close("frame_too_large")
                break
            if len(self._unread) - at - 4 < size:
                break
            command = self._take_frame(bytes(self._unread[at + 4 : at + 4 + size]))
            at += 4 + size
            if command is not None:
                commands.append(command)
        del self._unread[:at]
        return commands

    def outgoing(self) -> bytes:
        """Return the bytes to write, each once."""
        unsent, self._unsent = self._unsent, []
        return b"".join(unsent)

    def hungry(self, call_id: int) -> bool:
        """Return True if the stream's next item may be offered now; also True for a stream that is over."""
        feed = self._calls.get(call_id)
        return feed is None or feed.hungry

    def item(self, call_id: int, item: msgspec.Struct) -> None:
        """Offer a stream its next item; it is sent now or when credit comes.

        Raises:
            Internal: the stream is not hungry, so the caller has read an item too early.
        """
        if feed := self._calls.get(call_id):
            feed.offer(item)
            self._send_items(call_id, feed)

    def _send_items(self, call_id: int, feed: Feed) -> None:
        for item in feed.take():
            self._send("item", call_id, with_lists(msgspec.to_builtins(item)))

    def ok(self, call_id: int, result: msgspec.Struct | Mapping[str, Any]) -> None:
        """Answer a call; a result that cannot be sent becomes an error."""
        if call_id not in self._calls:
            return
        try:
            frame = framed("ok", call_id, with_lists(msgspec.to_builtins(result)))
        except EtfError as problem:
            self.error(call_id, Internal(f"the result has no term: {problem.message}"))
            return
        if len(frame) - 4 > MAX_FRAME_BYTES:
            size = len(frame) - 4
            self.error(
                call_id,
                ResourceExhausted(f"the result takes {size} bytes, over {MAX_FRAME_BYTES}; ask for less"),
            )
            return
        del self._calls[call_id]
        self._queue(frame)

    def error(self, call_id: int, problem: CerebrosError) -> None:
        """Answer a call with an error."""
        if call_id in self._calls:
            del self._calls[call_id]
            self._refuse(call_id, problem)

    def log(self, line: LogLine) -> None:
        """Send a line of the log; of a longer text than a page its end, where a traceback says the most."""
        meta = {_tail(name): _tail(fact) if isinstance(fact, str) else fact for name, fact in line.meta.items()}
        self._send("log", Atom(line.level), _tail(line.text), meta)

    def close(self, reason: str) -> None:
        """End the session: the last frame is `{bye, reason}`, and nothing is read any more."""
        if self.phase != "closed":
            self._send("bye", Atom(reason))
            self.phase = "closed"

    def _take_frame(self, frame: bytes) -> Command | None:
        self._received += 1
        try:
            term = with_texts(decode(frame))
        except EtfError as problem:
            head = _CALL_HEAD.match(frame)
            self._reject(("call", decode(b"\x83" + head[1])) if head else None, problem.message)
            return None
        try:
            message = msgspec.convert(term, Message)
        except msgspec.ValidationError as problem:
            self._reject(term, f"{problem}; docs/port-protocol.md has the shapes")
            return None
        if self.phase == "greeting" and not isinstance(message, Hello):
            self._too_early(message)
            return None
        return _TAKERS[type(message)](self, message)

    def _reject(self, term: object, reason: str) -> None:
        """Refuse a message of unknown shape: answer its id where it would start a call, else log it."""
        match term:
            case ("call", int(call_id), *_) if call_id not in self._calls and not isinstance(call_id, bool):
                self._refuse(call_id, InvalidArgument(reason))
            case _:
                self._warn(f"a message is not understood: {reason}")

    def _too_early(self, message: Message) -> None:
        problem = FailedPrecondition("the session has not begun; send {hello, 1, #{}} first")
        if isinstance(message, Call):
            self._refuse(message.id, problem)
        else:
            self._warn(problem.message)

    def _take_hello(self, hello: Hello) -> Command | None:
        if self.phase != "greeting":
            self._warn("hello comes once per session; this one changes nothing")
            return None
        if hello.version != PROTOCOL:
            self._warn(f"protocol {hello.version} is not spoken here; say hello with {PROTOCOL}")
            self.close("unsupported_version")
            return None
        try:
            self._options = msgspec.convert(hello.opts, HelloOptions)
        except msgspec.ValidationError as problem:
            self._warn(f"hello: {problem}")
            self.close("hello_refused")
            return None
        self.phase = "serving"
        limits = {"max_frame_bytes": MAX_FRAME_BYTES, "max_calls": MAX_CALLS, **msgspec.structs.asdict(self._options)}
        self._send("hello", PROTOCOL, {**self._info, **limits})
        silence_ms = self._options.heartbeat_ms
        return None if silence_ms is None else Heartbeat(silence_ms / 1000)

    def _take_call(self, call: Call) -> Command | None:
        if call.procedure not in self._streams:
            return Invoke(call) if self._admit(call.id, None) else None
        credit = self._options.credit if call.opts.credit is None else call.opts.credit
        return Follow(call) if self._admit(call.id, Feed(credit)) else None

    def _admit(self, call_id: int, feed: Feed | None) -> bool:
        if call_id in self._calls:
            # An error would end the call that owns the id.
            self._warn(f"id {call_id} is in flight; give each call its own")
            return False
        if self.phase == "draining":
            self._refuse(call_id, Unavailable("the bridge is draining; call again when it is back"))
            return False
        if len(self._calls) >= MAX_CALLS:
            self._refuse(call_id, ResourceExhausted(f"{MAX_CALLS} calls are in flight; wait for answers"))
            return False
        self._calls[call_id] = feed
        return True

    def _take_cancel(self, cancel: Cancel) -> Command | None:
        return cancel if cancel.id in self._calls else None

    def _take_credit(self, credit: Credit) -> Command | None:
        feed = self._calls.get(credit.id)
        if feed is None:
            return None
        feed.credit += credit.n
        self._send_items(credit.id, feed)
        return credit

    def _take_ping(self, ping: Ping) -> None:
        streams = sum(feed is not None for feed in self._calls.values())
        stats = {
            "calls": len(self._calls) - streams,
            "streams": streams,
            "frames_received": self._received,
            "frames_sent": self._sent,
        }
        self._send("pong", ping.n, stats)

    def _take_drain(self, drain: Drain) -> Command | None:
        if self.phase == "draining":
            return None
        self.phase = "draining"
        self._send("draining")
        return drain

    def _refuse(self, call_id: int, problem: CerebrosError) -> None:
        facts = {
            "message": sendable(problem.message),
            "class": problem.error_class.value,
            "retryable": problem.retryable,
        }
        self._send("error", call_id, CODE_ATOMS[problem.code], facts)

    def _warn(self, text: str) -> None:
        self.log(LogLine("warning", sendable(text), {}))

    def _send(self, name: str, *fields: object) -> None:
        self._queue(framed(name, *fields))

    def _queue(self, frame: bytes) -> None:
        if self.phase != "closed":  # nothing follows bye
            self._unsent.append(frame)
            self._sent += 1


def _tail(text: str) -> str:
    return sendable(text[-LONGEST_TEXT:])


_TAKERS: dict[type[Message], Callable[[Connection, Any], Command | None]] = {
    Hello: Connection._take_hello,
    Call: Connection._take_call,
    Cancel: Connection._take_cancel,
    Credit: Connection._take_credit,
    Ping: Connection._take_ping,
    Drain: Connection._take_drain,
}
