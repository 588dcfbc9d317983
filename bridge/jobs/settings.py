"""Settings of jobs: where they run, their limits and their prices."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.process.settings import Positive
from cerebros.metrics import PriceTable


class JobSettings(msgspec.Struct, frozen=True, kw_only=True):
    trial_processes: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Trainings at the same time on this machine.",
            extra={"default": "the number of cores"},
        ),
    ] = os.cpu_count() or 1
    trial_timeout_s: Annotated[Positive, Meta(description="Seconds after which a trial ends as `timeout`.")] = 600.0
    trial_memory_bytes: Annotated[
        int, Meta(ge=2**28, description="Memory above which a trial ends as `oom`.", extra={"default": "8 GiB"})
    ] = 8 * 2**30
    executor: Annotated[
        Literal["local", "ray"],
        Meta(description="Where trials run: `local`, in processes of this machine, or `ray`, on a Ray cluster."),
    ] = "local"
    ray_address: Annotated[str, Meta(description="Address of the Ray cluster.")] = ""
    # Defaults: a common cloud price of a shared core, and one core's share in a server processor's rated power.
    usd_per_cpu_hour: Annotated[float, Meta(ge=0, description="Price of one core for an hour, in USD.")] = 0.04
    watts_per_cpu: Annotated[
        float, Meta(ge=0, description="Power of one busy core, used where the machine has no energy counter.")
    ] = 10.0

    @property
    def prices(self) -> PriceTable:
        return PriceTable(self.usd_per_cpu_hour, self.watts_per_cpu)
