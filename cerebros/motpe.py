"""Multi-objective tree-structured Parzen search: ask for trees, tell what they cost.

The good set is the best fifth of the finished trials by nondomination rank,
loneliest first within a rank; l and g are fitted to the good trees and to the
rest. A proposal is a function of the seed, its number and the trials told
before it, so a search that is replayed proposes the same trees.

Source: Ozaki et al. 2020, Multiobjective Tree-Structured Parzen Estimator;
we rank ties by crowding instead of hypervolume contribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

from cerebros.pareto import best_first
from cerebros.parzen import Admissible, draw_admissible, shortlist
from cerebros.rose_tree import Space, Tree, tree_hash

GOOD_SHARE = 0.2

# Beyond this many kernels l follows single trials less and averages more; TPE's usual cap.
GOOD_AT_MOST = 25

# Fewer finished trials than this say nothing about which fifth is good.
STARTUP_TRIALS = 8


class Observation(msgspec.Struct, frozen=True):
    """A tree and its losses (smaller is better), or None where it ended without figures."""

    tree: Tree
    losses: tuple[float, ...] | None


def split_history(observations: Sequence[Observation]) -> tuple[list[Tree], list[Tree]]:
    """The good trees and the rest; a tree without figures belongs to the rest."""
    finished = [observation for observation in observations if observation.losses is not None]
    failed = [observation.tree for observation in observations if observation.losses is None]
    if not finished:
        return [], failed
    order = best_first(np.array([observation.losses for observation in finished], dtype=np.float64))
    n_good = min(GOOD_AT_MOST, max(2, math.ceil(GOOD_SHARE * len(finished))))
    return (
        [finished[index].tree for index in order[:n_good]],
        [finished[index].tree for index in order[n_good:]] + failed,
    )


class Sampler(Protocol):
    """What drives a search: propose trees, learn from their outcome."""

    def ask(self, n: int) -> list[Tree]: ...

    def tell(self, tree: Tree, losses: Sequence[float] | None) -> None: ...


class RandomSampler:
    """Trees drawn from the prior, whatever was told: the baseline to beat."""

    def __init__(self, space: Space, seed: int, admissible: Admissible = lambda _tree: True) -> None:
        self._space, self._seed, self._admissible = space, seed, admissible
        self._asked = 0

    def ask(self, n: int) -> list[Tree]:
        trees = []
        for number in range(self._asked, self._asked + n):
            generator = np.random.default_rng([self._seed, number])
            trees.append(draw_admissible(self._space.draw, self._admissible, generator))
        self._asked += n
        return trees

    def tell(self, tree: Tree, losses: Sequence[float] | None) -> None:
        """Random search learns nothing; the call exists so that samplers can be exchanged."""


class Motpe:
    """Multi-objective TPE over a space of rose trees.

    Args:
        seed: with the number of the proposal it seeds the draw.
        admissible: limits on the whole tree, such as a parameter budget.
        first: trees proposed before anything else, best first: a shortlist.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        admissible: Admissible = lambda _tree: True,
        first: Sequence[Tree] = (),
    ) -> None:
        self._space, self._seed, self._admissible = space, seed, admissible
        self._first = tuple(first)
        self._asked: list[Tree] = []
        self._told: list[Observation] = []

    def ask(self, n: int) -> list[Tree]:
        """The next `n` trees, different from all asked before where the space allows it."""
        return [self._propose() for _ in range(n)]

    def tell(self, tree: Tree, losses: Sequence[float] | None) -> None:
        """Report a tree's losses, or None when it has none (failed, diverged, pruned).

        Raises:
            ValueError: a loss is NaN or infinite; tell None instead.
        """
        if losses is not None and not all(math.isfinite(loss) for loss in losses):
            raise ValueError(f"losses {list(losses)} are not all finite; tell None for a trial without figures")
        self._told.append(Observation(tree, None if losses is None else tuple(losses)))

    def _propose(self) -> Tree:
        number = len(self._asked)
        tree = self._first[number] if number < len(self._first) else self._modelled(number)
        self._asked.append(tree)
        return tree

    def _modelled(self, number: int) -> Tree:
        generator = np.random.default_rng([self._seed, number])
        finished = sum(observation.losses is not None for observation in self._told)
        if finished < STARTUP_TRIALS:
            return draw_admissible(self._space.draw, self._admissible, generator)
        good, rest = split_history(self._told)
        told = {tree_hash(observation.tree) for observation in self._told}
        # Trees still in flight count as bad, so a batch spreads out (constant liar).
        pending = [tree for tree in self._asked if tree_hash(tree) not in told]
        known = frozenset(told | {tree_hash(tree) for tree in pending})
        best = shortlist(self._space, good, rest + pending, 1, generator, self._admissible, known)
        return best[0].tree if best else draw_admissible(self._space.draw, self._admissible, generator)


def make_sampler(
    name: str, space: Space, seed: int, admissible: Admissible, first: Sequence[Tree] = ()
) -> Motpe | RandomSampler:
    """The sampler of this name; `random` ignores the shortlist, as a baseline must."""
    if name == "random":
        return RandomSampler(space, seed, admissible)
    return Motpe(space, seed, admissible, first)
