"""Events of runs of any kind, and of their stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cerebros.errors import CerebrosError
from cerebros.metrics import Spent, TrainingMetrics
from telemetry.events.event import Event


@dataclass(frozen=True, kw_only=True)
class RunQueued(Event):
    """A run was accepted and waits for a worker; it takes at most `trials` trials and `wall_s` seconds of work."""

    name: ClassVar[str] = "cerebros.run.queued"
    measured: ClassVar[tuple[str, ...]] = ("trials", "wall_s")
    trials: int
    wall_s: float | None = None
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
    refit, as far as their processes lived to tell; 0 when it never ran.
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
    """A stage of a run has begun."""

    name: ClassVar[str] = "cerebros.stage.start"
    measured: ClassVar[tuple[str, ...]] = ()
    run_id: str
    stage: str


@dataclass(frozen=True, kw_only=True)
class StageStop(Event):
    """A stage of a run is done and its result is stored."""

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
    trials_failed: int = 0,
    error: CerebrosError | None = None,
) -> RunStop:
    """Return the last event of a run; a run that never started has no figures."""
    return RunStop(
        duration_s=duration_s,
        accuracy=metrics.accuracy if metrics else None,
        latency_s=metrics.latency_p50_s if metrics else None,
        cost_usd=spent.cost_usd if spent else None,
        energy_j=spent.energy_j if spent else None,
        trials_total=trials_total,
        trials_ok=trials_ok,
        trials_failed=trials_failed,
        run_id=run_id,
        kind=kind,
        pac_id=pac_id,
        state=state,
        error_code=error.code.value if error else None,
        error_message=error.message if error else None,
    )


def stage_exception(run_id: str, stage: str, duration_s: float, error: CerebrosError) -> StageException:
    """Return the event of a stage that ended with this error."""
    return StageException(
        duration_s=duration_s,
        run_id=run_id,
        stage=stage,
        error_code=error.code.value,
        error_message=error.message,
    )
