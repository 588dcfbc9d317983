"""The shortlist: candidates that the Parzen estimator proposes before a search starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import numpy as np

from bridge.contract.nas import Budget, Candidate, Cycle, Nas, Shortlist
from bridge.contract.runs import Trial
from bridge.datasets.checks import CHECK
from bridge.nas.payload import SearchRun
from bridge.nas.rows import SearchRows
from bridge.nas.trials import train_job, train_once
from bridge.nas.work import Trained
from bridge.process.tasks import end_tasks
from bridge.runs.claims import Step
from bridge.runs.kinds import Deps, Done, Stage, kind_of
from cerebros.data.check import DatasetReport
from cerebros.errors import FailedPrecondition, InvalidArgument, SpaceRejected
from cerebros.metrics import NOTHING, Spent
from cerebros.nets.space import cerebros_space
from cerebros.nets.wiring import Architecture, count_flops, count_parameters, wire, without_links
from cerebros.search.admission import Admissible, draw_admissible
from cerebros.search.objectives import Objective, losses
from cerebros.search.observations import STARTUP_TRIALS, Observation, split_history
from cerebros.search.parzen import rated, shortlist
from cerebros.space.rose_tree import Tree, tree_hash
from telemetry.events import ShortlistStop

# The kinds whose trials are networks of this space.
SEARCHES = (kind_of(Nas), kind_of(Cycle))

# Older trials than this say little that newer ones on the same data do not.
HISTORY_TRIALS = 200

SPACE = cerebros_space()

# Random streams of one run: trials use their number, these lie beyond any number of trials.
_SHORTLIST_STREAM = 2**32
_PROBE_STREAM = 2**32 + 1


async def propose_shortlist(run: SearchRun, deps: Deps) -> Done[Shortlist]:
    """Propose candidates by the ratio of two tree densities, with their `l`, `g` and score.

    The densities are fitted to earlier runs' trials on the same dataset.
    Where there are too few, random trees are trained for one epoch each
    and take their place.
    """
    spec, budget, report = run.payload.spec, run.payload.budget, run[CHECK]
    admissible = within(budget, report)
    observations, probes, spent = await _history(run, report, deps), 0, NOTHING
    known = frozenset(tree_hash(observation.tree) for observation in observations)
    if len(observations) < STARTUP_TRIALS:
        # One epoch and a whole training do not compare, so the few earlier trials are left out.
        probes = budget.probes
        observations, spent = await _probe(run, admissible, deps)
    good, rest = split_history(observations)
    generator = np.random.default_rng([spec.seed, _SHORTLIST_STREAM])
    if spec.candidates:
        scored = rated(SPACE, good, rest, _within_budget(candidate_trees(spec.candidates), admissible))
    else:
        scored = shortlist(SPACE, good, rest, budget.shortlist, generator, admissible, known)
    candidates = tuple(
        Candidate(
            rank=rank,
            tree=candidate.tree,
            tree_hash=tree_hash(candidate.tree),
            log_l=candidate.log_l,
            log_g=candidate.log_g,
            score=candidate.score,
        )
        for rank, candidate in enumerate(scored, start=1)
    )
    chosen = Shortlist(run_id=run.run_id, observations=len(observations), probes=probes, candidates=candidates)
    return Done(chosen, spent)


def candidate_trees(candidates: Iterable[Tree]) -> list[Tree]:
    """Return a caller's candidates as trees of decisions alone, without links.

    Raises:
        InvalidArgument: one is no tree of the space.
    """
    trees = [without_links(tree) for tree in candidates]
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


async def _history(run: SearchRun, report: DatasetReport, deps: Deps) -> list[Observation]:
    """Return earlier runs' trials on this dataset, oldest first."""
    earlier = await deps.trials.earlier_trials(run.run_id, SEARCHES, report.digest, HISTORY_TRIALS)
    return [Observation(tree, figures(trial, run.payload.objectives)) for tree, trial in in_space(earlier)]


def in_space(trials: Iterable[Trial]) -> Iterator[tuple[Tree, Trial]]:
    """Yield the trials whose trees belong to the space of today, each with its tree as decisions alone."""
    for trial in trials:
        tree = without_links(trial.tree)
        if SPACE.holds(tree):
            yield tree, trial


async def _probe(run: SearchRun, admissible: Admissible, deps: Deps) -> tuple[list[Observation], Spent]:
    seed = run.payload.spec.seed
    generator = np.random.default_rng([seed, _PROBE_STREAM])
    trees = [draw_admissible(SPACE, admissible, generator) for _ in range(run.payload.budget.probes)]
    jobs = [train_job(run, tree, seed, 1, deps) for tree in trees]
    in_flight = {number: asyncio.create_task(train_once(job, deps)) for number, job in enumerate(jobs)}
    try:
        answers = await asyncio.gather(*in_flight.values())
    finally:
        await end_tasks(*in_flight.values())
    observations = [
        Observation(tree, figures(answer, run.payload.objectives)) for tree, answer in zip(trees, answers, strict=True)
    ]
    return observations, sum((answer.spent for answer in answers if answer.spent), start=NOTHING)


def network_of(tree: Tree, report: DatasetReport) -> Architecture:
    return wire(tree, report.inputs, len(report.label_balance) or 1)


def within(budget: Budget, report: DatasetReport) -> Admissible:
    """Return a test of whether a tree's network is within the budget of parameters and operations."""

    def admissible(tree: Tree) -> bool:
        network = network_of(tree, report)
        return count_parameters(network) <= budget.parameters and (
            budget.flops is None or count_flops(network) <= budget.flops
        )

    return admissible


def figures(trial: Trial | Trained, objectives: tuple[Objective, ...]) -> tuple[float, ...] | None:
    """Return the losses of a trial, None where it ended without metrics."""
    return None if trial.metrics is None else tuple(losses(trial.metrics, objectives).tolist())


async def _record_shortlist(run: SearchRun, chosen: Shortlist, step: Step, deps: Deps) -> None:
    await SearchRows(deps).insert_shortlist(step, chosen)
    await step.append(
        ShortlistStop(
            candidates=len(chosen.candidates),
            observations=chosen.observations,
            probes=chosen.probes,
            run_id=run.run_id,
        )
    )


# Lets the Parzen estimator propose candidates; they are persisted before the search starts.
SHORTLIST = Stage("shortlist", Shortlist, propose_shortlist, _record_shortlist)
