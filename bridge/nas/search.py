"""The search stage: propose and train candidates until the budget of trials or of time is spent.

Step `n` (a new trial, or one more rung of an old one) is decided from the
results of steps 0 to `n - window`, whichever of the later ones happen to be
finished. So proposals, and the choice of trials that continue, depend on
results and the seed alone, and a resumed search takes the same steps.
docs/adr/0012-a-search-is-a-sequence-of-steps.md says why.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

import msgspec
import numpy as np

from bridge.contract.runs import Trial
from bridge.datasets.checks import CHECK
from bridge.nas.payload import SearchPayload, SearchRun
from bridge.nas.shortlist import SHORTLIST, SPACE, figures, in_space, network_of, within
from bridge.nas.trials import StoredTrials, run_steps, settle
from bridge.process.tasks import end_tasks
from bridge.runs.claims import Step
from bridge.runs.kinds import Deps, Done, Stage
from cerebros.data.check import DatasetReport
from cerebros.errors import FailedPrecondition
from cerebros.nets.wiring import count_flops, count_parameters
from cerebros.samplers import make_sampler
from cerebros.search import halving, pareto
from cerebros.search.halving import HalvedSearch, rung_epochs
from cerebros.search.objectives import Objective, losses
from cerebros.search.observations import Observation
from cerebros.search.targets import Targets
from cerebros.space.rose_tree import Tree


class SearchResult(msgspec.Struct, frozen=True):
    """Numbers of the trials in the Pareto set, and the reason why the search stopped."""

    pareto_set: tuple[int, ...]
    stopped_by: str


class Search:
    """A search in progress: the steps in training, and the results that the sampler was told.

    `stopped_by` says why no more steps are taken: `trials` or `wall_s`.
    """

    def __init__(
        self, halved: HalvedSearch, stored: StoredTrials, run: SearchRun, out_of_time: Callable[[], bool], deps: Deps
    ) -> None:
        self._halved, self._stored, self._run, self._deps = halved, stored, run, deps
        self._out_of_time = out_of_time
        self._in_flight: deque[tuple[list[halving.Step], asyncio.Task[list[Trial]]]] = deque()
        self._told: dict[int, Trial] = {}
        self.stopped_by = "trials"

    async def trials(self) -> list[Trial]:
        """Train until trials or time are spent; return all trials of the run, each ended."""
        try:
            while (steps := await self._next_steps()) or self._in_flight:
                if steps:
                    self._in_flight.append((steps, asyncio.create_task(self._train(steps))))
                else:
                    await self._tell_oldest()  # which may let another trial go on
        finally:
            await end_tasks(*(work for _, work in self._in_flight))
        # A resumed search that ran out of time may not have come again to trials that were measured.
        ended = self._stored.trials
        fresh = {n: trial for n, trial in (self._stored.waiting() | self._told).items() if n not in ended}
        return [*ended.values(), *[await settle(trial, self._run, self._deps) for trial in fresh.values()]]

    async def _next_steps(self) -> list[halving.Step]:
        """Return the steps to train next; empty while results of others must be told first, and at the end."""
        budget = self._run.payload.budget
        while len(self._in_flight) >= budget.window:
            await self._tell_oldest()
        if self.stopped_by == "wall_s":
            return []
        # A proposal is tens of milliseconds of arithmetic; the lease must be renewed meanwhile.
        steps = await asyncio.to_thread(
            self._halved.next_steps, min(budget.population, budget.trials - self._halved.started)
        )
        if steps and self._out_of_time() and not all(map(self._stored.result_of, steps)):
            self.stopped_by = "wall_s"
            return []
        return steps

    async def _train(self, steps: list[halving.Step]) -> list[Trial]:
        return await run_steps(steps, self._stored, self._run, self._deps)

    async def _tell_oldest(self) -> None:
        steps, work = self._in_flight.popleft()
        for step, trial in zip(steps, await work, strict=True):
            self._told[step.number] = trial
            self._halved.tell(step, figures(trial, self._run.payload.objectives), ended=trial.outcome != "pruned")


async def run_search(run: SearchRun, deps: Deps) -> Done[SearchResult]:
    """Train candidates until trials or time are spent; save each when it ends or reaches a rung.

    Raises:
        FailedPrecondition: no trial ended with figures.
    """
    payload, report = run.payload, run[CHECK]
    targets = payload.goals.targets(_known(payload.objectives, report))
    first = [candidate.tree for candidate in run[SHORTLIST].candidates]
    sampler = make_sampler(
        payload.spec.sampler, SPACE, payload.spec.seed, within(payload.budget, report), first, targets
    )
    for observation, fidelity in await _warm_start(payload, deps):
        sampler.tell(observation.tree, observation.losses, fidelity)
    budget = payload.budget
    halved = HalvedSearch(sampler, rung_epochs(budget.epochs, rungs=budget.rungs), best=targets.best)
    await deps.checkpoints.forget_ended_trials(run.run_id)
    stored = StoredTrials(await deps.trials.trials_of(run.run_id), await deps.trials.rungs_of(run.run_id))
    search = Search(halved, stored, run, _alarm(budget.wall_s - run.claim.elapsed_s), deps)
    trials = await search.trials()
    return Done(SearchResult(_pareto_set(trials, payload.objectives, targets), search.stopped_by))


async def _record_pareto_set(_run: SearchRun, found: SearchResult, step: Step, deps: Deps) -> None:
    await deps.trials.mark_pareto_set(step, found.pareto_set)


# Trains candidates until the budget is spent; the result is the Pareto set of the measured ones.
SEARCH = Stage("search", SearchResult, run_search, _record_pareto_set)


async def _warm_start(payload: SearchPayload, deps: Deps) -> list[tuple[Observation, float]]:
    """Return the results of the named run's trials, each with the share of its epochs that it was trained for."""
    if (run_id := payload.spec.warm_start) is None:
        return []
    epochs = (await earlier_search(run_id, deps)).budget.epochs
    return [
        (
            Observation(tree, figures(trial, payload.objectives)),
            len(trial.curve) / epochs if trial.outcome == "pruned" else 1.0,
        )
        for tree, trial in in_space(await deps.trials.trials_of(run_id))
    ]


