"""How long one prediction takes, measured on the network itself."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import torch

from cerebros.nets.module import CerebrosNet

# Enough calls for a steady p99 at the sizes searched here, few enough to cost milliseconds.
WARM_UP_CALLS = 20
MEASURED_CALLS = 200


class Latency(msgspec.Struct, frozen=True):
    """Quantiles of the seconds one prediction at batch size 1 takes."""

    p50_s: float
    p95_s: float
    p99_s: float


@torch.inference_mode()
def measure_latency(net: CerebrosNet, device: str, clock: Callable[[], float]) -> Latency:
    """Time single predictions after a warm-up; `clock` returns seconds and never goes back."""
    net.eval()
    row = torch.zeros(1, net.architecture.inputs, device=device)
    seconds = np.empty(WARM_UP_CALLS + MEASURED_CALLS)
    for call in range(len(seconds)):
        _finish(device)
        started = clock()
        net(row)
        _finish(device)
        seconds[call] = clock() - started
    p50, p95, p99 = np.quantile(seconds[WARM_UP_CALLS:], [0.5, 0.95, 0.99])
    return Latency(float(p50), float(p95), float(p99))


def _finish(device: str) -> None:
    """Wait for the work a GPU has been given; on a CPU it is done already."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
