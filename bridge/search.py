"""The long middle of a cycle: what to try, in which order, until trials or time are spent.

Step `n` (a new trial, or one more rung of an old one) is decided from the
results of steps 0 to `n - window`, whichever of the later ones happen to be
finished. So what is proposed and what goes on depend on results and the seed
alone, and a search that resumes takes the steps it would have taken.
docs/adr/0012-a-search-is-a-sequence-of-steps.md says why.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

import msgspec
import numpy as np

from bridge.deps import Deps
from bridge.jobs.work import Trained
from bridge.replies import Candidate, Shortlist, Trial
from bridge.requests import Budget
from bridge.store.claims import Claim
from bridge.tasks import end_tasks
from bridge.trials import Done, run_step, settle, train_job, train_once
from cerebros import halving
from cerebros.dataset_check import DatasetReport
from cerebros.errors import FailedPrecondition
from cerebros.halving import HalvedSearch, rung_epochs
from cerebros.metrics import NOTHING, Spent
from cerebros.motpe import STARTUP_TRIALS, Observation, make_sampler, split_history
from cerebros.nets.space import cerebros_space
from cerebros.nets.wiring import count_flops, count_parameters, wire
from cerebros.objectives import Objective, losses, objectives_named
from cerebros.pareto import nondominated
from cerebros.parzen import Admissible, draw_admissible, shortlist
from cerebros.rose_tree import Tree, from_mapping, tree_hash
from cerebros.targets import Targets

# Older trials than this say little that newer ones on the same data do not.
HISTORY_TRIALS = 200

SPACE = cerebros_space()


class Shortlisted(msgspec.Struct, frozen=True):
    """The shortlist, and what its probes took."""

    shortlist: Shortlist
    spent: Spent


class SearchResult(msgspec.Struct, frozen=True):
    """Numbers of the trials no other trial beats, and why the search stopped."""

    front: tuple[int, ...]
    stopped_by: str


async def propose_shortlist(claim: Claim, report: DatasetReport, deps: Deps) -> Shortlisted:
    """Candidates by the ratio of two tree densities, with their `l`, `g` and score.

    The densities are fitted to earlier runs' trials on the same dataset.
    Where there are too few, random trees are trained for one epoch each:
    that is little, but it is measured.
    """
    request = claim.payload.request
    budget, objectives = request.budget, objectives_named(claim.payload.goals.names)
    admissible = within(budget, report)
    observations, probes, spent = await _history(claim, report, objectives, deps), 0, NOTHING
    if len(observations) < STARTUP_TRIALS:
        # One epoch and a whole training do not compare, so the few earlier trials are left out.
        probes = budget.probes
        observations, spent = await _probe(claim, admissible, objectives, deps)
    good, rest = split_history(observations)
    generator = np.random.default_rng([request.seed, _SHORTLIST_STREAM])
    scored = shortlist(SPACE, good, rest, budget.shortlist, generator, admissible)
    chosen = Shortlist(
        run_id=claim.run_id,
        observations=len(observations),
        probes=probes,
        candidates=tuple(
            Candidate(
                rank=rank,
                tree=msgspec.to_builtins(candidate.tree),
                tree_hash=tree_hash(candidate.tree),
                log_l=candidate.log_l,
                log_g=candidate.log_g,
                score=candidate.score,
            )
            for rank, candidate in enumerate(scored, start=1)
        ),
    )
    return Shortlisted(chosen, spent)


# Random streams of one run: trials use their number, these lie beyond any number of trials.
_SHORTLIST_STREAM = 2**32
_PROBE_STREAM = 2**32 + 1


async def _history(
    claim: Claim, report: DatasetReport, objectives: tuple[Objective, ...], deps: Deps
) -> list[Observation]:
    """Earlier runs' trials on this dataset, those that belong to the space as it is today."""
    earlier = await deps.runs.earlier_trials(claim.run_id, report.digest, HISTORY_TRIALS)
    seen = [(from_mapping(trial.tree or {}), trial) for trial in earlier]
    return [Observation(tree, figures(trial, objectives)) for tree, trial in seen if SPACE.holds(tree)]


