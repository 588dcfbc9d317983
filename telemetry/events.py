"""The one vocabulary of events: what happened, how much of it, and to what.

An event is a frozen dataclass named `cerebros.<thing>.<what happened>`, which
is queued, start, progress, rung, stop or exception. Fields listed in
`measured` are measurements (numbers), the others are metadata; together they
have the shape of Erlang's `:telemetry.execute/3`.
A `stop` carries every documented key, also when the thing failed: figures
that do not exist are None, never a made-up number. Any other event tells of
something that happened once; one named `cerebros.<thing>.progress` says how
far something has come, and the next of its kind says it better.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import msgspec

from cerebros.errors import CerebrosError
from cerebros.metrics import Spent, TrainingMetrics

Scalar = str | int | float | bool | None


class Record(msgspec.Struct, frozen=True):
    """An event as it is stored and sent: `measurements` are numbers, `metadata` says of what."""

    name: str
    measurements: dict[str, float | int | None]
    metadata: dict[str, Scalar]


@dataclass(frozen=True, kw_only=True)
class Event:
    name: ClassVar[str]
    measured: ClassVar[tuple[str, ...]]

    def record(self) -> Record:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return Record(
            name=self.name,
            measurements={key: values[key] for key in self.measured},
            metadata={key: value for key, value in values.items() if key not in self.measured},
        )


def is_progress(name: str) -> bool:
    """Whether a reader that is behind may be shown only the last of several events named so."""
    return name.endswith(".progress")


@dataclass(frozen=True, kw_only=True)
class RunQueued(Event):
    """A run was accepted and waits for a worker."""

    name: ClassVar[str] = "cerebros.run.queued"
    measured: ClassVar[tuple[str, ...]] = ("trials",)
    trials: int
    run_id: str
    kind: str
    pac_id: str
    dataset: str
    correlation_id: str | None


@dataclass(frozen=True, kw_only=True)
class RunStart(Event):
    """A worker has claimed the run.

    `attempt` counts the claims: a lost worker, a drain, a lock or trouble with
    the database makes another.
    """

    name: ClassVar[str] = "cerebros.run.start"
    measured: ClassVar[tuple[str, ...]] = ("queue_s",)
    queue_s: float
    run_id: str
    kind: str
    pac_id: str
    attempt: int
    worker_id: str


@dataclass(frozen=True, kw_only=True)
class RunStop(Event):
    """The run has ended in `state`.

    `accuracy` and `latency_s` are those of its scored model, None without
    one. `cost_usd` and `energy_j` are of the whole run: probes, trials and
    refit, as far as their processes lived to tell; None when it never ran.
    """

    name: ClassVar[str] = "cerebros.run.stop"
    measured: ClassVar[tuple[str, ...]] = (
        "duration_s",
        "accuracy",
        "latency_s",
        "cost_usd",
        "energy_j",
        "trials_total",
        "trials_ok",
        "trials_failed",
    )
    duration_s: float | None
    accuracy: float | None
    latency_s: float | None
    cost_usd: float | None
    energy_j: float | None
    trials_total: int
    trials_ok: int
    trials_failed: int
    run_id: str
    kind: str
    pac_id: str
    state: str
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, kw_only=True)
class StageStart(Event):
    name: ClassVar[str] = "cerebros.stage.start"
    measured: ClassVar[tuple[str, ...]] = ()
    run_id: str
    stage: str


@dataclass(frozen=True, kw_only=True)
class StageStop(Event):
    name: ClassVar[str] = "cerebros.stage.stop"
    measured: ClassVar[tuple[str, ...]] = ("duration_s",)
    duration_s: float
    run_id: str
    stage: str


@dataclass(frozen=True, kw_only=True)
class StageException(Event):
    """A stage refused or failed; the run ends with the same error, or is tried again where that may help."""

    name: ClassVar[str] = "cerebros.stage.exception"
    measured: ClassVar[tuple[str, ...]] = ("duration_s",)
    duration_s: float
    run_id: str
    stage: str
    error_code: str
    error_message: str


@dataclass(frozen=True, kw_only=True)
class TrialStop(Event):
    """A candidate was trained and measured, or ended otherwise as `outcome` says."""

    name: ClassVar[str] = "cerebros.trial.stop"
    measured: ClassVar[tuple[str, ...]] = (
        "duration_s",
        "accuracy",
        "loss",
        "latency_s",
        "cost_usd",
        "energy_j",
        "parameters",
    )
    duration_s: float | None
    accuracy: float | None
    loss: float | None
    latency_s: float | None
    cost_usd: float | None
    energy_j: float | None
    parameters: int | None
    run_id: str
    number: int
    outcome: str
    tree_hash: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class TrialProgress(Event):
    """A training's state was kept after `epoch` epochs; `loss` is that epoch's validation loss, None in a refit."""

    name: ClassVar[str] = "cerebros.trial.progress"
    measured: ClassVar[tuple[str, ...]] = ("epoch", "loss", "duration_s")
    epoch: int
    loss: float | None
    duration_s: float
    run_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class TrialRung(Event):
    """A trial came to a rung after `epoch` epochs and waits: it goes on only if it is among the best there."""

    name: ClassVar[str] = "cerebros.trial.rung"
    measured: ClassVar[tuple[str, ...]] = ("epoch", "accuracy", "loss", "duration_s")
    epoch: int
    accuracy: float
    loss: float
    duration_s: float
    run_id: str
    number: int
    tree_hash: str


@dataclass(frozen=True, kw_only=True)
class ShortlistStop(Event):
    name: ClassVar[str] = "cerebros.shortlist.stop"
    measured: ClassVar[tuple[str, ...]] = ("candidates", "observations", "probes")
    candidates: int
    observations: int
    probes: int
    run_id: str


@dataclass(frozen=True, kw_only=True)
class VerdictStop(Event):
    name: ClassVar[str] = "cerebros.verdict.stop"
    measured: ClassVar[tuple[str, ...]] = ()
    run_id: str
    verdict_id: str
    decision: str


@dataclass(frozen=True, kw_only=True)
class PromotionStop(Event):
    """A PAC's capability vector has a new version."""

    name: ClassVar[str] = "cerebros.promotion.stop"
    measured: ClassVar[tuple[str, ...]] = ("accuracy", "latency_s", "cost_usd", "energy_j", "version")
    accuracy: float
    latency_s: float
    cost_usd: float
    energy_j: float
    version: int
    run_id: str
    pac_id: str
    artifact_digest: str
    verdict_id: str


