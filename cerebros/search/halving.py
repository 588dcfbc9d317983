"""Successive halving with several objectives: most trials get a few epochs, the best of them more.

A trial trains to the end of a *rung* and waits. It goes on to the next rung
when it is among the best `1/factor` of the trials that finished its own, the
latest `COMPARED_AT_MOST` of them; "best" is by nondomination rank and, within
a rank, by hypervolume, so a small network with a middling error lives as long
as a large accurate one. Nobody waits for a rung to fill: whenever there is
room, the highest rung with a deserving trial is served first, and a new trial
is started when there is none.

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

# A trial is compared with so many that reached its rung last: ranking costs the square of them, and what
# was not among the best when it was younger will not be among ever better ones.
COMPARED_AT_MOST = 243

# The first rung is at least this long: a single epoch of few steps ranks little but chance.
SHORTEST_RUNG_EPOCHS = 1

# Picks the `count` best rows of (n_trials, n_objectives) losses.
Rank = Callable[[Losses, int], Sequence[int]]


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a trial has come.

    Attributes:
        losses: after each rung it finished, oldest first.
        waits: whether it may go on; not so while it trains, nor once it has
            ended by its own patience or without figures.
    """

    number: int
    losses: tuple[tuple[float, ...], ...]
    waits: bool


def rung_epochs(epochs: int, factor: int = FACTOR, rungs: int = 3) -> tuple[int, ...]:
    """Epochs at which trials wait, the last of them `epochs`; fewer rungs where epochs are few.

    Raises:
        ValueError: a number is too small to halve with.
    """
    if epochs < 1 or factor < 2 or rungs < 1:
        raise ValueError(f"epochs {epochs} and rungs {rungs} must be at least 1, factor {factor} at least 2")
    ends = {max(SHORTEST_RUNG_EPOCHS, round(epochs / factor**k)) for k in range(rungs)}
    return tuple(sorted(ends))


def next_to_continue(trials: Sequence[Standing], rungs: int, factor: int = FACTOR, best: Rank = elite) -> int | None:
    """The number of the trial that should train through its next rung, or None: start a new one.

    A function of the standings alone, whatever order they come in: a search
    that resumes with the same results continues the same trials.
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
    """How many epochs a trial takes on average, where the best `1/factor` go on from each rung."""
    ends = np.array([0, *rungs])
    return float((np.diff(ends) / float(factor) ** np.arange(len(rungs))).sum())


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Train trial `number` from `begin` epochs done until `until` are."""

    number: int
    tree: Tree
    begin: int
    until: int


class HalvedSearch:
    """A sampler whose trials pause at rungs; the caller trains steps instead of whole trials.

    Told the same results in the same order it hands out the same steps, so a
    search resumes by telling it again what is stored. The sampler learns each
    trial's losses after every rung, with the share of the epochs as fidelity.
    """

    def __init__(self, sampler: Sampler, rungs: Sequence[int], factor: int = FACTOR, best: Rank = elite) -> None:
        self._sampler, self._rungs, self._factor, self._best = sampler, tuple(rungs), factor, best
        self._trees: list[Tree] = []
        self._standings: list[Standing] = []

    @property
    def started(self) -> int:
        """How many trials there are."""
        return len(self._trees)

    def next_steps(self, new: int) -> list[Step]:
        """Go on with the trial that deserves it most, or start so many new ones; nothing where neither may be."""
        step = self.continuation()
        return [step] if step else self.start(new) if new else []

    def continuation(self) -> Step | None:
        """A step of a waiting trial, or None when none deserves one."""
        number = next_to_continue(self._standings, len(self._rungs), self._factor, self._best)
        return None if number is None else self._begin(number)

    def start(self, trials: int) -> list[Step]:
        """The first steps of so many new trials, which are proposed together."""
        begun = len(self._trees)
        self._trees += self._sampler.ask(trials)
        self._standings += [Standing(number, (), waits=True) for number in range(begun, len(self._trees))]
        return [self._begin(number) for number in range(begun, len(self._trees))]

    def tell(self, step: Step, losses: Sequence[float] | None, *, ended: bool) -> None:
        """Report the losses after a step, None when it failed, and whether the training ended by itself."""
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