async def earlier_search(run_id: str, deps: Deps) -> SearchPayload:
    """Return the request of an earlier search.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: it was no architecture search.
    """
    stored = await deps.runs.stored_run(run_id)
    try:
        return msgspec.convert(stored.payload, SearchPayload)
    except msgspec.ValidationError:
        raise FailedPrecondition(
            f"run {run_id!r} is of kind {stored.kind!r}, not an architecture search; name one that is"
        ) from None


def _known(objectives: tuple[Objective, ...], report: DatasetReport) -> Callable[[Tree], Sequence[float | None]] | None:
    """Return a function of the objectives that need no training, the network's sizes; None if none is searched for."""
    counts = {"parameters": count_parameters, "operations": count_flops}
    if not any(objective.name in counts for objective in objectives):
        return None

    def known(tree: Tree) -> list[float | None]:
        network = network_of(tree, report)
        return [float(counts[o.name](network)) if o.name in counts else None for o in objectives]

    return known


def _alarm(seconds: float) -> Callable[[], bool]:
    end = monotonic() + seconds
    return lambda: monotonic() > end


def _pareto_set(trials: list[Trial], objectives: tuple[Objective, ...], targets: Targets) -> tuple[int, ...]:
    """Return the Pareto set's trial numbers: among trials within the hard limits, or among all if none is."""
    measured = [trial for trial in trials if trial.metrics is not None]
    if not measured:
        outcomes = ", ".join(f"{trial.number}: {trial.outcome} ({trial.reason})" for trial in trials[:3])
        raise FailedPrecondition(
            f"none of {len(trials)} trials ended with figures ({outcomes}); raise the budget, or check the dataset"
        )
    table = np.array([losses(trial.metrics, objectives) for trial in measured if trial.metrics])
    within_limits = targets.within(table)
    if within_limits.any():
        measured = [trial for trial, kept in zip(measured, within_limits, strict=True) if kept]
        table = table[within_limits]
    return tuple(measured[n].number for n in pareto.pareto_set(table))
