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
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic

import msgspec
import numpy as np

from bridge.contract.replies import Candidate, Shortlist, Trial
from bridge.contract.requests import Budget, StartRun
from bridge.jobs.work import Trained
from bridge.nas.trials import Done, run_steps, settle, train_job, train_once
from bridge.process.tasks import end_tasks
from bridge.runs.claims import Claim
from bridge.runs.deps import Deps
from cerebros.data.check import DatasetReport
from cerebros.errors import FailedPrecondition, InvalidArgument, SpaceRejected
from cerebros.metrics import NOTHING, Spent
from cerebros.nets.space import cerebros_space
from cerebros.nets.wiring import Architecture, count_flops, count_parameters, wire, without_links
from cerebros.search import halving, pareto
from cerebros.search.halving import HalvedSearch, rung_epochs
from cerebros.search.motpe import STARTUP_TRIALS, Observation, make_sampler, split_history
from cerebros.search.objectives import Objective, losses, objectives_named
from cerebros.search.parzen import Admissible, draw_admissible, rated, shortlist
from cerebros.search.targets import Targets
from cerebros.space.rose_tree import Tree, from_mapping, tree_hash

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
    known = frozenset(tree_hash(observation.tree) for observation in observations)
    if len(observations) < STARTUP_TRIALS:
        # One epoch and a whole training do not compare, so the few earlier trials are left out.
        probes = budget.probes
        observations, spent = await _probe(claim, admissible, objectives, deps)
    good, rest = split_history(observations)
    generator = np.random.default_rng([request.seed, _SHORTLIST_STREAM])
    if request.candidates:
        scored = rated(SPACE, good, rest, _within_budget(candidate_trees(request), admissible))
    else:
        scored = shortlist(SPACE, good, rest, budget.shortlist, generator, admissible, known)
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


def candidate_trees(request: StartRun) -> list[Tree]:
    """The candidates a caller names, as trees.

    Raises:
        InvalidArgument: one is no tree of the space.
    """
    trees = [without_links(from_mapping(document)) for document in request.candidates]
    for number, tree in enumerate(trees):
        try:
            SPACE.check(tree)
        except SpaceRejected as problem:
            raise InvalidArgument(f"candidates[{number}]: {problem.message}") from None
    return trees


def _within_budget(trees: list[Tree], admissible: Admissible) -> list[Tree]:
    for number, tree in enumerate(trees):
        if not admissible(tree):
            raise FailedPrecondition(
                f"candidates[{number}] has more parameters or operations than the budget allows; "
                "raise the budget, or leave the candidate out"
            )
    return trees


# Random streams of one run: trials use their number, these lie beyond any number of trials.
_SHORTLIST_STREAM = 2**32
_PROBE_STREAM = 2**32 + 1


async def _history(
    claim: Claim, report: DatasetReport, objectives: tuple[Objective, ...], deps: Deps
) -> list[Observation]:
    """Earlier runs' trials on this dataset, oldest first."""
    earlier = await deps.runs.earlier_trials(claim.run_id, report.digest, HISTORY_TRIALS)
    return [Observation(tree, figures(trial, objectives)) for tree, trial in in_space(earlier)]


def in_space(trials: Iterable[Trial]) -> Iterator[tuple[Tree, Trial]]:
    """Trials with their trees as decisions alone, those that belong to the space as it is today."""
    for trial in trials:
        tree = without_links(from_mapping(trial.tree or {}))
        if SPACE.holds(tree):
            yield tree, trial


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
    objectives = objectives_named(goals.names)
    targets = goals.targets(_known(objectives, report))
    first = [from_mapping(candidate.tree) for candidate in chosen.candidates]
    sampler = make_sampler(request.sampler, SPACE, request.seed, within(budget, report), first, targets)
    for observation, fidelity in await _warm_start(request, objectives, deps):
        sampler.tell(observation.tree, observation.losses, fidelity)
    halved = HalvedSearch(sampler, rung_epochs(budget.epochs, rungs=budget.rungs), best=targets.best)
    await deps.checkpoints.forget_ended_trials(claim.run_id)
    done = Done(await deps.runs.trials_of(claim.run_id), await deps.runs.rungs_of(claim.run_id))
    out_of_time = _alarm(budget.wall_s - claim.elapsed_s)
    in_flight: deque[tuple[list[halving.Step], asyncio.Task[list[Trial]]]] = deque()
    told: dict[int, Trial] = {}
    stopped_by = "trials"

    async def tell_next() -> None:
        steps, work = in_flight.popleft()
        for step, trial in zip(steps, await work, strict=True):
            told[step.number] = trial
            halved.tell(step, figures(trial, objectives), ended=trial.outcome != "pruned")

    try:
        while True:
            while len(in_flight) >= budget.window:
                await tell_next()
            # A proposal is tens of milliseconds of arithmetic; the lease must be renewed meanwhile.
            steps = await asyncio.to_thread(halved.next_steps, min(budget.population, budget.trials - halved.started))
            if not steps:
                if not in_flight:
                    break
                await tell_next()  # which may let another go on
                continue
            if out_of_time() and not all(map(done.result_of, steps)):
                stopped_by = "wall_s"
                break
            in_flight.append((steps, asyncio.create_task(run_steps(steps, done, claim, deps))))
        while in_flight:
            await tell_next()
    finally:
        await end_tasks(*(work for _, work in in_flight))
    # A resumed search that ran out of time may not have come again to trials that were measured.
    fresh = {number: trial for number, trial in (done.waiting() | told).items() if number not in done.trials}
    trials = done.trials | {number: await settle(trial, claim, deps) for number, trial in fresh.items()}
    return SearchResult(_front(list(trials.values()), objectives, targets), stopped_by)


async def _warm_start(
    request: StartRun, objectives: tuple[Objective, ...], deps: Deps
) -> list[tuple[Observation, float]]:
    """What the named run's trials came to, each with the share of its epochs that it was trained for."""
    if request.warm_start is None:
        return []
    epochs = (await deps.runs.payload_of(request.warm_start)).request.budget.epochs
    return [
        (
            Observation(tree, figures(trial, objectives)),
            len(trial.curve) / epochs if trial.outcome == "pruned" else 1.0,
        )
        for tree, trial in in_space(await deps.runs.trials_of(request.warm_start))
    ]


def _known(objectives: tuple[Objective, ...], report: DatasetReport) -> Callable[[Tree], Sequence[float | None]] | None:
    """What needs no training to be known: sizes, where they are searched for."""
    counts = {"parameters": count_parameters, "operations": count_flops}
    if not any(objective.name in counts for objective in objectives):
        return None

    def known(tree: Tree) -> list[float | None]:
        network = _network(tree, report)
        return [float(counts[o.name](network)) if o.name in counts else None for o in objectives]

    return known


def _network(tree: Tree, report: DatasetReport) -> Architecture:
    return wire(tree, report.inputs, len(report.label_balance) or 1)


def within(budget: Budget, report: DatasetReport) -> Admissible:
    """Whether a tree's network stays within the budget of parameters and operations."""

    def admissible(tree: Tree) -> bool:
        network = _network(tree, report)
        return count_parameters(network) <= budget.parameters and (
            budget.flops is None or count_flops(network) <= budget.flops
        )

    return admissible


def figures(trial: Trial | Trained, objectives: tuple[Objective, ...]) -> tuple[float, ...] | None:
    """What a sampler learns of a trial: its losses, or None when it ended without."""
    return None if trial.metrics is None else tuple(losses(trial.metrics, objectives).tolist())


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
    return tuple(measured[n].number for n in pareto.front(table))
