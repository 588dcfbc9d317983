"""Goals of a run: objectives by their names, or a shipped set of objectives by the set's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.process.settings import shipped
from cerebros.errors import InvalidArgument
from cerebros.search.objectives import OBJECTIVES, Goal, ObjectiveSet, objective_set


def goals_named(names: Sequence[str], limits: Mapping[str, float]) -> ObjectiveSet:
    """Return the shipped set if the only name is that of a set, else these objectives; with these hard limits.

    Raises:
        InvalidArgument: a name is unknown, or comes twice; a limit is of no objective, or no number.
    """
    sets = {file.stem: file for file in shipped("objectives").glob("*.toml")}
    if len(names) == 1 and names[0] in sets:
        return objective_set(sets[names[0]].read_text(encoding="utf-8")).limited(limits)
    unknown = [name for name in names if name not in OBJECTIVES]
    if unknown:
        raise InvalidArgument(
            f"objective {unknown[0]!r} is unknown; choose from {', '.join(OBJECTIVES)}, "
            f"or one set alone: {', '.join(sorted(sets))}"
        )
    return ObjectiveSet("asked for", "", tuple(Goal(name) for name in names)).limited(limits)
