"""Messages of port protocol v1: their shapes, their limits and the atoms that this side sends.

docs/port-protocol.md says what each message means; `frames` acts on them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from bridge.contract.words import Id
from bridge.transports.port.etf import Atom, encode
from cerebros.errors import Code
from telemetry.logs import Level

PROTOCOL = 1

# A hundred times our largest reply. A frame of empty lists takes 64 times its bytes in memory:
# 1 GiB at worst.
MAX_FRAME_BYTES = 16 * 2**20

# More than one BEAM keeps busy; beyond it a caller loops, and waiting would hide that.
MAX_CALLS = 1024

# Items a stream may send before its reader grants more; 8 already hide the round trip.
CREDIT = 64

# A busy BEAM's timer may be late by more than a shorter one.
MIN_HEARTBEAT_MS = 100

# Characters of an error or log message; some quote the caller's own words, which may be a whole frame.
LONGEST_TEXT = 4096

CODE_ATOMS: dict[Code, Atom] = {code: Atom(code.value.lower()) for code in Code}

MESSAGE_ATOMS = ("hello", "ok", "error", "item", "log", "pong", "draining", "bye")
LEVELS: tuple[Level, ...] = get_args(Level)
BYE_ATOMS = ("drained", "frame_too_large", "hello_refused", "shutdown", "unsupported_version")
VALUE_ATOMS = ("true", "false", "nil", "nan", "infinity", "neg_infinity")

# Every atom this side ever sends: a client that knows them may decode with [:safe].
ATOMS: frozenset[Atom] = frozenset((*map(Atom, MESSAGE_ATOMS + LEVELS + BYE_ATOMS + VALUE_ATOMS), *CODE_ATOMS.values()))

CallId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Grant = Annotated[int, Meta(ge=0, le=1_000_000)]
Milliseconds = Annotated[int, Meta(ge=1, le=30 * 86_400_000)]

Phase = Literal["greeting", "serving", "draining", "closed"]


class HelloOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a session.

    Attributes:
        credit: items each stream may send before more is granted.
        heartbeat_ms: milliseconds of silence after which the BEAM counts as gone; None if it does not ping.
    """

    credit: Grant = CREDIT
    heartbeat_ms: Annotated[int, Meta(ge=MIN_HEARTBEAT_MS, le=86_400_000)] | None = None


class CallOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of one call: its deadline, the first credit of a stream, its trace and its correlation id."""

    timeout_ms: Milliseconds | None = None
    credit: Grant | None = None
    traceparent: str | None = None
    correlation_id: Id | None = None


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


class Cancel(_Message, frozen=True):
    """Cancel a call: it ends with `{error, id, cancelled, _}`, unless its answer was sent before."""

    id: CallId


class Credit(_Message, frozen=True):
    """Grant a stream `n` more items."""

    id: CallId
    n: Grant


class Ping(_Message, frozen=True):
    n: Count


class Drain(_Message, frozen=True):
    """Take no more calls, finish those in flight within `ms`, then end the session."""

    ms: Annotated[int, Meta(ge=0, le=86_400_000)]


Message = Hello | Call | Cancel | Credit | Ping | Drain


class LogLine(msgspec.Struct, frozen=True):
    """Line of the log: its level, its event or words, and the facts beside them, which are scalars."""

    level: Level
    text: str
    meta: dict[str, Any]


class Invoke(msgspec.Struct, frozen=True):
    """Run a procedure; answer with `ok` or `error`."""

    call: Call


class Follow(msgspec.Struct, frozen=True):
    """Read a stream's items while there is credit; answer with `item`s, then `ok` or `error`."""

    call: Call


class Heartbeat(msgspec.Struct, frozen=True):
    """End the session when `silence_s` pass without a byte from the BEAM."""

    silence_s: float


# What the connection cannot do alone: the owner of the descriptors carries these out.
Command = Invoke | Follow | Cancel | Credit | Drain | Heartbeat


def framed(name: str, *fields: object) -> bytes:
    term = encode((Atom(name), *fields))
    return len(term).to_bytes(4) + term


def sendable(text: str) -> str:
    """Return the text cut to a page, its lone surrogates (file names may have them) replaced for UTF-8."""
    return text[:LONGEST_TEXT].encode(errors="replace").decode()


def with_texts(value: Any) -> Any:
    """Return the value with atoms as texts: a caller may write `:cycle` for `"cycle"`."""
    kind = type(value)
    if kind is Atom:
        return str(value)
    if kind is dict:
        return {with_texts(key): with_texts(element) for key, element in value.items()}
    if kind is list or kind is tuple:
        return kind(map(with_texts, value))
    return value


def with_lists(value: object) -> Any:
    """Return the value with tuples as lists, which Elixir can enumerate."""
    # Most maps and lists hold scalars only: a call for each of them would take half the time of writing it.
    if isinstance(value, dict):
        flat = _NESTED.isdisjoint(map(type, value.values()))
        return value if flat else {key: with_lists(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return list(value if _NESTED.isdisjoint(map(type, value)) else map(with_lists, value))
    return value


# The types with parts among those that `msgspec.to_builtins` gives.
_NESTED = frozenset({dict, list, tuple})
