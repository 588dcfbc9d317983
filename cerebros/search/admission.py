"""Limits on whole trees, and trees drawn or picked within them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from numpy.random import Generator

from cerebros.errors import SpaceRejected
from cerebros.space.rose_tree import Space, Tree, tree_hash

# A tree beyond its limits is redrawn; a space where this many draws fail in a row is contradictory.
ADMISSION_ATTEMPTS = 500

# Large trees are redrawn less often: so many decisions take about half a second.
DECISIONS_DRAWN = 50_000

Admissible = Callable[[Tree], bool]


def within_limits(space: Space, admissible: Admissible) -> Admissible:
    """Combine the limits that a space declares with a condition of the caller's."""
    return (lambda tree: space.admits(tree) and admissible(tree)) if space.limits else admissible


def attempts(space: Space) -> int:
    """Return the number of trees that may be drawn, or looked through, for one within the limits."""
    return max(1, min(ADMISSION_ATTEMPTS, DECISIONS_DRAWN // space.size()))


def admissible_draws(space: Space, admissible: Admissible, generator: Generator) -> Iterator[Tree]:
    """Yield the trees within the limits among `attempts` draws.

    Raises:
        SpaceRejected: none of them is.
    """
    allowed, found = attempts(space), False
    for _ in range(allowed):
        if admissible(tree := space.draw(generator)):
            found = True
            yield tree
    if not found:
        raise SpaceRejected(
            f"none of {allowed} trees drawn from the space is within the limits; raise the limit or narrow the space"
        )


def draw_admissible(space: Space, admissible: Admissible, generator: Generator) -> Tree:
    """Draw trees until one is within the limits.

    Raises:
        SpaceRejected: none of `attempts` draws is.
    """
    return next(admissible_draws(space, admissible, generator))


def first_admissible(
    ordered: Iterable[Tree], count: int, admissible: Admissible, known: frozenset[str] | set[str]
) -> list[Tree]:
    """Pick the first `count` different trees that are within the limits.

    Args:
        known: hashes of trees that are not to be picked.
    """
    found: dict[str, Tree] = {}
    for tree in ordered:
        if len(found) == count:
            break
        name = tree_hash(tree)
        if name not in known and name not in found and admissible(tree):
            found[name] = tree
    return list(found.values())
