"""The one entry behind every transport: it decodes a caller's request and runs the procedure.

A transport turns bytes into a map, calls `call` or `stream`, and turns the
struct or the error into its own bytes. It decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any

import msgspec

from bridge.api.deadlines import each_within, within
from bridge.api.values import require_values
from bridge.contract.procedure import AnyProcedure, Caller, Procedure, Reply, Request, Stream
from bridge.operator.settings import OperatorSettings
from bridge.process.defects import defects_answered
from bridge.process.tables import by_name
from bridge.runs.kinds import Deps
from bridge.store.turns import ASKER
from cerebros.errors import InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from telemetry.logs import log_call

# Each open stream reads the database whenever there is news; beyond this a caller loops.
STREAMS_AT_MOST = 1024

# The callers that each value of the setting `operators` lets operate the service.
OPERATORS: Mapping[str, Callable[[Caller], bool]] = {
    "owner": lambda caller: caller.owner,
    "certified": lambda caller: caller.owner or bool(caller.principal),
    "anybody": lambda _caller: True,
}


class Bridge(msgspec.Struct, frozen=True):
    """The procedures of one server process, and the parts they work with."""

    deps: Deps
    procedures: Mapping[str, AnyProcedure]

    @classmethod
    def of(cls, deps: Deps, procedures: Iterable[AnyProcedure]) -> Bridge:
        """Return the bridge of these procedures.

        Raises:
            Internal: two of them have one name.
        """
        return cls(deps, by_name("procedures", procedures))

    async def call(self, caller: Caller, name: str, raw: Mapping[str, Any]) -> msgspec.Struct:
        """Answer a question that comes by name and as a map.

        Raises:
            NotFound: no such procedure.
            InvalidArgument: the request breaks a rule, or the procedure streams.
            DeadlineExceeded: the caller's time is over; the work is ended.
            Internal: a defect of ours; its traceback goes to the log, not over the wire.
            PermissionDenied: the procedure is not for this caller.
            CerebrosError: what the procedure itself raises.
        """
        procedure = self._named(name, caller)
        if isinstance(procedure, Stream):
            raise InvalidArgument(f"{name!r} streams its answers; ask for them one by one")
        return await self.ask(procedure, caller, decode(raw, procedure.request))

    def stream(self, caller: Caller, name: str, raw: Mapping[str, Any]) -> AsyncGenerator[msgspec.Struct, None]:
        """Answer a question, by name and as a map, one struct after the other.

        Raises:
            NotFound, InvalidArgument: at once: no such procedure, a broken rule, or one that answers once.
            CerebrosError: from the generator, as `call`.
        """
        procedure = self._named(name, caller)
        if not isinstance(procedure, Stream):
            raise InvalidArgument(f"{name!r} answers once; call it")
        return self.follow(procedure, caller, decode(raw, procedure.request))

    async def ask(self, procedure: Procedure[Deps, Request, Reply], caller: Caller, request: Request) -> Reply:
        """Answer a typed question; raises as `call`."""
        self._authorise(procedure, caller)
        if not procedure.reads:
            log_call(procedure.name, procedure.action, **msgspec.structs.asdict(caller))
        asker = ASKER.set(caller)  # all that one GraphQL operation asks has one caller, and one share of the database
        try:
            with defects_answered(procedure.name):
                async with within(caller):
                    return await procedure.run(self.deps, caller, request)
        finally:
            ASKER.reset(asker)

    async def follow(
        self, stream: Stream[Deps, Request, Reply], caller: Caller, request: Request
    ) -> AsyncGenerator[Reply, None]:
        """Answer a typed question, item by item; raises as `call`."""
        self._authorise(stream, caller)
        with defects_answered(stream.name), self.deps.one(OpenStreams).admitted():
            async with aclosing(stream.run(self.deps, caller, request)) as items:
                async for item in each_within(caller, items):
                    yield item

    def _authorise(self, procedure: AnyProcedure, caller: Caller) -> None:
        """Refuse a procedure that is not for this caller; nowhere else is that decided."""
        if not procedure.operator or OPERATORS[self.deps.settings[OperatorSettings].operators](caller):
            return
        raise PermissionDenied(
            f"{procedure.name!r} ({procedure.action}) is for operators, and nothing proves that this caller, over "
            f"{caller.transport}, is one; call it as the user of the service, by bridge.sock in its home, "
            "by the port or by `cerebros-bridge call`, or let others operate it: CEREBROS_OPERATORS"
        )

    def _named(self, name: str, caller: Caller) -> AnyProcedure:
        procedure = self.procedures.get(name)
        if procedure is None:
            raise NotFound(f"procedure {name!r} is unknown; choose from {', '.join(self.procedures)}")
        self._authorise(procedure, caller)  # who may not ask does not learn what is wrong with the request
        return procedure


class OpenStreams:
    """The streams that are open in this process, over all transports."""

    def __init__(self, _deps: Deps) -> None:
        self._open = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count one more while this lasts.

        Raises:
            ResourceExhausted: as many are open as may be.
        """
        if self._open >= STREAMS_AT_MOST:
            raise ResourceExhausted(f"{STREAMS_AT_MOST} streams are open; end one and ask again")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def decode(raw: Mapping[str, Any], into: type[Request]) -> Request:
    """Turn a decoded map into the request it claims to be.

    Raises:
        InvalidArgument: a field is missing, unknown, of another type or
            outside its rule, or a number is not finite, or a text cannot be stored; the message names its path.
    """
    require_values(raw)
    try:
        return msgspec.convert(raw, into)
    except msgspec.ValidationError as problem:
        allowed = ", ".join(field.name for field in msgspec.structs.fields(into))
        raise InvalidArgument(f"{into.__name__}: {problem}; its fields are {allowed}") from None
