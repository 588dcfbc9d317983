"""The one entry behind every transport: it decodes a caller's request and runs the procedure.

A transport turns bytes into a map, calls `call` or `stream`, and turns the
struct or the error into its own bytes. It decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from bridge.api.deadlines import within
from bridge.contract.procedure import AnyProcedure, Caller, Procedure, Reply, Request, Stream
from bridge.process.defects import defects_answered
from bridge.runs.kinds import Deps
from cerebros.errors import InvalidArgument, NotFound


class Bridge(msgspec.Struct, frozen=True):
    """The procedures of one server process, and the parts they work with."""

    deps: Deps
    procedures: Mapping[str, AnyProcedure]

    @classmethod
    def of(cls, deps: Deps, procedures: Iterable[AnyProcedure]) -> Bridge:
        return cls(deps, {procedure.name: procedure for procedure in procedures})

    async def call(self, caller: Caller, name: str, raw: Mapping[str, Any]) -> msgspec.Struct:
        """Answer a question that comes by name and as a map.

        Raises:
            NotFound: no such procedure.
            InvalidArgument: the request breaks a rule, or the procedure streams.
            DeadlineExceeded: the caller's time is over; the work is ended.
            Internal: a defect of ours; its traceback goes to the log, not over the wire.
            CerebrosError: what the procedure itself raises.
        """
        procedure = self._named(name)
        if isinstance(procedure, Stream):
            raise InvalidArgument(f"{name!r} streams its answers; ask for them one by one")
        return await self.ask(procedure, caller, decode(raw, procedure.request))

    def stream(self, caller: Caller, name: str, raw: Mapping[str, Any]) -> AsyncGenerator[msgspec.Struct, None]:
        """Answer a question, by name and as a map, one struct after the other.

        Raises: as `call`, from the generator.
        """
        procedure = self._named(name)
        if not isinstance(procedure, Stream):
            raise InvalidArgument(f"{name!r} answers once; call it")
        return self.follow(procedure, caller, decode(raw, procedure.request))

    async def ask(self, procedure: Procedure[Deps, Request, Reply], caller: Caller, request: Request) -> Reply:
        """Answer a typed question; raises as `call`."""
        with defects_answered(procedure.name):
            async with within(caller):
                return await procedure.run(self.deps, caller, request)

    async def follow(
        self, stream: Stream[Deps, Request, Reply], caller: Caller, request: Request
    ) -> AsyncGenerator[Reply, None]:
        """Answer a typed question, item by item; raises as `call`."""
        with defects_answered(stream.name):
            async with aclosing(stream.run(self.deps, caller, request)) as items:
                while True:
                    async with within(caller):  # not around the yield: what the reader does then is its own
                        item = await anext(items, None)
                    if item is None:
                        return
                    yield item

    def _named(self, name: str) -> AnyProcedure:
        procedure = self.procedures.get(name)
        if procedure is None:
            raise NotFound(f"procedure {name!r} is unknown; choose from {', '.join(self.procedures)}")
        return procedure


def decode(raw: Mapping[str, Any], into: type[Request]) -> Request:
    """Turn a decoded map into the request it claims to be.

    Raises:
        InvalidArgument: a field is missing, unknown, of another type or
            outside its rule; the message names its path.
    """
    try:
        return msgspec.convert(raw, into)
    except msgspec.ValidationError as problem:
        allowed = ", ".join(field.name for field in msgspec.structs.fields(into))
        raise InvalidArgument(f"{into.__name__}: {problem}; its fields are {allowed}") from None
