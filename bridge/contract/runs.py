"""Runs: how one is started, followed and ended, and what is known about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from bridge.contract.words import Digest, Id, Item, Message, Outcome, PageSize, Queue, RunState, Seconds
from cerebros.errors import CerebrosError
from cerebros.metrics import Spent, TrainingMetrics
from cerebros.space.rose_tree import Tree
from telemetry.events import Scalar, is_progress


class RunError(Message, frozen=True, kw_only=True):
    code: str
    error_class: str
    message: str

    @classmethod
    def of(cls, error: CerebrosError) -> RunError:
        return cls(code=error.code.value, error_class=error.error_class.value, message=error.message)


class Trial(Message, frozen=True, kw_only=True):
    """One candidate of a run and how it ended."""

    number: int
    outcome: Outcome
    tree_hash: str
    tree: Tree
    metrics: TrainingMetrics | None = None
    reason: str | None = None
    curve: tuple[float, ...] = ()


class TrialList(Message, frozen=True, kw_only=True):
    trials: tuple[Trial, ...]


class Run(Message, frozen=True, kw_only=True):
    """A run as it stands. `pareto_set` holds the trials no other trial beats; `promoted_version` the VCV it wrote."""

    run_id: str
    kind: str
    pac_id: str
    state: RunState
    dataset: str
    stages_done: tuple[str, ...]
    last_seq: int
    attempt: int
    queue: Queue
    priority: int
    trials_total: int
    trials_ok: int
    trials_failed: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metrics: TrainingMetrics | None = None
    pareto_set: tuple[Trial, ...] = ()
    promoted_version: int | None = None
    error: RunError | None = None


class RunList(Message, frozen=True, kw_only=True):
    runs: tuple[Run, ...]


class RunEvent(Item, frozen=True, kw_only=True):
    """Event number `seq` of a run; numbers start at 1 and have no gaps."""

    run_id: str
    seq: int
    name: str
    measurements: dict[str, float | int | None]
    metadata: dict[str, Scalar]
    at: datetime

    @property
    def replaceable(self) -> bool:
        return is_progress(self.name)

    def standing_for(self, dropped: int) -> RunEvent:
        return msgspec.structs.replace(self, measurements={**self.measurements, "dropped": dropped})


Spec = TypeVar("Spec", bound=msgspec.Struct)


class StartRun(Message, Generic[Spec], frozen=True, kw_only=True):
    """Start a run for one PAC; `spec` says of which kind, and what that kind needs to know."""

    pac_id: Id
    spec: Spec
    run_id: Id | None = None
    deadline_s: Seconds | None = None
    correlation_id: Id | None = None
    queue: Queue = "cpu"
    priority: Annotated[int, Meta(ge=0, le=9)] = 0


class EstimateRun(Message, Generic[Spec], frozen=True, kw_only=True):
    """Estimate what `start_run` with the same `spec` would take."""

    spec: Spec


class RunEstimate(Message, frozen=True, kw_only=True):
    """Cost of a run, estimated by `method` from `runs` measured ones.

    `expected` goes by their mean, `low` and `high` by the cheapest and the
    dearest of them, figure by figure.
    """

    method: str
    runs: int
    expected: Spent
    low: Spent
    high: Spent


class GetRun(Message, frozen=True, kw_only=True):
    run_id: Id


class ListRuns(Message, frozen=True, kw_only=True):
    pac_id: Id | None = None
    state: RunState | None = None
    limit: PageSize = 50


class CancelRun(Message, frozen=True, kw_only=True):
    run_id: Id
    reason: Annotated[str, Meta(max_length=1024)] = ""


class WatchRun(Message, frozen=True, kw_only=True):
    """Stream a run's events, the stored ones first, until the run has ended.

    Attributes:
        after_seq: the last number the caller has seen; 0 for all events.
    """

    run_id: Id
    after_seq: Annotated[int, Meta(ge=0)] = 0


class ListTrials(Message, frozen=True, kw_only=True):
    """A page of a run's trials, by number.

    Attributes:
        after: the last number of the page before; -1 for the first page.
            Trials do not end in order: while the run is at work, one that
            ends later may have a smaller number.
    """

    run_id: Id
    after: Annotated[int, Meta(ge=-1)] = -1
    limit: PageSize = 1000


class Artifact(Message, frozen=True, kw_only=True):
    """Content-addressed bytes of a run; `path` is where the bridge's host keeps them."""

    digest: str
    kind: str
    bytes: int
    path: str
    run_id: str
    created_at: datetime


class ArtifactList(Message, frozen=True, kw_only=True):
    artifacts: tuple[Artifact, ...]


class ListArtifacts(Message, frozen=True, kw_only=True):
    run_id: Id


class GetArtifact(Message, frozen=True, kw_only=True):
    digest: Digest
