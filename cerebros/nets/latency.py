"""Measurement of the latency of single predictions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import numpy as np
import torch

from cerebros.nets.module import CerebrosNet

# Enough calls for a steady p99 at the sizes searched here, few enough to cost milliseconds.
WARM_UP_CALLS = 20
MEASURED_CALLS = 200

# Number of stretches of calls between whose medians the spread is taken.
STRETCHES = 5

# On a core that others want too, calls are repeated until so many were made.
CALLS_AT_MOST = 5 * MEASURED_CALLS


class Latency(msgspec.Struct, frozen=True):
    """Seconds of one prediction at batch size 1 on one thread.

    Attributes:
        p50_s, p95_s, p99_s: quantiles over the calls.
        spread_s: distance between the lowest and the highest median of successive stretches of calls;
            networks that differ by less cannot be told apart.
    """

    p50_s: float
    p95_s: float
    p99_s: float
    spread_s: float


@torch.inference_mode()
def measure_latency(
    net: CerebrosNet, device: str, clock: Callable[[], float], interruptions: Callable[[], int], core: int | None
) -> Latency:
    """Time single predictions on one core after a warm-up.

    A call during which the system gave the core to somebody else is made again: its seconds are those of the others'
    work. Where too few calls are left alone, interrupted ones count as well.

    Args:
        device: PyTorch's name of the device that holds the network.
        clock: returns seconds and never goes back.
        interruptions: returns how often this thread had to leave its core.
        core: number of the core, None where cores have none.
    """
    net.eval()
    row = torch.zeros(1, net.architecture.inputs, device=device)
    alone: list[float] = []
    interrupted: list[float] = []
    with _on_core(core):
        for _ in range(WARM_UP_CALLS):
            net(row)
        while len(alone) < MEASURED_CALLS and len(alone) + len(interrupted) < CALLS_AT_MOST:
            _finish(device)
            before = interruptions()
            started = clock()
            net(row)
            _finish(device)
            seconds = clock() - started
            (alone if interruptions() == before else interrupted).append(seconds)
    measured = np.array((alone + interrupted)[:MEASURED_CALLS])
    p50, p95, p99 = np.quantile(measured, [0.5, 0.95, 0.99])
    medians = np.median(measured.reshape(STRETCHES, -1), axis=1)
    return Latency(float(p50), float(p95), float(p99), float(np.ptp(medians)))


@contextmanager
def _on_core(core: int | None) -> Iterator[None]:
    """Pin this thread to the core and torch to this thread, so that no migration is timed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if core is not None:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        if core is not None:
            os.sched_setaffinity(0, allowed)
        torch.set_num_threads(threads)


def _finish(device: str) -> None:
    """Wait for a GPU to finish its work; on a CPU it is finished already."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
