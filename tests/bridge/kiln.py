"""A command line with a room of its own: the kind `fire`, a procedure and a stream.

`python -m tests.bridge.kiln` is `cerebros-bridge` with them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.cli.commands import command_line
from bridge.contract.procedure import Caller, Procedure, Stream
from bridge.contract.words import Item, Message
from bridge.runs.kinds import ClaimedRun, Deps, Done, Kind, Prepared, Stage
from bridge.service import KINDS, PROCEDURES


class Schedule(Message, frozen=True, kw_only=True):
    hours: Annotated[float, Meta(gt=0, description="Hours at the highest heat.")] = 4.0
    ramps: tuple[float, ...] = ()


class Fire(Message, frozen=True, kw_only=True, tag_field="kind", tag="fire"):
    """Fire a kiln once.

    Its pots are not kept.
    """

    cones: Annotated[int, Meta(ge=1, le=14, description="Number of the pyrometric cone.")] = 6
    glaze: Annotated[str, Meta(min_length=1, description="Name of the glaze.")]
    schedule: Schedule = Schedule()
    slow: bool = False
    atmosphere: Literal["oxidising", "reducing"] = "oxidising"
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    marks: tuple[str, ...] = ()
    shelves: tuple[Schedule, ...] = ()
    priority: int = 0


class Fired(msgspec.Struct, frozen=True):
    glaze: str


async def _prepare(spec: Fire, _caller: Caller, _deps: Deps) -> Prepared[Fire]:
    return Prepared(payload=spec, dataset="clay", dataset_digest="0" * 64, identity=spec)


async def _fire(run: ClaimedRun[Fire], _deps: Deps) -> Done[Fired]:
    return Done(Fired(run.payload.glaze))


FIRE = Kind(Fire, Fire, _prepare, (Stage("firing", Fired, _fire),), lambda _run: None)


class Heat(Message, frozen=True, kw_only=True):
    degrees: Annotated[int, Meta(ge=0)]


class Degree(Item, frozen=True, kw_only=True):
    degree: int


class Ask(Message, frozen=True, kw_only=True):
    pass


class Asker(Message, frozen=True, kw_only=True):
    principal: str
    transport: str
    traceparent: str | None


async def _heat(_deps: Deps, _caller: Caller, request: Heat) -> AsyncGenerator[Degree, None]:
    for degree in range(request.degrees):
        yield Degree(degree=degree)


async def _asker(_deps: Deps, caller: Caller, _request: Ask) -> Asker:
    return Asker(principal=caller.principal, transport=caller.transport, traceparent=caller.traceparent)


ROOM = (Procedure("asker", Ask, Asker, "kiln:read", _asker), Stream("heat", Heat, Degree, "kiln:read", _heat))

if __name__ == "__main__":
    command_line((*KINDS, FIRE), (*PROCEDURES, *ROOM))()
