"""Multi-objective tree-structured Parzen search: ask for trees, tell what they cost.

The good set is the best fifth of the finished trials by nondomination rank
and greedy hypervolume; l is fitted to it, g to everything tried. Candidates
come from l and from edits of good trees; a Gaussian process picks the one
expected to add most hypervolume. A proposal is a function of the seed, its
number and the trials asked and told before it, so a search that is replayed
proposes the same trees.

Source: Ozaki et al. 2020, Multiobjective Tree-Structured Parzen Estimator.
docs/search.md has the method at length, and what was tried in vain.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.random import Generator

from cerebros.edits import Edits, Sites, sites_of, tree_of
from cerebros.histogram import History
from cerebros.hypervolume import elite
from cerebros.parzen import (
    CANDIDATES,
    Admissible,
    TreeDensity,
    candidates,
    draw_admissible,
    first_admissible,
)
from cerebros.rose_tree import Space, Tree, tree_hash
from cerebros.screening import Screen
from cerebros.site_table import SiteTable

GOOD_SHARE = 0.2

# Beyond this many kernels l follows single trials less and averages more; TPE's usual cap.
GOOD_AT_MOST = 25

# Fewer finished trials than this say nothing about which fifth is good.
STARTUP_TRIALS = 8


# What models learn from: the best trials, and the newest whatever they are.
POOL = 100
RECENT = 40

# Steps, in shares of a decision's range, by which the best candidates are nudged;
# in each round the best few, some times each.
NUDGES = (0.2, 0.07, 0.02)
NUDGED = 5
NUDGES_EACH = 8


class Observation(msgspec.Struct, frozen=True):
    """A tree and its losses (smaller is better), or None where it ended without figures."""

    tree: Tree
    losses: tuple[float, ...] | None


def good_count(finished: int) -> int:
    """How many of the finished trials are good."""
    return min(GOOD_AT_MOST, max(2, math.ceil(GOOD_SHARE * finished)))


def split_history(observations: Sequence[Observation]) -> tuple[list[Tree], list[Tree]]:
    """The good trees and the rest; a tree without figures belongs to the rest."""
    finished = [n for n, observation in enumerate(observations) if observation.losses is not None]
    table = np.array([observations[n].losses for n in finished], dtype=np.float64)
    good = [finished[n] for n in elite(table, good_count(len(finished)))]
    rest = sorted(set(range(len(observations))) - set(good))
    return [observations[n].tree for n in good], [observations[n].tree for n in rest]


class Sampler(Protocol):
    """What drives a search: propose trees, learn from their outcome."""

    def ask(self, n: int) -> list[Tree]: ...

    def tell(self, tree: Tree, losses: Sequence[float] | None) -> None: ...

    def recall(self, tree: Tree) -> None: ...


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

    def recall(self, tree: Tree) -> None:
        """Count a tree as asked that was drawn before."""
        self._asked += 1


class Kept(NamedTuple):
    """A finished trial that models may still learn from."""

    sites: Sites
    losses: tuple[float, ...]


class Motpe:
    """Multi-objective TPE over a space of rose trees.

    Memory and time per proposal do not grow with the number of trials: of the
    finished ones it keeps the best `POOL` and the newest `RECENT`, of all
    others their place in the histograms and their hash.

    Args:
        seed: with the number of the proposal it seeds the draw.
        admissible: limits on the whole tree, such as a parameter budget.
        first: trees proposed before anything else, best first: a shortlist.
        screened: whether a Gaussian process chooses among the candidates; else the ratio l/g does.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        admissible: Admissible = lambda _tree: True,
        first: Sequence[Tree] = (),
        screened: bool = True,
    ) -> None:
        self._space, self._seed, self._admissible = space, seed, admissible
        self._first, self._screened = tuple(first), screened
        self._table = SiteTable(space)
        self._edits = Edits(self._table.scales)
        self._history = History(self._table)
        self._pool: list[Kept] = []
        self._recent: deque[Kept] = deque(maxlen=RECENT)
        self._pending: dict[str, Sites] = {}
        self._known: set[str] = set()
        self._asked = self._told = self._finished = 0

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
        sites, name = sites_of(self._space, tree), tree_hash(tree)
        self._pending.pop(name, None)
        self._known.add(name)
        self._history.add(sites, self._told)
        self._told += 1
        if losses is None:
            return
        self._finished += 1
        kept = Kept(sites, tuple(float(loss) for loss in losses))
        self._recent.append(kept)
        self._pool.append(kept)
        if len(self._pool) > POOL + RECENT:
            order = elite(np.array([kept.losses for kept in self._pool]), POOL)
            self._pool = [self._pool[n] for n in sorted(order)]

    def recall(self, tree: Tree) -> None:
        """Count a tree as asked that a sampler of the same seed and history proposed before."""
        sites, name = sites_of(self._space, tree), tree_hash(tree)
        for site in sites:
            self._table.column(site)
        self._known.add(name)
        self._pending[name] = sites
        self._asked += 1

    def _propose(self) -> Tree:
        number, columns = self._asked, len(self._table.keys)
        tree = self._first[number] if number < len(self._first) else self._modelled(number)
        # What was only considered leaves no trace, so that `recall` need not consider it again.
        self._table.forget_behind(columns)
        self.recall(tree)
        return tree

    def _modelled(self, number: int) -> Tree:
        generator = np.random.default_rng([self._seed, number])
        if self._finished >= STARTUP_TRIALS:
            best = elite(np.array([kept.losses for kept in self._pool]), POOL)
            good = [self._pool[n].sites for n in best[: good_count(self._finished)]]
            density = TreeDensity(self._table, good)
            drawn = candidates(self._space, self._edits, density, good, CANDIDATES, generator)
            ordered = self._by_gain(drawn, best, generator) if self._screened else self._by_ratio(drawn, density)
            trees = (tree_of(self._space, sites) for sites in ordered)
            if proposed := first_admissible(trees, 1, self._admissible, self._known):
                return proposed[0]
        return draw_admissible(self._space.draw, self._admissible, generator)

    def _by_ratio(self, drawn: list[Sites], density: TreeDensity) -> list[Sites]:
        rows = self._table.rows(drawn)
        score = density.log_densities(rows) - self._history.log_densities(rows)
        return [drawn[n] for n in np.argsort(-score, kind="stable")]

    def _by_gain(self, drawn: list[Sites], best: list[int], generator: Generator) -> list[Sites]:
        """Candidates by expected gain, the best of them nudged again and again."""
        # The best trials, and the newest: what is good, and what the present model was wrong about.
        learned = {id(kept): kept for kept in (*(self._pool[n] for n in sorted(best)), *self._recent)}.values()
        losses = np.array([kept.losses for kept in learned])
        pending = self._table.rows([*self._pending.values()])
        rows = self._table.rows([kept.sites for kept in learned])
        screen = Screen(self._table, rows, losses, pending, generator)
        gains = screen.expected_gains(self._table.rows(drawn))
        for step in NUDGES:
            promising = np.argsort(-gains, kind="stable")[:NUDGED]
            nudged = [self._edits.nudge(drawn[n], step, generator) for n in promising for _ in range(NUDGES_EACH)]
            drawn = drawn + nudged
            gains = np.append(gains, screen.expected_gains(self._table.rows(nudged)))
        return [drawn[n] for n in np.argsort(-gains, kind="stable")]


SAMPLERS = ("rose", "rose-parzen", "random")


def make_sampler(
    name: str, space: Space, seed: int, admissible: Admissible, first: Sequence[Tree] = ()
) -> Motpe | RandomSampler:
    """The sampler of this name; `random` ignores the shortlist, as a baseline must."""
    if name == "random":
        return RandomSampler(space, seed, admissible)
    return Motpe(space, seed, admissible, first, screened=name == "rose")
