"""Counters of energy, read from the machine itself.

RAPL counts a whole processor package, whoever keeps it busy; a process's part
is its share of the machine's busy CPU time. NVML counts a whole GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cerebros.metrics import EnergyMethod

RAPL = Path("/sys/class/powercap")
STAT = Path("/proc/stat")


class Counter(NamedTuple):
    """Function that returns the joules drawn by this process since it was made; `method` names the source."""

    method: EnergyMethod
    joules: Callable[[], float]


def energy_counter(on_gpu: bool, rapl: Path = RAPL, stat: Path = STAT) -> Counter | None:
    """Return the best counter for the device that does the work; None where joules must be modelled."""
    return _nvml() if on_gpu else _rapl(rapl, stat)


def _rapl(root: Path, stat: Path) -> Counter | None:
    packages = [path for path in sorted(root.glob("*-rapl:*")) if path.name.count(":") == 1]
    try:
        started = [_read(package / "energy_uj") for package in packages]
        ranges = [_read(package / "max_energy_range_uj") for package in packages]
        busy_before, own_before = _busy_s(stat), time.process_time()
    except OSError:  # since 2020 kernels let only root read it
        return None
    if not packages:
        return None

    def joules() -> float:
        drawn = zip((_read(package / "energy_uj") for package in packages), started, ranges, strict=True)
        # The counter starts anew at its range, which a package under load takes many minutes to reach.
        whole = sum((now - before) % full for now, before, full in drawn) / 1e6
        busy, own = _busy_s(stat) - busy_before, time.process_time() - own_before
        return whole * min(1.0, own / busy) if busy > 0 else 0.0

    return Counter("rapl", joules)


def _busy_s(stat: Path) -> float:
    """Return the CPU seconds that the whole machine was busy: all but idle time and waiting for disks."""
    user, nice, system, _idle, _waiting, *interrupts = map(
        int, stat.read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> int:
    return int(path.read_text(encoding="utf-8"))


def _nvml() -> Counter | None:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        device = pynvml.nvmlDeviceGetHandleByIndex(0)
        started = pynvml.nvmlDeviceGetTotalEnergyConsumption(device)
    except pynvml.NVMLError:
        return None
    return Counter("nvml", lambda: (pynvml.nvmlDeviceGetTotalEnergyConsumption(device) - started) / 1e3)
