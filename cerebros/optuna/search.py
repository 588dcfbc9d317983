"""Optuna's samplers with our interface of ask and tell: `optuna-motpe` and `nsga2`.

Optuna must know the number of objectives before it proposes. Trees asked for
before the first losses are told are therefore drawn from the prior, like
Optuna's own start-up trials, and added to the study with their losses.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.trial import Trial, TrialState

from cerebros.optuna.trees import parameters, suggested
from cerebros.search.admission import Admissible, draw_admissible, within_limits
from cerebros.search.pareto import tamed
from cerebros.search.targets import NO_TARGETS, Targets
from cerebros.space.rose_tree import Space, Tree, tree_hash

POPULATION = 20

# Trees beyond the limits teach Optuna nothing, so it may propose them for ever; after this many the prior is used.
ATTEMPTS = 20

OPTUNA_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "optuna-motpe": lambda seed: TPESampler(seed=seed % 2**32),
    "nsga2": lambda seed: NSGAIISampler(seed=seed % 2**32, population_size=POPULATION),
}


class OptunaSearch:
    """Searches by a sampler of Optuna, with a study in memory.

    Args:
        name: a key of `OPTUNA_SAMPLERS`.
        admissible: a condition on the whole tree besides the space's own limits.
        first: trees to propose before any other, in this order.
        targets: used to check losses; Optuna knows no hard limits on losses and no reference point.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        seed: int,
        admissible: Admissible = lambda _tree: True,
        first: Sequence[Tree] = (),
        targets: Targets = NO_TARGETS,
    ) -> None:
        self._name, self._space, self._seed = name, space, seed
        self._admissible = within_limits(space, admissible)
        self._first, self._targets = tuple(first), targets
        self._study: optuna.Study | None = None
        self._trials: dict[str, Trial] = {}
        self._partly: set[str] = set()
        self._asked = 0

    def ask(self, n: int) -> list[Tree]:
        """Propose the next `n` trees; repetitions are possible.

        Raises:
            SpaceRejected: the limits on the tree leave nothing to propose.
        """
        trees = []
        for number in range(self._asked, self._asked + n):
            if number < len(self._first):
                trees.append(self._first[number])
            elif self._study is None:
                generator = np.random.default_rng([self._seed, number])
                trees.append(draw_admissible(self._space, self._admissible, generator))
            else:
                trees.append(self._proposed(self._study, number))
        self._asked += n
        return trees

    def tell(self, tree: Tree, losses: Sequence[float] | None, fidelity: float = 1.0) -> None:
        """Report a tree's losses, or None when it has none; trees that were not asked for are welcome.

        Optuna cannot be told a trial again: a tree keeps the losses that were told first.

        Args:
            losses: (n_objectives,), smaller is better.
            fidelity: share of a whole evaluation that was done, up to 1.

        Raises:
            InvalidArgument: a loss is not finite, or their number is not that of the limits.
            SpaceRejected: the tree does not belong to the space.
        """
        name = tree_hash(tree)
        if name in self._partly:
            return
        if fidelity < 1.0:
            self._partly.add(name)
        if losses is None:
            if self._study is not None and (trial := self._trials.pop(name, None)):
                self._study.tell(trial, state=TrialState.FAIL)
            return
        self._targets.check(losses)
        if self._study is None:
            self._study = _quiet_study(OPTUNA_SAMPLERS[self._name](self._seed), len(losses))
        trial = self._trials.pop(name, None) or self._handed_over(self._study, tree)
        # Optuna multiplies reference points, which overflow.
        self._study.tell(trial, tamed(np.array(losses, dtype=np.float64)).tolist())

    def _proposed(self, study: optuna.Study, number: int) -> Tree:
        """Return Optuna's next tree within the limits, or one from the prior after `ATTEMPTS` trees beyond them.

        Optuna is told that trees beyond the limits have failed.
        """
        for _ in range(ATTEMPTS):
            trial = study.ask()
            tree = suggested(trial, self._space)
            if self._admissible(tree):
                self._trials[tree_hash(tree)] = trial
                return tree
            study.tell(trial, state=TrialState.FAIL)
        return draw_admissible(self._space, self._admissible, np.random.default_rng([self._seed, number]))

    def _handed_over(self, study: optuna.Study, tree: Tree) -> Trial:
        study.enqueue_trial(parameters(self._space, tree))
        trial = study.ask()
        suggested(trial, self._space)
        return trial


def _quiet_study(sampler: BaseSampler, n_objectives: int) -> optuna.Study:
    """Create a study that writes nothing to standard error, which belongs to the caller."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        return optuna.create_study(sampler=sampler, directions=["minimize"] * n_objectives)