async def _probe(
    claim: Claim, admissible: Admissible, objectives: tuple[Objective, ...], deps: Deps
) -> tuple[list[Observation], Spent]:
    request = claim.payload.request
    generator = np.random.default_rng([request.seed, _PROBE_STREAM])
    trees = [draw_admissible(SPACE.draw, admissible, generator) for _ in range(request.budget.probes)]
    jobs = [train_job(claim, tree, request.seed, 1, deps) for tree in trees]
    in_flight = {number: asyncio.create_task(train_once(job, deps)) for number, job in enumerate(jobs)}
    try:
        answers = await asyncio.gather(*in_flight.values())
    finally:
        await end_tasks(*in_flight.values())
    observations = [Observation(tree, figures(answer, objectives)) for tree, answer in zip(trees, answers, strict=True)]
    return observations, sum((answer.spent for answer in answers if answer.spent), start=NOTHING)


async def search(claim: Claim, report: DatasetReport, chosen: Shortlist, deps: Deps) -> SearchResult:
    """Train candidates until trials or time are spent, saving each as it ends or comes to a rung.

    Raises:
        FailedPrecondition: no trial ended with figures.
    """
    request = claim.payload.request
    budget, goals = request.budget, claim.payload.goals
    objectives, targets = objectives_named(goals.names), goals.targets()
    first = [from_mapping(candidate.tree) for candidate in chosen.candidates]
    sampler = make_sampler(request.sampler, SPACE, request.seed, within(budget, report), first, targets)
    halved = HalvedSearch(sampler, rung_epochs(budget.epochs, rungs=budget.rungs), best=targets.best)
    await deps.checkpoints.forget_ended_trials(claim.run_id)
    done = Done(await deps.runs.trials_of(claim.run_id), await deps.runs.rungs_of(claim.run_id))
    out_of_time = _alarm(budget.wall_s - claim.elapsed_s)
    in_flight: deque[tuple[halving.Step, asyncio.Task[Trial]]] = deque()
    told: dict[int, Trial] = {}
    stopped_by = "trials"

    async def tell_next() -> None:
        step, work = in_flight.popleft()
        trial = told[step.number] = await work
        halved.tell(step, figures(trial, objectives), ended=trial.outcome != "pruned")

    try:
        while True:
            while len(in_flight) >= budget.window:
                await tell_next()
            step = halved.continuation()
            if step is None and halved.started < budget.trials:
                # A proposal is tens of milliseconds of arithmetic; the lease must be renewed meanwhile.
                (step,) = await asyncio.to_thread(halved.start, 1)
            if step is None:
                if not in_flight:
                    break
                await tell_next()  # which may let another go on
                continue
            result = done.result_of(step)
            if result is None and out_of_time():
                stopped_by = "wall_s"
                break
            work = _keep(result) if result is not None else run_step(step, claim, deps)
            in_flight.append((step, asyncio.create_task(work)))
        while in_flight:
            await tell_next()
    finally:
        await end_tasks(*(work for _, work in in_flight))
    # A resumed search that ran out of time may hold trials it had no time to come to again; they were measured.
    fresh = {number: trial for number, trial in told.items() if number not in done.trials}
    trials = done.trials | {number: await settle(trial, claim, deps) for number, trial in fresh.items()}
    return SearchResult(_front(list(trials.values()), objectives, targets), stopped_by)


def within(budget: Budget, report: DatasetReport) -> Admissible:
    """Whether a tree's network stays within the budget of parameters and operations."""
    outputs = len(report.label_balance) or 1

    def admissible(tree: Tree) -> bool:
        network = wire(tree, report.inputs, outputs)
        return count_parameters(network) <= budget.parameters and (
            budget.flops is None or count_flops(network) <= budget.flops
        )

    return admissible


def figures(trial: Trial | Trained, objectives: tuple[Objective, ...]) -> tuple[float, ...] | None:
    """What a sampler learns of a trial: its losses, or None when it ended without."""
    return None if trial.metrics is None else tuple(losses(trial.metrics, objectives).tolist())


async def _keep(trial: Trial) -> Trial:
    return trial


def _alarm(seconds: float) -> Callable[[], bool]:
    end = monotonic() + seconds
    return lambda: monotonic() > end


def _front(trials: list[Trial], objectives: tuple[Objective, ...], targets: Targets) -> tuple[int, ...]:
    """Numbers of the trials that no other beats: of those within the hard limits, or of all where there is none."""
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
    return tuple(trial.number for trial, kept in zip(measured, nondominated(table), strict=True) if kept)
