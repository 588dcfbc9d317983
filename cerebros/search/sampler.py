"""The interface of samplers, and random search as the simplest of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from cerebros.search.admission import Admissible, draw_admissible, within_limits
from cerebros.space.rose_tree import Space, Tree


class Sampler(Protocol):
    """Proposes trees and learns from their losses."""

    def ask(self, n: int) -> list[Tree]:
        """Propose the next `n` trees."""
        ...

    def tell(self, tree: Tree, losses: Sequence[float] | None, fidelity: float = 1.0) -> None:
        """Report a tree's losses, or None when it has none.

        Args:
            fidelity: share of a whole evaluation that was done, up to 1.
        """
        ...


class RandomSampler:
    """Draws trees from the prior and learns nothing: the baseline of every comparison."""

    def __init__(self, space: Space, seed: int, admissible: Admissible = lambda _tree: True) -> None:
        self._space, self._seed, self._admissible = space, seed, within_limits(space, admissible)
        self._asked = 0

    def ask(self, n: int) -> list[Tree]:
        """Draw the next `n` trees; repetitions are possible.

        Raises:
            SpaceRejected: the limits on the tree leave nothing to propose.
        """
        trees = []
        for number in range(self._asked, self._asked + n):
            generator = np.random.default_rng([self._seed, number])
            trees.append(draw_admissible(self._space, self._admissible, generator))
        self._asked += n
        return trees

    def proposals(self, n: int) -> Iterator[Tree]:
        """Yield the next `n` trees as `ask` draws them."""
        for _ in range(n):
            yield from self.ask(1)

    def tell(self, tree: Tree, losses: Sequence[float] | None, fidelity: float = 1.0) -> None:
        """Do nothing; the method exists so that samplers can be exchanged."""

    def recall(self, tree: Tree) -> None:
        """Count a tree as asked that was drawn before."""
        self._asked += 1
