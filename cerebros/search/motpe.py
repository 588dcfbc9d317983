"""Multi-objective tree-structured Parzen search: ask for trees, tell their losses.

The density l is fitted to the good trials (`observations.py`), g to everything
tried. Candidates come from l and from edits of good trees; Gaussian processes
pick the one of largest expected hypervolume improvement (EHVI). A proposal is
a function of the seed, its number and the trials asked and told before it, so
a search that is replayed proposes the same trees.

Source: Ozaki et al. 2020, Multiobjective Tree-Structured Parzen Estimator.
docs/search.md has the method at length, docs/LOG.md what was tried in vain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from cerebros.errors import InvalidArgument, SpaceRejected
from cerebros.search.admission import Admissible, admissible_draws, attempts, first_admissible, within_limits
from cerebros.search.histogram import History
from cerebros.search.observations import POOL, RECENT, STARTUP_TRIALS, good_count
from cerebros.search.pareto import Losses, tamed
from cerebros.search.parzen import CANDIDATES, TreeDensity, candidates
from cerebros.search.screening import Screen, rank_by_ehvi
from cerebros.search.site_table import Entry, SiteTable
from cerebros.search.surrogate import on_one_thread
from cerebros.search.targets import NO_TARGETS, Targets
from cerebros.space.edits import Edits, Sites, sites_of, tree_of
from cerebros.space.rose_tree import Space, Tree, tree_hash

# The pool is cut back to its best when it is this much larger: ranking at every trial would cost more than it tells.
POOL_SLACK = 10

# Only this many of the newest pending trees are fantasies: each makes the next proposal dearer.
FANTASIES_AT_MOST = 64

# A tree that was asked before is drawn anew up to this many times; a small space may have no other left.
NEW_DRAWS = 64


class Kept(NamedTuple):
    """A finished trial that models can still learn from."""

    name: str
    sites: Sites
    entry: Entry
    losses: tuple[float, ...]
    fidelity: float


class Model(NamedTuple):
    """The good trees, their density, and the screen fitted to the trials told so far."""

    good: list[Sites]
    density: TreeDensity
    screen: Screen | None


class Motpe:
    """Multi-objective TPE over a space of rose trees.

    Time per proposal does not grow with the number of trials, and memory only
    by a hash per trial: the sampler keeps about the best `POOL` and the newest
    `RECENT` finished trials, and counts all others in histograms. For a warm
    start, tell it an earlier run's trials before the first `ask`.

    Args:
        seed: seeds each draw, together with the number of the proposal.
        admissible: a condition on the whole tree besides the space's own limits, such as a parameter budget.
        first: trees to propose before any other, in this order.
        screened: choose among the candidates by EHVI; by the ratio l/g when False.
        targets: hard limits on losses, the reference point, losses known without training.

    Source: Ozaki et al. 2020.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        admissible: Admissible = lambda _tree: True,
        first: Sequence[Tree] = (),
        screened: bool = True,
        targets: Targets = NO_TARGETS,
    ) -> None:
        self._space, self._seed, self._admissible = space, seed, within_limits(space, admissible)
        self._first, self._screened, self._targets = tuple(first), screened, targets
        self._table = SiteTable(space)
        self._edits = Edits(space, self._table.scales)
        self._history = History(self._table)
        self._pool: list[Kept] = []
        self._recent: deque[Kept] = deque(maxlen=RECENT)
        self._pending: dict[str, Sites] = {}
        self._known: set[str] = set()
        self._asked = self._told = self._finished = 0

    def ask(self, n: int) -> list[Tree]:
        """Propose the next `n` trees, different from all asked before where the space allows it.

        Raises:
            SpaceRejected: the limits on the tree leave nothing to propose.
        """
        return list(self.proposals(n))

    def proposals(self, n: int) -> Iterator[Tree]:
        """Yield the next `n` trees as `ask` proposes them, so that the caller may stop between two.

        A sampler whose proposals were not taken to their end has asked for trees that nobody knows of.

        Raises:
            SpaceRejected: the limits on the tree leave nothing to propose.
        """
        model, columns, noted = None, len(self._table.keys), list[Sites]()
        for made in range(n):
            with on_one_thread():
                # One fit serves a batch: each proposal becomes a fantasy before the next is made.
                model = model or self._learned_if_enough()
                tree = self._next(model)
                noted.append(self._note(tree))
                if model and model.screen and made < n - 1:
                    model.screen.add_fantasies(self._table.rows([noted[-1]]))
            yield tree
        # Candidates that were not chosen leave no trace, so that `recall` need not draw them again.
        self._table.forget_behind(columns)
        for sites in noted:
            self._see(sites)

    def _next(self, model: Model | None) -> Tree:
        if self._asked < len(self._first):
            return self._first[self._asked]
        generator = np.random.default_rng([self._seed, self._asked])
        return self._modelled(model, generator) if model else self._drawn(generator)

    def _learned_if_enough(self) -> Model | None:
        told = self._finished >= STARTUP_TRIALS and self._asked >= len(self._first)
        return self._learned() if told else None

    def tell(self, tree: Tree, losses: Sequence[float] | None, fidelity: float = 1.0) -> None:
        """Report a tree's losses, or None when it has none (failed, diverged).

        A tree may be told again after more training, with a higher fidelity. Its newest losses decide if
        it is good; models learn from the earlier ones too while they are among the newest `RECENT`.

        Args:
            losses: (n_objectives,), smaller is better.
            fidelity: share of a whole evaluation that was done, up to 1; candidates are judged by the
                predicted losses of a whole one.

        Raises:
            InvalidArgument: a loss is NaN or infinite (tell None instead), or there are more or fewer than before.
            SpaceRejected: the tree does not belong to the space.
        """
        if losses is not None:
            self._targets.check(losses)
            if self._pool and len(self._pool[0].losses) != len(losses):
                raise InvalidArgument(f"{len(losses)} losses after {len(self._pool[0].losses)}; their number must stay")
        sites, name = sites_of(self._space, tree), tree_hash(tree)
        again = name in self._known and name not in self._pending
        self._pending.pop(name, None)
        self._known.add(name)
        if not again:  # a tree counts as tried once, however often it is trained further
            self._history.add(sites, self._told)
            self._told += 1
        if losses is None:
            return
        kept = Kept(name, sites, self._table.entry(sites), tuple(float(loss) for loss in losses), fidelity)
        self._recent.append(kept)
        others = [other for other in self._pool if other.name != name]
        self._finished += len(others) == len(self._pool)
        self._pool = [*others, kept]
        if len(self._pool) == POOL + POOL_SLACK:
            self._pool = [self._pool[n] for n in sorted(self._best(POOL))]

    def recall(self, tree: Tree) -> None:
        """Count a tree as asked that a sampler of the same seed and history proposed before."""
        self._see(self._note(tree))

    def _note(self, tree: Tree) -> Sites:
        """Count a tree as asked and pending."""
        name, sites = tree_hash(tree), sites_of(self._space, tree)
        self._asked += 1
        self._known.add(name)
        self._pending[name] = sites
        return sites

    def _see(self, sites: Sites) -> None:
        """Give each site a column of the table."""
        for site in sites:
            self._table.column(site)

    def _best(self, count: int) -> list[int]:
        return self._targets.best(np.array([kept.losses for kept in self._pool]), count)

    def _learned(self) -> Model:
        good = [self._pool[n].sites for n in self._best(good_count(self._finished))]
        return Model(good, TreeDensity(self._table, good), self._fitted_screen() if self._screened else None)

    def _fitted_screen(self) -> Screen:
        pending = self._table.rows([*self._pending.values()][-FANTASIES_AT_MOST:])
        # The newest trials beside the best ones show where the present model was wrong.
        learned = {id(kept): kept for kept in (*self._pool, *self._recent)}.values()
        losses = np.array([kept.losses for kept in learned])
        rows = self._table.stacked([kept.entry for kept in learned])
        fidelities = np.array([kept.fidelity for kept in learned])
        screen = Screen(self._table, rows, tamed(losses), self._targets.reference_for(losses), fidelities)
        if len(pending):
            screen.add_fantasies(pending)
        return screen

    def _modelled(self, model: Model, generator: Generator) -> Tree:
        drawn = candidates(self._edits, model.density, model.good, CANDIDATES, generator)
        if model.screen:
            model.screen.sample(generator)
            ordered = rank_by_ehvi(drawn, model.screen, self._table, self._edits, generator, self._known_losses)
        else:
            ordered = self._by_ratio(drawn, model.density)
        trees = (tree_of(self._space, sites) for sites in ordered[: attempts(self._space)])
        if proposed := first_admissible(trees, 1, self._admissible, self._known):
            return proposed[0]
        try:
            return self._drawn(generator)
        except SpaceRejected:  # hardly any draw is within the limits; propose a good tree again rather than stop
            if found := first_admissible((tree_of(self._space, s) for s in model.good), 1, self._admissible, set()):
                return found[0]
            raise

    def _drawn(self, generator: Generator) -> Tree:
        """Draw a tree from the prior, one that was not asked before if `NEW_DRAWS` draws find one."""
        drawn = islice(admissible_draws(self._space, self._admissible, generator), NEW_DRAWS)
        tree = next(drawn)
        while tree_hash(tree) in self._known and (other := next(drawn, None)):
            tree = other
        return tree

    def _by_ratio(self, drawn: list[Sites], density: TreeDensity) -> list[Sites]:
        """Order candidates by l/g, largest first."""
        rows = self._table.rows(drawn)
        score = density.log_densities(rows) - self._history.log_densities(rows)
        return [drawn[n] for n in np.argsort(-score, kind="stable")]

    def _known_losses(self, drawn: list[Sites]) -> Losses | None:
        if self._targets.known is None:
            return None
        return self._targets.known_losses([tree_of(self._space, s) for s in drawn], len(self._pool[0].losses))
