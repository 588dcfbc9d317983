"""Asynchronous successive halving with several objectives: most trials train few epochs, the best ones more.

A trial trains to the end of a *rung* and waits. It continues to the next rung
when it is among the best `1/factor` of the latest `COMPARED_AT_MOST` trials
that finished its rung. "Best" is by nondomination rank and, within a rank, by
hypervolume, so a small network with a middling error lasts as long as a large
accurate one. No trial waits for a rung to fill: a free worker continues the
best waiting trial of the highest rung that has one, or starts a new trial.

With a factor of 3 and three rungs, at 1/9, 1/3 and all of the epochs, trials
cost 1/9 + 1/3 · 2/9 + 1/9 · 2/3 = 26 % of training them all to the end.

Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning
(ASHA); Schmucker et al. 2021 rank by nondomination.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from cerebros.search.hypervolume import elite
from cerebros.search.pareto import Losses
from cerebros.search.sampler import Sampler
from cerebros.space.rose_tree import Tree

FACTOR = 3

# A trial is compared with this many that reached its rung last: ranking costs the square of them, and a trial
# that was not among the best before will not be among later, better ones.
COMPARED_AT_MOST = 243

# The first rung is at least this long: a single epoch of few steps ranks little but chance.
SHORTEST_RUNG_EPOCHS = 1

# Returns indices of the `count` best rows of (n_trials, n_objectives) losses.
Rank = Callable[[Losses, int], Sequence[int]]


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trial's progress through the rungs.

    Attributes:
        losses: losses after each finished rung, oldest first.
        waits: True if the trial may continue; False while it trains, and once
            it has stopped early or ended without losses.
    """

    number: int
    losses: tuple[tuple[float, ...], ...]
    waits: bool


def rung_epochs(epochs: int, factor: int = FACTOR, rungs: int = 3) -> tuple[int, ...]:
    """Return the epochs at which rungs end, ascending; the last is `epochs`.

    There are fewer than `rungs` where epochs are too few for different ends.

    Args:
        epochs: epochs of a whole training.
        factor: ratio of the ends of successive rungs.
        rungs: number of rungs.

    Raises:
        ValueError: `epochs` or `rungs` is below 1, or `factor` below 2.
    """
    if epochs < 1 or factor < 2 or rungs < 1:
        raise ValueError(f"epochs {epochs} and rungs {rungs} must be at least 1, factor {factor} at least 2")
    ends = {max(SHORTEST_RUNG_EPOCHS, round(epochs / factor**k)) for k in range(rungs)}
    return tuple(sorted(ends))


def next_to_continue(trials: Sequence[Standing], rungs: int, factor: int = FACTOR, best: Rank = elite) -> int | None:
    """Return the number of the trial that should train through its next rung; None to start a new one.

    The answer depends on the standings alone and not on their order, so a
    search that resumes with the same results continues the same trials.

    Args:
        trials: all trials of the search.
        rungs: number of rungs.
        factor: the best `1/factor` of a rung's trials may continue.
        best: ranks the trials of a rung.

    Source: Li et al. 2020.
    """
    by_number = sorted(trials, key=lambda trial: trial.number)
    for rung in reversed(range(rungs - 1)):
        reached = [trial for trial in by_number if len(trial.losses) > rung][-COMPARED_AT_MOST:]
        room = len(reached) // factor
        if not room:
            continue
        losses = np.array([trial.losses[rung] for trial in reached], dtype=np.float64)
        for place in best(losses, room):
            trial = reached[place]
            if trial.waits and len(trial.losses) == rung + 1:
                return trial.number
    return None


def epochs_a_trial(rungs: Sequence[int], factor: int = FACTOR) -> float:
    """Compute the mean number of epochs per trial when the best `1/factor` continue from each rung.

    Args:
        rungs: epochs at which rungs end, ascending.
    """
    ends = np.array([0, *rungs])
    return float((np.diff(ends) / float(factor) ** np.arange(len(rungs))).sum())


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Training of trial `number`, which has done `begin` epochs, until it has done `until`."""

    number: int
    tree: Tree
    begin: int
    until: int


class HalvedSearch:
    """Splits the trials of a sampler into steps, one per rung; the caller trains steps.

    The same results told in the same order give the same steps, so a search
    resumes by telling the stored results again. The sampler is told a trial's
    losses after every rung, with the share of the epochs as fidelity.

    Args:
        rungs: epochs at which rungs end, ascending.
        factor: the best `1/factor` of a rung's trials may continue.
        best: ranks the trials of a rung.
    """

    def __init__(self, sampler: Sampler, rungs: Sequence[int], factor: int = FACTOR, best: Rank = elite) -> None:
        self._sampler, self._rungs, self._factor, self._best = sampler, tuple(rungs), factor, best
        self._trees: list[Tree] = []
        self._standings: list[Standing] = []

    @property
    def started(self) -> int:
        """Number of trials started so far."""
        return len(self._trees)

    def next_steps(self, new: int) -> list[Step]:
        """Return a step of the best waiting trial, else the first steps of `new` new trials."""
        step = self.continuation()
        return [step] if step else self.start(new) if new else []

    def continuation(self) -> Step | None:
        """Return a step of the best waiting trial, None when no trial may continue."""
        number = next_to_continue(self._standings, len(self._rungs), self._factor, self._best)
        return None if number is None else self._begin(number)

    def start(self, trials: int) -> list[Step]:
        """Return the first steps of `trials` new trials, which are proposed as one batch."""
        begun = len(self._trees)
        self._trees += self._sampler.ask(trials)
        self._standings += [Standing(number, (), waits=True) for number in range(begun, len(self._trees))]
        return [self._begin(number) for number in range(begun, len(self._trees))]

    def tell(self, step: Step, losses: Sequence[float] | None, *, ended: bool) -> None:
        """Report the result of a step.

        Args:
            losses: losses after the step; None when it failed.
            ended: True if the training stopped early, before the end of its rung.
        """
        self._sampler.tell(step.tree, losses, 1.0 if ended else step.until / self._rungs[-1])
        if losses is None:
            return
        before = self._standings[step.number].losses
        waits = not ended and step.until < self._rungs[-1]
        self._standings[step.number] = Standing(step.number, (*before, tuple(losses)), waits)

    def _begin(self, number: int) -> Step:
        finished = len(self._standings[number].losses)
        self._standings[number] = msgspec.structs.replace(self._standings[number], waits=False)
        begin = self._rungs[finished - 1] if finished else 0
        return Step(number, self._trees[number], begin, self._rungs[finished])
