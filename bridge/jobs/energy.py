"""Counters of energy: what the machine itself says it drew.

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
    """Returns the joules this process has drawn since the counter was made; `method` says who counts."""

    method: EnergyMethod
    joules: Callable[[], float]


def energy_counter(on_gpu: bool, rapl: Path = RAPL, stat: Path = STAT) -> Counter | None:
    """The best counter there is for where the work runs, or None: then joules must be modelled."""
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
    """CPU seconds the whole machine has worked: all but idle and waiting for disks."""
    user, nice, system, _idle, _waiting, *interrupts = map(int, stat.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> int:
    return int(path.read_text())


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
