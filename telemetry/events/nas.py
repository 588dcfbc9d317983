"""Events of architecture search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from telemetry.events.event import Event


@dataclass(frozen=True, kw_only=True)
class ShortlistStop(Event):
    """The candidates of a run were proposed and stored."""

    name: ClassVar[str] = "cerebros.shortlist.stop"
    measured: ClassVar[tuple[str, ...]] = ("candidates", "observations", "probes")
    candidates: int
    observations: int
    probes: int
    run_id: str
