"""Objectives of a search: their names, their directions, and the loss vector they form.

`priv/objectives/*.toml` holds sets of objectives with their trade-offs in words.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.errors import InvalidArgument
from cerebros.metrics import TrainingMetrics
from cerebros.search.targets import Targets
from cerebros.space.rose_tree import Tree


class Objective(msgspec.Struct, frozen=True):
    """A figure of `TrainingMetrics` (`field`) to maximise or minimise; `best` is the best value that it can have."""

    name: str
    field: str
    maximise: bool
    best: float

    def attainable(self, value: float) -> bool:
        """Return True if a model may have this value, or a better one."""
        return math.isfinite(value) and (value <= self.best if self.maximise else value >= self.best)


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("accuracy", "accuracy", maximise=True, best=1.0),
        Objective("latency", "latency_p50_s", maximise=False, best=0.0),
        Objective("energy", "energy_j", maximise=False, best=0.0),
        Objective("cost", "cost_usd", maximise=False, best=0.0),
        Objective("parameters", "parameters", maximise=False, best=0.0),
        Objective("operations", "flops", maximise=False, best=0.0),
    )
}

# The objectives of a request that names none.
USUAL = ("accuracy", "latency", "energy", "cost")


def objectives_named(names: Sequence[str]) -> tuple[Objective, ...]:
    """Return the objectives of these names, in the order given.

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
    """Return the figures as a vector to minimise, (n_objectives,); maximised ones change sign."""
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
        at_least: hard limit of a maximised objective.
        at_most: hard limit of a minimised objective.
        reference: the worst value that counts for hypervolume; it follows the trials when None.

    Raises:
        InvalidArgument: on construction, when the name is unknown, the limit is on the good side, or a value is
            none that a model can have.
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
        for value in (self.at_least, self.at_most, self.reference):
            if value is not None and not objective.attainable(value):
                side = "at most" if objective.maximise else "at least"
                raise InvalidArgument(
                    f"{self.name} is limited to {value}, and no model reaches that; "
                    f"give a finite number, {objective.best:g} {side}"
                )

    def limited_to(self, value: float) -> Goal:
        """Return the goal with a hard limit: `at_least` if the objective is maximised, else `at_most`."""
        side = "at_least" if OBJECTIVES[self.name].maximise else "at_most"
        return msgspec.structs.replace(self, **{side: value})

    def broken_by(self, metrics: TrainingMetrics) -> str | None:
        """Describe how the figures break the hard limit; None if they keep it."""
        value = getattr(metrics, OBJECTIVES[self.name].field)
        if self.at_least is not None and value < self.at_least:
            return f"{self.name} is {value:g}, and the run asked for {self.at_least:g} at least"
        if self.at_most is not None and value > self.at_most:
            return f"{self.name} is {value:g}, and the run asked for {self.at_most:g} at most"
        return None


class ObjectiveSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Objectives with their limits, and a description of their trade-off.

    Raises:
        InvalidArgument: on construction, when it has no objectives, or an unknown or repeated one.
    """

    name: str
    trade_off: str
    objectives: tuple[Goal, ...]

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InvalidArgument(f"objective set {self.name!r} has no objectives; name at least one")
        objectives_named(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives, in order."""
        return tuple(goal.name for goal in self.objectives)

    def limited(self, limits: Mapping[str, float]) -> ObjectiveSet:
        """Return the set with other hard limits.

        Args:
            limits: hard limit by objective; objectives not named here keep theirs.

        Raises:
            InvalidArgument: a limit names no objective of the set.
        """
        if strangers := sorted(limits.keys() - set(self.names)):
            raise InvalidArgument(
                f"limit on {strangers[0]!r}, which is not searched for; name it among the objectives "
                f"({', '.join(self.names)}), or leave the limit out"
            )
        goals = (goal.limited_to(limits[goal.name]) if goal.name in limits else goal for goal in self.objectives)
        return ObjectiveSet(self.name, self.trade_off, tuple(goals))

    def figures(self, metrics: TrainingMetrics) -> list[float]:
        """Return the figures that are objectives, each in its own unit and direction."""
        return [float(getattr(metrics, OBJECTIVES[name].field)) for name in self.names]

    def excesses(self, metrics: TrainingMetrics) -> dict[str, float]:
        """Return by how much the figures break each hard limit, by objective; 0 or less where they keep it."""
        found = {}
        for goal, figure in zip(self.objectives, self.figures(metrics), strict=True):
            if goal.at_most is not None:
                found[goal.name] = figure - goal.at_most
            if goal.at_least is not None:
                found[goal.name] = goal.at_least - figure
        return found

    def broken_by(self, metrics: TrainingMetrics) -> tuple[str, ...]:
        """Describe each hard limit that the figures break."""
        return tuple(broken for goal in self.objectives if (broken := goal.broken_by(metrics)) is not None)

    def targets(self, known: Callable[[Tree], Sequence[float | None]] | None = None) -> Targets:
        """Return limits and reference as losses; those of maximised objectives change sign.

        Args:
            known: returns losses that follow from the tree alone; see `Targets`.
        """
        signs = [-1.0 if objective.maximise else 1.0 for objective in objectives_named(self.names)]
        limits = [goal.at_least if goal.at_most is None else goal.at_most for goal in self.objectives]
        references = [goal.reference for goal in self.objectives]
        return Targets(
            at_most=tuple(None if limit is None else sign * limit for sign, limit in zip(signs, limits, strict=True)),
            reference=tuple(None if r is None else sign * r for sign, r in zip(signs, references, strict=True)),
            known=known,
        )


def objective_set(toml: str) -> ObjectiveSet:
    """Read a set of objectives from TOML, as files of `priv/objectives` have it.

    Raises:
        InvalidArgument: it is not TOML, or breaks a rule.
    """
    try:
        return msgspec.convert(tomllib.loads(toml), ObjectiveSet)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise InvalidArgument(f"not a set of objectives: {problem}; see priv/objectives/balanced.toml") from None
