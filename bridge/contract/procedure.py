"""The procedure seam: questions that callers may ask of a capability.

A room declares its procedures beside the code that does them; `bridge.api`
serves them all over every transport, and no transport knows one by name.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from bridge.contract.words import Id

Parts = TypeVar("Parts", contravariant=True)
Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Caller of a procedure: its name, its transport and its deadline.

    Attributes:
        principal: the caller's name as far as its transport proves it, such as the
            subject of a client certificate; empty for an unnamed caller.
        owner: True where the transport proves that the caller is the user this process runs as.
        transport: `cli`, `grpc`, `http` or `port`.
        traceparent: the W3C trace context that the call belongs to; `valid_traceparent` drops others, as W3C asks.
        deadline: time, by `time.monotonic()`, at which the caller stops waiting.
        correlation_id: the caller's id of what the call belongs to.
    """

    principal: str
    owner: bool = False
    transport: str
    traceparent: str | None = None
    deadline: float | None = None
    correlation_id: Id | None = None


# Source: W3C Trace Context, version 00.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def valid_traceparent(text: str | None) -> str | None:
    """Return a trace context as it is, None where it is malformed: then the trace begins anew."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


@dataclass(frozen=True)
class Procedure(Generic[Parts, Request, Reply]):
    """A question with one answer.

    Attributes:
        name: as transports call it, in snake case.
        request, reply: the types that it turns into each other.
        action: `thing:verb`, which policy decides on; the verb `read` changes nothing.
        run: the function that answers; it gets the server's parts, the caller and the request.
        noun: the answer's name where a query language asks for things, `name` when empty.
        operator: True where only operators are answered; the setting `operators` tells who they are.
        of_server: True where it is about the very process that answers; a command asks the server of its home.
    """

    name: str
    request: type[Request]
    reply: type[Reply]
    action: str
    run: Callable[[Parts, Caller, Request], Awaitable[Reply]]
    noun: str = ""
    operator: bool = False
    of_server: bool = False

    streams = False

    @property
    def reads(self) -> bool:
        return self.action.endswith(":read")


@dataclass(frozen=True)
class Stream(Generic[Parts, Request, Reply]):
    """A question with any number of answers, sent as fast as the caller takes them.

    Attributes: those of `Procedure`; `reply` is the type of one item.
    """

    name: str
    request: type[Request]
    reply: type[Reply]
    action: str
    run: Callable[[Parts, Caller, Request], AsyncGenerator[Reply, None]]
    noun: str = ""
    operator: bool = False

    of_server = False
    streams = True
    reads = True


# Any of a table's procedures, whose types differ from each other.
AnyProcedure = Procedure[Any, Any, Any] | Stream[Any, Any, Any]
