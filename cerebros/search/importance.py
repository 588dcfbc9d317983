"""Importance of a search's decisions: the share of a figure's variance that each key explains by itself.

Notation
    x       a key's value in one tree: an option, or the mean over siblings
    η²      variance between groups of x, divided by the whole variance
    ε²      η² less the share that groups of this size explain by chance

Source: Kelley 1935 (ε², the unbiased correlation ratio).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cerebros.search.pareto import tamed
from cerebros.space.rose_tree import Choice, Space, Tree, Value

# Numbers fall into this many groups of about equal size: enough for a hump, few enough for forty trials.
GROUPS = 4

# Fewer trees say nothing about groups.
TREES_AT_LEAST = 8


def key_values(space: Space, tree: Tree) -> dict[str, Value]:
    """Return one value per key of a tree: the mean of siblings' numbers, or the first sibling's option.

    Raises:
        SpaceRejected: the tree does not belong to the space.
    """
    seen: dict[str, list[Value]] = {}
    options: set[str] = set()
    for decision in space.decisions(tree):
        seen.setdefault(decision.key, []).append(decision.value)
        if isinstance(decision.param, Choice):
            options.add(decision.key)
    return {
        key: values[0] if key in options else float(np.mean([float(value) for value in values]))
        for key, values in seen.items()
    }


def importances(values: Sequence[Mapping[str, Value]], figures: Sequence[float]) -> dict[str, float]:
    """Compute ε² of every key, largest first.

    Args:
        values: `key_values` of each tree.
        figures: (n_trees,) the figure to explain.

    Returns:
        ε² in [0, 1] by key; empty for fewer than `TREES_AT_LEAST` trees.

    Source: Kelley 1935.
    """
    if len(values) < TREES_AT_LEAST:
        return {}
    figure = tamed(np.asarray(figures, dtype=np.float64))
    keys = sorted({key for of_tree in values for key in of_tree})
    found = {key: _explained(_groups([of_tree.get(key) for of_tree in values]), figure) for key in keys}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _groups(column: Sequence[Value | None]) -> NDArray[np.intp]:
    """Assign each tree to a group, (n,) numbers; trees without the key form a group of their own."""
    numbers = [value for value in column if isinstance(value, int | float)]
    if len(numbers) < sum(value is not None for value in column) or len(set(numbers)) <= GROUPS:
        names = [repr(value) for value in column]
        return np.unique(names, return_inverse=True)[1]
    edges = np.quantile(numbers, np.arange(1, GROUPS) / GROUPS)
    return np.array([GROUPS if value is None else int(np.searchsorted(edges, value)) for value in column])


def _explained(groups: NDArray[np.intp], figure: NDArray[np.float64]) -> float:
    whole = float(((figure - figure.mean()) ** 2).sum())
    kinds = np.unique(groups)
    if whole == 0.0 or len(kinds) == 1 or len(kinds) == len(figure):
        return 0.0
    within = sum(float(((figure[groups == kind] - figure[groups == kind].mean()) ** 2).sum()) for kind in kinds)
    chance = (len(kinds) - 1) * within / (len(figure) - len(kinds))
    return max(0.0, (whole - within - chance) / whole)