def run_stop(
    run_id: str,
    kind: str,
    pac_id: str,
    state: str,
    *,
    duration_s: float | None = None,
    metrics: TrainingMetrics | None = None,
    spent: Spent | None = None,
    trials_total: int = 0,
    trials_ok: int = 0,
    error: CerebrosError | None = None,
) -> RunStop:
    """The last event of a run; a run that never started has no figures."""
    return RunStop(
        duration_s=duration_s,
        accuracy=metrics.accuracy if metrics else None,
        latency_s=metrics.latency_p50_s if metrics else None,
        cost_usd=spent.cost_usd if spent else None,
        energy_j=spent.energy_j if spent else None,
        trials_total=trials_total,
        trials_ok=trials_ok,
        trials_failed=trials_total - trials_ok,
        run_id=run_id,
        kind=kind,
        pac_id=pac_id,
        state=state,
        error_code=error.code.value if error else None,
        error_message=error.message if error else None,
    )


def stage_exception(run_id: str, stage: str, duration_s: float, error: CerebrosError) -> StageException:
    return StageException(
        duration_s=duration_s,
        run_id=run_id,
        stage=stage,
        error_code=error.code.value,
        error_message=error.message,
    )


def trial_rung(run_id: str, number: int, tree_hash: str, metrics: TrainingMetrics) -> TrialRung:
    """A trial's standing at its rung."""
    return TrialRung(
        epoch=metrics.epochs,
        accuracy=metrics.accuracy,
        loss=metrics.loss,
        duration_s=metrics.duration_s,
        run_id=run_id,
        number=number,
        tree_hash=tree_hash,
    )


def trial_stop(
    run_id: str,
    number: int,
    outcome: str,
    tree_hash: str,
    metrics: TrainingMetrics | None,
    reason: str | None,
) -> TrialStop:
    """The end of a trial; without metrics its figures are None."""
    return TrialStop(
        duration_s=metrics.duration_s if metrics else None,
        accuracy=metrics.accuracy if metrics else None,
        loss=metrics.loss if metrics else None,
        latency_s=metrics.latency_p50_s if metrics else None,
        cost_usd=metrics.cost_usd if metrics else None,
        energy_j=metrics.energy_j if metrics else None,
        parameters=metrics.parameters if metrics else None,
        run_id=run_id,
        number=number,
        outcome=outcome,
        tree_hash=tree_hash,
        reason=reason,
    )


VOCABULARY: tuple[type[Event], ...] = (
    RunQueued,
    RunStart,
    RunStop,
    StageStart,
    StageStop,
    StageException,
    TrialProgress,
    TrialRung,
    TrialStop,
    ShortlistStop,
    VerdictStop,
    PromotionStop,
)
