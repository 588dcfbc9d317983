"""Port protocol v1 without input or output: bytes go in, commands and bytes come out.

`Connection` is one session with a BEAM. It cuts `{packet, 4}` frames, checks
each message, keeps the tables of calls and credit, and answers by itself
whatever needs no procedure. The meaning of every message is in
docs/port-protocol.md; this file is the reference where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.messages import RunEvent
from bridge.procedures import STREAM
from bridge.transports.etf import Atom, EtfError, decode, encode
from cerebros.errors import (
    CerebrosError,
    Code,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)

PROTOCOL = 1

# A hundred times our largest reply. A frame of empty lists takes 64 times its bytes in memory:
# 1 GiB at worst.
MAX_FRAME_BYTES = 16 * 2**20

# More than one BEAM keeps busy; beyond it a caller loops, and waiting would hide that.
MAX_CALLS = 1024

# Events a stream may send before its reader grants more; 8 already hide the round trip.
CREDIT = 64

# Characters of an error or log message; some quote the caller's own words, which may be a whole frame.
LONGEST_TEXT = 4096

CODE_ATOMS: dict[Code, Atom] = {code: Atom(code.value.lower()) for code in Code}

MESSAGE_ATOMS = ("hello", "ok", "error", "event", "log", "pong", "draining", "bye")
LOG_ATOMS = ("warning",)
BYE_ATOMS = ("drained", "frame_too_large", "hello_refused", "shutdown", "unsupported_version")
VALUE_ATOMS = ("true", "false", "nil", "nan", "infinity", "neg_infinity")

# Every atom this side ever sends: a client that knows them may decode with [:safe].
ATOMS: frozenset[Atom] = frozenset(
    (*map(Atom, MESSAGE_ATOMS + LOG_ATOMS + BYE_ATOMS + VALUE_ATOMS), *CODE_ATOMS.values())
)

CallId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Grant = Annotated[int, Meta(ge=0, le=1_000_000)]
Milliseconds = Annotated[int, Meta(ge=1, le=30 * 86_400_000)]

Phase = Literal["greeting", "serving", "draining", "closed"]


class HelloOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for the session: `credit` is what each stream starts with."""

    credit: Grant = CREDIT


class CallOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for one call: its deadline, and its first credit when it streams."""

    timeout_ms: Milliseconds | None = None
    credit: Grant | None = None


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=str.lower):
    pass


class Hello(_Message, frozen=True):
    version: int
    opts: dict[str, Any]


class Call(_Message, frozen=True):
    id: CallId
    procedure: str
    params: dict[str, Any]
    opts: CallOptions


class Attach(_Message, frozen=True):
    id: CallId
    run_id: str
    after_seq: Count


class Cancel(_Message, frozen=True):
    """End a call; its terminal message is then `{error, id, cancelled, _}`, unless it was faster."""

    id: CallId


class Credit(_Message, frozen=True):
    """A stream may send `n` more events."""

    id: CallId
    n: Grant


class Ping(_Message, frozen=True):
    n: Count


class Drain(_Message, frozen=True):
    """Take no more calls, finish those in flight within `ms`, then part."""

    ms: Annotated[int, Meta(ge=0, le=86_400_000)]


Message = Hello | Call | Attach | Cancel | Credit | Ping | Drain


class Invoke(msgspec.Struct, frozen=True):
    """Run a procedure; answer with `ok` or `error`."""

    id: int
    procedure: str
    params: Mapping[str, Any]
    timeout_s: float | None


class Watch(msgspec.Struct, frozen=True):
    """Read events while there is credit; answer with `event`s, then `ok` or `error`."""

    id: int
    params: Mapping[str, Any]
    timeout_s: float | None


# What the connection cannot do alone: the owner of the descriptors carries these out.
Command = Invoke | Watch | Cancel | Credit | Drain


class Connection:
    """One session: `receive` takes what was read, `outgoing` gives what is to be written.

    Each id gets exactly one terminal message, `ok` or `error`; answering an id
    that is not in flight does nothing, because its answer has already left.
    """

    def __init__(self, info: Mapping[str, str]) -> None:
        self.phase: Phase = "greeting"
        self._info = info
        self._unread = bytearray()
        self._unsent: list[bytes] = []
        self._received = 0
        self._sent = 0
        self._first_credit = CREDIT
        # Calls in flight → credit left, None for a call that does not stream.
        self._calls: dict[int, int | None] = {}

    def receive(self, chunk: bytes) -> list[Command]:
        """Take bytes as they come, in pieces of any size; say what is to be done now."""
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
        """The bytes to write, given once."""
        unsent, self._unsent = self._unsent, []
        return b"".join(unsent)

    def credit(self, call_id: int) -> int:
        """Events the stream may still send; 0 also for a stream that is over."""
        return self._calls.get(call_id) or 0

    def event(self, call_id: int, event: RunEvent) -> None:
        """Send a stored event; the stream must have credit.

        Raises:
            Internal: it has none, so the caller has read an event too early.
        """
        credit = self.credit(call_id)
        if credit < 1:
            raise Internal(f"stream {call_id} has no credit; wait for credit before the next event is read")
        self._calls[call_id] = credit - 1
        metadata = {**event.metadata, "run_id": event.run_id, "at": msgspec.to_builtins(event.at)}
        self._send("event", call_id, event.seq, event.name, event.measurements, metadata)

    def ok(self, call_id: int, result: msgspec.Struct | Mapping[str, Any]) -> None:
        """Answer a call; a result that cannot be sent becomes an error."""
        if call_id not in self._calls:
            return
        try:
            frame = _framed("ok", call_id, _with_lists(msgspec.to_builtins(result)))
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
        """Answer a call with what went wrong."""
        if call_id in self._calls:
            del self._calls[call_id]
            self._refuse(call_id, problem)

    def close(self, reason: str) -> None:
        """Part: the last frame is `{bye, reason}`, and nothing is read any more."""
        if self.phase != "closed":
            self._send("bye", Atom(reason))
            self.phase = "closed"

    def _take_frame(self, frame: bytes) -> Command | None:
        self._received += 1
        try:
            term = _with_texts(decode(frame))
        except EtfError as problem:
            self._warn(f"a frame is not understood: {problem.message}")
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
        """Answer a message of no known shape: by its id where it would start a call, else in the log."""
        match term:
            case ("call" | "attach", int(call_id), *_) if call_id not in self._calls and not isinstance(call_id, bool):
                self._refuse(call_id, InvalidArgument(reason))
            case _:
                self._warn(f"a message is not understood: {reason}")

    def _too_early(self, message: Message) -> None:
        problem = FailedPrecondition("the session has not begun; send {hello, 1, #{}} first")
        if isinstance(message, Call | Attach):
            self._refuse(message.id, problem)
        else:
            self._warn(problem.message)

    def _take_hello(self, hello: Hello) -> None:
        if self.phase != "greeting":
            self._warn("hello comes once per session; this one changes nothing")
            return
        if hello.version != PROTOCOL:
            self._warn(f"protocol {hello.version} is not spoken here; say hello with {PROTOCOL}")
            self.close("unsupported_version")
            return
        try:
            options = msgspec.convert(hello.opts, HelloOptions)
        except msgspec.ValidationError as problem:
            self._warn(f"hello: {problem}")
            self.close("hello_refused")
            return
        self._first_credit = options.credit
        self.phase = "serving"
        limits = {"max_frame_bytes": MAX_FRAME_BYTES, "max_calls": MAX_CALLS, "credit": options.credit}
        self._send("hello", PROTOCOL, {**self._info, **limits})

    def _take_call(self, call: Call) -> Command | None:
        timeout_s = None if call.opts.timeout_ms is None else call.opts.timeout_ms / 1000
        if call.procedure == STREAM:
            credit = self._first_credit if call.opts.credit is None else call.opts.credit
            return Watch(call.id, call.params, timeout_s) if self._admit(call.id, credit) else None
        admitted = self._admit(call.id, None)
        return Invoke(call.id, call.procedure, call.params, timeout_s) if admitted else None

    def _take_attach(self, attach: Attach) -> Command | None:
        params = {"run_id": attach.run_id, "after_seq": attach.after_seq}
        return Watch(attach.id, params, None) if self._admit(attach.id, self._first_credit) else None

    def _admit(self, call_id: int, credit: int | None) -> bool:
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
        self._calls[call_id] = credit
        return True

    def _take_cancel(self, cancel: Cancel) -> Command | None:
        return cancel if cancel.id in self._calls else None

    def _take_credit(self, credit: Credit) -> Command | None:
        left = self._calls.get(credit.id)
        if left is None:
            return None
        self._calls[credit.id] = left + credit.n
        return credit

    def _take_ping(self, ping: Ping) -> None:
        streams = sum(credit is not None for credit in self._calls.values())
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
            "message": _sendable(problem.message),
            "class": problem.error_class.value,
            "retryable": problem.retryable,
        }
        self._send("error", call_id, CODE_ATOMS[problem.code], facts)

    def _warn(self, text: str) -> None:
        self._send("log", Atom("warning"), _sendable(text), {})

    def _send(self, name: str, *fields: object) -> None:
        self._queue(_framed(name, *fields))

    def _queue(self, frame: bytes) -> None:
        self._unsent.append(frame)
        self._sent += 1


_TAKERS: dict[type[Message], Callable[[Connection, Any], Command | None]] = {
    Hello: Connection._take_hello,
    Call: Connection._take_call,
    Attach: Connection._take_attach,
    Cancel: Connection._take_cancel,
    Credit: Connection._take_credit,
    Ping: Connection._take_ping,
    Drain: Connection._take_drain,
}


def _framed(name: str, *fields: object) -> bytes:
    term = encode((Atom(name), *fields))
    return len(term).to_bytes(4) + term


def _sendable(text: str) -> str:
    """The text without what UTF-8 cannot write (file names may hold it), and no longer than a page."""
    return text[:LONGEST_TEXT].encode(errors="replace").decode()


def _with_texts(value: object) -> Any:
    """The value with its atoms as texts: a caller may write `:cycle` for `"cycle"`."""
    match value:
        case Atom():
            return str(value)
        case dict():
            return {_with_texts(key): _with_texts(element) for key, element in value.items()}
        case list() | tuple():
            return type(value)(map(_with_texts, value))
        case _:
            return value


def _with_lists(value: object) -> Any:
    """The value with its tuples as lists, which is what Elixir enumerates."""
    match value:
        case dict():
            return {key: _with_lists(element) for key, element in value.items()}
        case list() | tuple():
            return list(map(_with_lists, value))
        case _:
            return value
