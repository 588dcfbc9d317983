"""Rules of the Balance Readiness Gate about training, each from figures to a finding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Status = Literal["healthy", "warning", "critical"]

# Also the values of `cerebros_gate_status` on the metrics page, which the Elixir client reads: keep them.
SEVERITY: dict[Status, int] = {"healthy": 0, "warning": 1, "critical": 2}

# Thunderline warns at a queue depth of 100 and stops at 200.
QUEUE_WARNING = 100
QUEUE_CRITICAL = 200
FAILED_SHARE_WARNING = 0.2


class GateFigures(msgspec.Struct, frozen=True):
    """The figures that the rules read; None where nothing has been measured yet.

    Attributes:
        last_success_age_s: seconds since a run succeeded last.
        runs_without_telemetry: succeeded runs whose stop event lacks duration, cost or energy.
        verdict_age_s: age of the newest policy verdict in seconds.
        last_decision: decision of the newest policy verdict.
        queued: runs that wait for a worker.
        expired_leases: running runs with an overdue worker.
        failed_share: share of failures among the runs that ended within the last day.
    """

    last_success_age_s: float | None
    runs_without_telemetry: int
    verdict_age_s: float | None
    last_decision: str | None
    queued: int
    expired_leases: int
    failed_share: float | None


class Finding(msgspec.Struct, frozen=True):
    """The result of one rule: the status, the measured value and the limit it was compared with."""

    rule: str
    status: Status
    value: float | None
    limit: float | None
    message: str


def judge(figures: GateFigures, max_verdict_age_s: float) -> tuple[Finding, ...]:
    """Apply every rule, in the order of `RULES`.

    Args:
        max_verdict_age_s: age in seconds beyond which a policy verdict is stale.
    """
    return tuple(rule(figures, max_verdict_age_s) for rule in RULES)


def overall(findings: tuple[Finding, ...]) -> Status:
    """Return the worst status among the findings; healthy if there are none."""
    return max((finding.status for finding in findings), key=SEVERITY.__getitem__, default="healthy")


def _training_telemetry(figures: GateFigures, _limit: float) -> Finding:
    if figures.last_success_age_s is None:
        return Finding("training_telemetry", "critical", None, None, "no training run has ever succeeded; start one")
    missing = figures.runs_without_telemetry
    return Finding(
        "training_telemetry",
        "critical" if missing else "healthy",
        missing,
        0,
        f"{missing} succeeded runs lack duration, cost or energy in their stop event"
        if missing
        else "every succeeded run reported duration, cost and energy",
    )


def _verdict_fresh(figures: GateFigures, limit: float) -> Finding:
    age = figures.verdict_age_s
    if age is None:
        return Finding(
            "policy_verdict", "critical", None, limit, "there is no policy verdict; have a run's model judged"
        )
    if figures.last_decision != "allow":
        return Finding("policy_verdict", "critical", age, limit, "the newest policy verdict denies")
    return Finding(
        "policy_verdict",
        "critical" if age > limit else "healthy",
        age,
        limit,
        f"the newest verdict is {age:.0f} s old; {'it is stale, have a newer run judged' if age > limit else 'fresh'}",
    )


def _queue_depth(figures: GateFigures, _limit: float) -> Finding:
    depth = figures.queued
    status: Status = "critical" if depth > QUEUE_CRITICAL else "warning" if depth > QUEUE_WARNING else "healthy"
    return Finding("queue_depth", status, depth, QUEUE_WARNING, f"{depth} runs wait for a worker")


def _leases(figures: GateFigures, _limit: float) -> Finding:
    late = figures.expired_leases
    return Finding(
        "worker_leases",
        "warning" if late else "healthy",
        late,
        0,
        f"{late} running runs have an overdue worker" if late else "every running run has a live worker",
    )


def _failures(figures: GateFigures, _limit: float) -> Finding:
    share = figures.failed_share
    return Finding(
        "failed_runs",
        "warning" if share is not None and share > FAILED_SHARE_WARNING else "healthy",
        share,
        FAILED_SHARE_WARNING,
        "no run ended within the last day" if share is None else f"{share:.0%} of the last day's runs failed",
    )


RULES: tuple[Callable[[GateFigures, float], Finding], ...] = (
    _training_telemetry,
    _verdict_fresh,
    _queue_depth,
    _leases,
    _failures,
)
