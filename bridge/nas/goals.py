"""What a run optimises: objectives by their names, or one of the shipped sets by its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.process.settings import shipped
from cerebros.errors import InvalidArgument
from cerebros.search.objectives import OBJECTIVES, Goal, ObjectiveSet, objective_set


def goals_named(names: Sequence[str], limits: Mapping[str, float]) -> ObjectiveSet:
    """The shipped set where one name is a set's, else these objectives; with these hard limits.

    Raises:
        InvalidArgument: a name is unknown, or comes twice; a limit is of no objective, or no number.
    """
    sets = {file.stem: file for file in shipped("objectives").glob("*.toml")}
    if len(names) == 1 and names[0] in sets:
        return objective_set(sets[names[0]].read_text()).limited(limits)
    unknown = [name for name in names if name not in OBJECTIVES]
    if unknown:
        raise InvalidArgument(
            f"objective {unknown[0]!r} is unknown; choose from {', '.join(OBJECTIVES)}, "
            f"or one set alone: {', '.join(sorted(sets))}"
        )
    return ObjectiveSet("asked for", "", tuple(Goal(name) for name in names)).limited(limits)
