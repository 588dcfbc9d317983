"""What a training took from the machine: seconds, CPU seconds, joules, peak memory."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import msgspec

from bridge.jobs.energy import energy_counter
from cerebros.metrics import EnergyMethod, PriceTable, Spent


class Reading(msgspec.Struct, frozen=True):
    spent: Spent
    energy_method: EnergyMethod
    peak_mem_bytes: int


class Meter:
    """Started on construction. Joules are modelled from CPU seconds where no counter can be read."""

    def __init__(self, prices: PriceTable, *, on_gpu: bool = False) -> None:
        self._prices, self._counter = prices, energy_counter(on_gpu)
        _forget_peak_memory()
        self._started, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Reading:
        cpu_s = time.process_time() - self._cpu
        spent = Spent(
            duration_s=time.perf_counter() - self._started,
            cpu_s=cpu_s,
            energy_j=self._counter.joules() if self._counter else self._prices.modelled_energy_j(cpu_s),
            cost_usd=self._prices.cost_usd(cpu_s),
        )
        return Reading(spent, self._counter.method if self._counter else "model", _peak_memory_bytes())


def _forget_peak_memory() -> None:
    """Let the next peak count from here, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory_bytes() -> int:
    """The most resident memory this process has had, since the last reset where there is one."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
