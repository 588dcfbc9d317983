"""What a search optimises: names, directions, and the loss vector they make."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.errors import InvalidArgument
from cerebros.metrics import TrainingMetrics


class Objective(msgspec.Struct, frozen=True):
    """One figure of `TrainingMetrics` (`field`) and whether more of it is better."""

    name: str
    field: str
    maximise: bool


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("accuracy", "accuracy", maximise=True),
        Objective("latency", "latency_p50_s", maximise=False),
        Objective("energy", "energy_j", maximise=False),
        Objective("cost", "cost_usd", maximise=False),
    )
}


def objectives_named(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of these names, in the order given.

    Raises:
        InvalidArgument: a name is unknown or comes twice.
    """
    unknown = [name for name in names if name not in OBJECTIVES]
    if unknown:
        raise InvalidArgument(f"objective {unknown[0]!r} is unknown; choose from {', '.join(OBJECTIVES)}")
    if len(set(names)) != len(names):
        raise InvalidArgument(f"objectives {list(names)} name one twice; name each once")
    return tuple(OBJECTIVES[name] for name in names)


def losses(metrics: TrainingMetrics, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """The figures as a vector to minimise, (n_objectives,): maximised ones change sign."""
    return np.array(
        [
            -getattr(metrics, objective.field) if objective.maximise else getattr(metrics, objective.field)
            for objective in objectives
        ],
        dtype=np.float64,
    )
