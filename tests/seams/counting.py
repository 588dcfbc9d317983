"""A capability that no other code knows: a kind of run with two stages and a job type of its own, and a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from bridge.contract.procedure import Caller, Stream
from bridge.contract.words import Item, Message
from bridge.jobs.work import Checkpoint, JobType
from bridge.runs.claims import Step
from bridge.runs.kinds import ClaimedRun, Deps, Done, Kind, Prepared, Stage
from bridge.service import KINDS, PROCEDURES
from cerebros.metrics import Spent
from telemetry.events import Event

# The kind: about 40 lines.


class Counting(Message, frozen=True, kw_only=True, tag_field="kind", tag="counting"):
    """Count to a number in a job process, then say it."""

    number: Annotated[int, Meta(ge=1, le=10_000, description="Number to count to.")]
    pause_s: Annotated[float, Meta(ge=0, description="Seconds to rest after each number.")] = 0.0


class CountJob(msgspec.Struct, frozen=True):
    number: int
    pause_s: float
    checkpoint_s: float = 0.2
    resume: Checkpoint | None = None


class Counted(msgspec.Struct, frozen=True):
    first: int  # the number that this process began with: above 1 where it went on from another's checkpoint
    last: int
    spent: Spent


class Tick(msgspec.Struct, frozen=True):
    number: int


COUNT = JobType(CountJob, Counted, "tests.seams.counting_job:count", resumable=True, memory_bytes=2**29, note=Tick)


@dataclass(frozen=True, kw_only=True)
class CountProgress(Event):
    """The count has come to a number."""

    name: ClassVar[str] = "cerebros.count.progress"
    measured: ClassVar[tuple[str, ...]] = ("number",)
    number: int
    run_id: str


@dataclass(frozen=True, kw_only=True)
class CountStop(CountProgress):
    """A number was said."""

    name: ClassVar[str] = "cerebros.count.stop"


async def prepare(spec: Counting, _caller: Caller, _deps: Deps) -> Prepared[Counting]:
    return Prepared(payload=spec, dataset="numbers", dataset_digest="0" * 64, identity=spec)


async def count(run: ClaimedRun[Counting], deps: Deps) -> Done[Counted]:
    async def hear(tick: Tick) -> None:
        await deps.engine.append(run.claim, CountProgress(number=tick.number, run_id=run.run_id))

    job = CountJob(run.payload.number, run.payload.pause_s, resume=await deps.checkpoints.newest(run.run_id, 0))
    counted = await deps.jobs.run(COUNT, job, keep=partial(deps.checkpoints.save, run.claim, 0), hear=hear)
    return Done(counted, counted.spent)


async def say(run: ClaimedRun[Counting], _deps: Deps) -> Done[Counted]:
    return Done(run[COUNTS])


async def record(run: ClaimedRun[Counting], said: Counted, step: Step, _deps: Deps) -> None:
    await step.append(CountStop(number=said.last, run_id=run.run_id))


COUNTS = Stage("count", Counted, count)
COUNTING = Kind(Counting, Counting, prepare, (COUNTS, Stage("say", Counted, say, record)), lambda _run: None)

# The procedure: it streams a struct of its own.


class CountDown(Message, frozen=True, kw_only=True):
    """Count down to one."""

    number: Annotated[int, Meta(ge=1, le=1000, description="Number to begin with.")]


class Number(Item, frozen=True, kw_only=True):
    """A number, and who asked for it."""

    number: Annotated[int, Meta(description="The number.", le=1000)]
    principal: Annotated[str, Meta(description="Name of the caller.")]
    correlation_id: Annotated[str | None, Meta(description="The caller's id of what the call belongs to.")]


async def count_down(_deps: Deps, caller: Caller, request: CountDown) -> AsyncGenerator[Number, None]:
    for number in range(request.number, 0, -1):
        yield Number(number=number, principal=caller.principal, correlation_id=caller.correlation_id)


COUNT_DOWN = Stream("count_down", CountDown, Number, "count:read", count_down)

ALL_KINDS, ALL_PROCEDURES = (*KINDS, COUNTING), (*PROCEDURES, COUNT_DOWN)
