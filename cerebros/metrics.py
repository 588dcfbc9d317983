"""Figures of trials and runs (`TrainingMetrics`), what work takes (`Spent`), and its prices."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

EnergyMethod = Literal["rapl", "nvml", "model"]

# A count that 31 bits may not hold; the format is that of JSON Schema and OpenAPI.
Large = Annotated[int, Meta(extra_json_schema={"format": "int64"})]
AccuracyKind = Literal["accuracy", "f1", "r2"]


class Spent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time, energy and money that some work took."""

    duration_s: Annotated[float, Meta(description="Seconds by the clock.")]
    cpu_s: Annotated[float, Meta(description="Seconds of processor time.")]
    energy_j: Annotated[float, Meta(description="Joules, counted or by the operator's price table.")]
    cost_usd: Annotated[float, Meta(description="Dollars by the operator's price table.")]

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
    """Measured figures of one training; where one is modelled its method says so.

    Seconds, joules and dollars have no spread: repeats train together, and one
    seed's part cannot be told.

    Raises:
        ValueError: on construction, when a figure is NaN or infinite.
    """

    accuracy: Annotated[
        float,
        Meta(description="Share of correct labels, F1 over all names of all rows, or R², as `accuracy_kind` says."),
    ]
    accuracy_kind: Annotated[
        AccuracyKind,
        Meta(description="Measure of `accuracy`: `accuracy` (classification), `f1` (multilabel) or `r2` (regression)."),
    ]
    loss: Annotated[float, Meta(description="Loss on held-out rows, in the task's own unit.")]
    latency_p50_s: Annotated[float, Meta(description="Median seconds of one prediction at batch size 1.")]
    latency_p95_s: Annotated[float, Meta(description="95th percentile of those seconds.")]
    latency_p99_s: Annotated[float, Meta(description="99th percentile of those seconds.")]
    duration_s: Annotated[float, Meta(description="Seconds that the training took by the clock.")]
    cpu_s: Annotated[float, Meta(description="Seconds of processor time that the training took.")]
    energy_j: Annotated[float, Meta(description="Joules that the training took, by `energy_method`.")]
    energy_method: Annotated[
        EnergyMethod,
        Meta(
            description="Origin of the joules: `rapl` or `nvml` where a counter was read, `model` for processor time "
            "times a configured wattage."
        ),
    ]
    cost_usd: Annotated[float, Meta(description="Dollars: `cpu_s` times the operator's price table.")]
    peak_mem_bytes: Annotated[
        Large,
        Meta(
            description="Largest resident memory of the process; on a GPU the most bytes that its tensors held there "
            "are added."
        ),
    ]
    parameters: Annotated[Large, Meta(description="Number of trainable weights.")]
    flops: Annotated[Large, Meta(description="Floating-point operations of one prediction.")]
    epochs: Annotated[int, Meta(description="Number of passes over the training rows.")]
    device: Annotated[
        str, Meta(description="Kind and name of what trained and was timed: `cpu: AMD EPYC`, `cuda: NVIDIA H200`.")
    ]
    trials_total: Annotated[
        int, Meta(description="Number of trials behind a run's figures; 0 in those of one trial.")
    ] = 0
    trials_ok: Annotated[int, Meta(description="Number of trials that gave a result.")] = 0
    trials_failed: Annotated[int, Meta(description="Number of trials that ended without a result.")] = 0
    trials_pruned: Annotated[int, Meta(description="Number of trials that were stopped early as hopeless.")] = 0
    latency_spread_s: Annotated[
        float | None,
        Meta(
            description="Distance in seconds between the medians of successive stretches of the timed predictions; "
            "absent where it was not measured."
        ),
    ] = None
    accuracy_spread: Annotated[
        float | None,
        Meta(description="Standard deviation of the accuracy between seeds; absent where there was one seed."),
    ] = None
    population: Annotated[
        int,
        Meta(
            description="Number of networks trained side by side in one process; seconds, joules and dollars are this "
            "one's share of what all took, by operations."
        ),
    ] = 1

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
