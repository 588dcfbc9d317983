"""Meter of a training: seconds, CPU seconds, joules and peak memory; and the processor's name."""

from __future__ import annotations

import platform
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from bridge.jobs.energy import energy_counter
from cerebros.metrics import EnergyMethod, PriceTable, Spent

CPUINFO = Path("/proc/cpuinfo")


class Reading(msgspec.Struct, frozen=True):
    spent: Spent
    energy_method: EnergyMethod
    peak_mem_bytes: int


class Meter:
    """Meter that starts when it is constructed. Joules are modelled from CPU seconds where no counter can be read."""

    def __init__(self, prices: PriceTable, *, on_gpu: bool = False) -> None:
        self._prices, self._counter, self._on_gpu = prices, energy_counter(on_gpu), on_gpu
        _forget_peak_memory(on_gpu)
        self._started, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Reading:
        cpu_s = time.process_time() - self._cpu
        spent = Spent(
            duration_s=time.perf_counter() - self._started,
            cpu_s=cpu_s,
            energy_j=self._counter.joules() if self._counter else self._prices.modelled_energy_j(cpu_s),
            cost_usd=self._prices.cost_usd(cpu_s),
        )
        return Reading(spent, self._counter.method if self._counter else "model", _peak_memory_bytes(self._on_gpu))


def processor(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's model, or its architecture where the system does not tell the model."""
    with suppress(OSError):
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, model = line.partition(":")
            if name.strip() == "model name" and model.strip():
                return model.strip()
    return platform.processor() or platform.machine()


def _forget_peak_memory(on_gpu: bool) -> None:
    """Restart the measurement of peak memory, where the system can (Linux; a GPU always)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    if on_gpu:
        import torch

        # Else there is nothing to forget yet, and to start CUDA is the training's.
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.reset_peak_memory_stats()


def _peak_memory_bytes(on_gpu: bool) -> int:
    """Return the peak of resident memory, plus the peak of GPU memory that tensors held."""
    if not on_gpu:
        return _peak_resident_bytes()
    import torch

    return _peak_resident_bytes() + torch.cuda.max_memory_allocated()


def _peak_resident_bytes() -> int:
    """Return the peak of this process's resident memory since the last reset, or since its start without one."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
