"""What a search optimises: names, directions, and the loss vector they make.

`priv/objectives/*.toml` holds sets of objectives with their trade-offs in words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.errors import InvalidArgument
from cerebros.metrics import TrainingMetrics
from cerebros.targets import Targets


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


class Goal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One objective of a set, in the unit of its figure.

    Attributes:
        at_least, at_most: hard limits; the former for what is maximised, the latter for what is minimised.
        reference: the worst value that still counts; it follows the trials when None.
    """

    name: str
    at_least: float | None = None
    at_most: float | None = None
    reference: float | None = None

    def __post_init__(self) -> None:
        (objective,) = objectives_named([self.name])
        against = self.at_most if objective.maximise else self.at_least
        if against is not None:
            side = "at_least" if objective.maximise else "at_most"
            raise InvalidArgument(f"{self.name} is limited to {against} on its good side; use {side}")


class ObjectiveSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Objectives that go together, their limits, and in words what choosing them costs."""

    name: str
    trade_off: str
    objectives: tuple[Goal, ...]

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InvalidArgument(f"objective set {self.name!r} has no objectives; name at least one")
        objectives_named(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(goal.name for goal in self.objectives)

    def targets(self) -> Targets:
        """Limits and reference as losses: what is maximised changes sign."""
        signs = [-1.0 if objective.maximise else 1.0 for objective in objectives_named(self.names)]
        limits = [goal.at_least if goal.at_most is None else goal.at_most for goal in self.objectives]
        references = [goal.reference for goal in self.objectives]
        return Targets(
            at_most=tuple(None if limit is None else sign * limit for sign, limit in zip(signs, limits, strict=True)),
            reference=tuple(None if r is None else sign * r for sign, r in zip(signs, references, strict=True)),
        )


def objective_set(toml: str) -> ObjectiveSet:
    """The set that a file of `priv/objectives` describes.

    Raises:
        InvalidArgument: it is no TOML, or breaks a rule.
    """
    try:
        return msgspec.convert(tomllib.loads(toml), ObjectiveSet)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise InvalidArgument(f"not a set of objectives: {problem}; see priv/objectives/balanced.toml") from None
