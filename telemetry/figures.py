"""Figures about the service as a whole, counted in the database at scrape time."""

from __future__ import annotations

import msgspec

from cerebros.gate import GateFigures


class Occupation(msgspec.Struct, frozen=True):
    """Numbers of live workers, queued, running and overdue runs, and of writes that the fence refused."""

    workers: int
    queued: int
    running: int
    expired_leases: int
    refused_writes: int


class RunFigure(msgspec.Struct, frozen=True):
    kind: str
    state: str
    runs: int
    duration_s: float


class TrialFigure(msgspec.Struct, frozen=True):
    outcome: str
    trials: int
    duration_s: float
    cpu_s: float
    energy_j: float
    cost_usd: float


class VcvFigure(msgspec.Struct, frozen=True):
    entries: int
    pacs: int


class Figures(msgspec.Struct, frozen=True):
    """All figures that Prometheus scrapes."""

    occupation: Occupation
    runs: tuple[RunFigure, ...]
    trials: tuple[TrialFigure, ...]
    vcv: VcvFigure
    gate: GateFigures
