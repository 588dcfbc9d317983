"""Events of a PAC's capability: the verdict on a model, and its promotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from telemetry.events.event import Event


@dataclass(frozen=True, kw_only=True)
class VerdictStop(Event):
    """A verdict on a run's model was given and stored."""

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
