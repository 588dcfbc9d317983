"""The kind seam: how a capability becomes a durable run.

A room declares a `Kind`: the spec of a request, the check that refuses a bad
one at once, and the stages in their order. The engine claims, fences, resumes, cancels,
bills and streams runs of any kind, and has no kind or stage by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec

from bridge.contract.policy import Contender
from bridge.contract.procedure import Caller
from bridge.contract.runs import RunEstimate
from bridge.jobs.executor import Executor
from bridge.process.settings import Settings
from bridge.runs.checkpoints import Checkpoints
from bridge.runs.claims import Claim, Step
from bridge.runs.engine import Engine
from bridge.runs.notices import Notices
from bridge.runs.rows import RunStore
from bridge.runs.trials import TrialStore
from bridge.store.artifacts import ArtifactFiles
from bridge.store.database import Database
from cerebros.errors import Internal
from cerebros.metrics import NOTHING, Spent, TrainingMetrics

Spec = TypeVar("Spec", bound=msgspec.Struct)
Payload = TypeVar("Payload")
Payload_co = TypeVar("Payload_co", covariant=True)
Payload_contra = TypeVar("Payload_contra", contravariant=True)
Result = TypeVar("Result")
Part = TypeVar("Part")


class Deps(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that stages and procedures work with, made once a process.

    Attributes:
        draining: while it is set, no run starts here.
        ending: once it is set, this process ends, and drains until then.
    """

    settings: Settings
    database: Database
    engine: Engine
    runs: RunStore
    trials: TrialStore
    notices: Notices
    artifacts: ArtifactFiles
    checkpoints: Checkpoints
    jobs: Executor
    draining: asyncio.Event
    ending: asyncio.Event
    kinds: Mapping[str, Kind[Any, Any]]
    rooms_parts: dict[Callable[..., Any], Any] = msgspec.field(default_factory=dict)

    def one(self, make: Callable[[Deps], Part]) -> Part:
        """Return a room's own part, made by `make` on the first call and kept for the process."""
        if make not in self.rooms_parts:
            self.rooms_parts[make] = make(self)
        part: Part = self.rooms_parts[make]
        return part


@dataclass(frozen=True)
class RunRecord(Generic[Payload_co]):
    """A run's request, with the results of the stages that are done."""

    run_id: str
    pac_id: str
    kind: Kind[Any, Any]
    payload: Payload_co
    results: Mapping[str, Any]

    def __getitem__(self, stage: Stage[Any, Result]) -> Result:
        """Return a stage's result.

        Raises:
            Internal: the stage is not done; the kind lists it too late, or not at all.
        """
        if stage.name not in self.results:
            raise Internal(f"stage {stage.name!r} of run {self.run_id!r} is not done; list it earlier in its kind")
        result: Result = self.results[stage.name]
        return result

    def get(self, stage: Stage[Any, Result]) -> Result | None:
        """Return a stage's result, None while it is not done."""
        return self.results.get(stage.name)


@dataclass(frozen=True)
class ClaimedRun(RunRecord[Payload_co]):
    """A run that a worker has claimed."""

    claim: Claim

    def after(self, stage: Stage[Any, Result], result: Result) -> ClaimedRun[Payload_co]:
        """Return the run with one more stage done."""
        return replace(self, results={**self.results, stage.name: result})


@dataclass(frozen=True)
class Done(Generic[Result]):
    """Result of a stage, and its costs beyond those of the run's trials, which are billed one by one."""

    result: Result
    spent: Spent = NOTHING


async def record_nothing_more(_run: ClaimedRun[Any], _result: object, _step: Step, _deps: Deps) -> None:
    """Store nothing beside the stage's own row."""


@dataclass(frozen=True)
class Stage(Generic[Payload_contra, Result]):
    """A named step of a run. The database remembers the name, so a resumed run skips what it has done.

    Attributes:
        result: the type its result is stored as.
        work: does the step.
        record: stores more in the transaction that stores the result.
    """

    name: str
    result: type[Result]
    work: Callable[[ClaimedRun[Payload_contra], Deps], Awaitable[Done[Result]]]
    record: Callable[[ClaimedRun[Payload_contra], Result, Step, Deps], Awaitable[None]] = record_nothing_more


@dataclass(frozen=True)
class Prepared(Generic[Payload]):
    """A run that may be queued.

    Attributes:
        payload: complete input of the stages; a later change of a file that the spec names does not affect it.
        dataset, dataset_digest: the dataset that the run learns from, by name and content.
        identity: equal for two requests of the same run, however they are spelt.
        trials: largest number of trials.
        wall_s: seconds of work after which the run starts nothing more, None without such a limit.
    """

    payload: Payload
    dataset: str
    dataset_digest: str
    identity: object
    trials: int = 0
    wall_s: float | None = None


@dataclass(frozen=True)
class Kind(Generic[Spec, Payload]):
    """A capability as a durable run.

    Attributes:
        spec: type of the request; its tag, in the field `kind`, is the kind's name on every transport.
        payload: the type that `prepare` completes the spec to; it is stored with the run.
        prepare: refuses a spec that cannot work or that the caller may not ask for, and completes the payload.
        stages: in their order.
        summary: the run's metrics from its stages' results; None where there are none yet.
        estimate: costs of a run of this spec, for kinds that can be estimated.
        contender: the run's model with everything that a verdict judges, None without one.
    """

    spec: type[Spec]
    payload: type[Payload]
    prepare: Callable[[Spec, Caller, Deps], Awaitable[Prepared[Payload]]]
    stages: tuple[Stage[Payload, Any], ...]
    summary: Callable[[RunRecord[Payload]], TrainingMetrics | None]
    estimate: Callable[[Spec, Caller, Deps], Awaitable[RunEstimate]] | None = None
    contender: Callable[[RunRecord[Payload]], Contender | None] | None = None

    @property
    def name(self) -> str:
        return kind_of(self.spec)


def kind_of(spec: type[msgspec.Struct]) -> str:
    """Return the name of the kind that a spec type asks for: its tag."""
    return str(spec.__struct_config__.tag)
