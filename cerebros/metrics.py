"""Figures of trials and runs (`TrainingMetrics`), what work takes (`Spent`), and its prices."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

EnergyMethod = Literal["rapl", "nvml", "model"]
AccuracyKind = Literal["accuracy", "f1", "r2"]


class Spent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wall seconds, CPU seconds, joules and dollars that some work took; dollars by the price table."""

    duration_s: float
    cpu_s: float
    energy_j: float
    cost_usd: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.duration_s + other.duration_s,
            self.cpu_s + other.cpu_s,
            self.energy_j + other.energy_j,
            self.cost_usd + other.cost_usd,
        )

    def share(self, part: float) -> Spent:
        """Return a part of the whole, from 0 to 1."""
        return Spent(self.duration_s * part, self.cpu_s * part, self.energy_j * part, self.cost_usd * part)


NOTHING = Spent(0.0, 0.0, 0.0, 0.0)


class TrainingMetrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures of one training; all are measured, except where `energy_method` is `model`.

    Attributes:
        accuracy: share of correct labels (classification), F1 over all names of all rows (multilabel) or
            R² (regression); `accuracy_kind` says which.
        loss: validation or test loss in the task's own unit.
        latency_p50_s, latency_p95_s, latency_p99_s: seconds for one prediction at batch size 1.
        duration_s, cpu_s: wall and CPU seconds of the training. Seconds, joules and dollars have no
            spread: repeats train together, and one seed's part cannot be told.
        energy_j: joules of the training.
        energy_method: `rapl` or `nvml` for a counter, `model` for CPU seconds times a configured wattage.
        cost_usd: `cpu_s` times the price table.
        peak_mem_bytes: largest resident memory of the process; on a GPU the largest memory of its tensors
            there is added.
        parameters: number of trainable weights.
        flops: floating-point operations of one prediction.
        epochs: epochs trained.
        device: kind and name of the device that trained and was timed: `cpu: AMD EPYC`, `cuda: NVIDIA H200`.
        latency_spread_s: distance between the medians of successive stretches of calls.
        accuracy_spread: standard deviation between seeds, where the network was trained with several.
        population: number of networks trained side by side in one process; seconds, joules and dollars
            are this network's share of all, by operations.

    Raises:
        ValueError: on construction, when a figure is NaN or infinite.
    """

    accuracy: float
    accuracy_kind: AccuracyKind
    loss: float
    latency_p50_s: float
    latency_p95_s: float
    latency_p99_s: float
    duration_s: float
    cpu_s: float
    energy_j: float
    energy_method: EnergyMethod
    cost_usd: float
    peak_mem_bytes: int
    parameters: int
    flops: int
    epochs: int
    device: str
    trials_total: int = 0
    trials_ok: int = 0
    trials_failed: int = 0
    trials_pruned: int = 0
    latency_spread_s: float | None = None
    accuracy_spread: float | None = None
    population: int = 1

    @property
    def spent(self) -> Spent:
        """Seconds, joules and dollars of the training."""
        return Spent(self.duration_s, self.cpu_s, self.energy_j, self.cost_usd)

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is {value}; a figure that is not finite is no measurement")


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Price and power of a core, from the operator's settings.

    Attributes:
        usd_per_cpu_hour: dollars for one core for one hour.
        watts_per_cpu: power of one busy core, used only where no energy counter can be read.
    """

    usd_per_cpu_hour: float
    watts_per_cpu: float

    def cost_usd(self, cpu_s: float) -> float:
        """Compute the price of CPU seconds in dollars."""
        return cpu_s / 3600.0 * self.usd_per_cpu_hour

    def modelled_energy_j(self, cpu_s: float) -> float:
        """Estimate the joules of CPU seconds."""
        return cpu_s * self.watts_per_cpu
