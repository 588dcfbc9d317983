"""TrainingMetrics: the one struct of figures that every trial and every run returns."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

EnergyMethod = Literal["rapl", "nvml", "model"]
AccuracyKind = Literal["accuracy", "f1", "r2"]


class Spent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What some work took: wall seconds and CPU seconds measured, joules and dollars by the price table."""

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
        return Spent(self.duration_s * part, self.cpu_s * part, self.energy_j * part, self.cost_usd * part)


NOTHING = Spent(0.0, 0.0, 0.0, 0.0)


class TrainingMetrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Measured figures of one training; every field is a measurement unless its method says `model`.

    `device` is the kind and the name of what trained and was timed: `cpu: AMD
    EPYC`, `cuda: NVIDIA H200`. `peak_mem_bytes` is the process's most resident
    memory; on a GPU the most that its tensors held there is added. Seconds,
    joules and dollars have no spread: repeats train together, and what one
    seed took cannot be told.

    `accuracy` is the share of correct labels for classification, F1 over all
    names of all rows for multilabel and R² for regression (`accuracy_kind`
    says which). `loss` is the validation or test
    loss in the task's own unit. `latency_*_s` are seconds for one prediction
    at batch size 1; `latency_spread_s` is how far the medians of successive
    stretches of calls lie apart. `accuracy_spread` is the standard deviation
    between seeds, where the network was trained with several. Where
    `population` networks were trained side by side in one process, seconds,
    joules and dollars are this one's share of what all took, by operations.
    `energy_j` covers the training; `energy_method` tells whether a counter
    (`rapl`, `nvml`) or CPU-seconds times a configured wattage (`model`)
    produced it. `cost_usd` is `cpu_s` times the price table.
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
        return Spent(self.duration_s, self.cpu_s, self.energy_j, self.cost_usd)

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is {value}; a figure that is not finite is no measurement")


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a unit of machine costs and draws; the figures come from the operator's settings.

    Attributes:
        usd_per_cpu_hour: price of one core for one hour.
        watts_per_cpu: power one busy core draws, used only where no energy
            counter can be read.
    """

    usd_per_cpu_hour: float
    watts_per_cpu: float

    def cost_usd(self, cpu_s: float) -> float:
        return cpu_s / 3600.0 * self.usd_per_cpu_hour

    def modelled_energy_j(self, cpu_s: float) -> float:
        return cpu_s * self.watts_per_cpu
