"""Events of trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cerebros.metrics import TrainingMetrics
from telemetry.events.event import Event


@dataclass(frozen=True, kw_only=True)
class TrialProgress(Event):
    """A training's state was kept after `resource` epochs or steps; `loss` is of validation rows, None in a refit."""

    name: ClassVar[str] = "cerebros.trial.progress"
    measured: ClassVar[tuple[str, ...]] = ("resource", "loss", "duration_s")
    resource: int
    loss: float | None
    duration_s: float
    run_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class TrialRung(Event):
    """A trial came to a rung after `resource` epochs or steps; it goes on only if it is among the best there."""

    name: ClassVar[str] = "cerebros.trial.rung"
    measured: ClassVar[tuple[str, ...]] = ("resource", "accuracy", "loss", "duration_s")
    resource: int
    accuracy: float
    loss: float
    duration_s: float
    run_id: str
    number: int
    tree_hash: str


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


def trial_rung(run_id: str, number: int, tree_hash: str, metrics: TrainingMetrics) -> TrialRung:
    """Return the event of a trial that waits at a rung with these figures."""
    return TrialRung(
        resource=metrics.epochs,
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
    """Return the last event of a trial; without metrics its figures are None."""
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
