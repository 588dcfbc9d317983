"""Choice of a model from the Pareto set, and its score on the held-out rows."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import NamedTuple

import msgspec

from bridge.contract.runs import Trial
from bridge.jobs.executor import NO_ANSWER
from bridge.jobs.settings import JobSettings
from bridge.nas.payload import SearchRun
from bridge.nas.search import SEARCH
from bridge.nas.work import REPEAT, SCORE_MODEL, Repeated, RepeatJob, ScoreJob
from bridge.process.tasks import end_tasks
from bridge.runs.claims import Step
from bridge.runs.kinds import Deps, Done, Stage
from bridge.runs.settings import RunSettings
from cerebros.metrics import NOTHING, Spent, TrainingMetrics
from cerebros.space.rose_tree import tree_hash
from telemetry.logs import log_failure


class StoredFile(msgspec.Struct, frozen=True):
    digest: str
    bytes: int


class ScoredModel(msgspec.Struct, frozen=True):
    """The chosen trial, its held-out figures, the score of the naive answer, and the model's two stored documents."""

    trial: int
    metrics: TrainingMetrics
    baseline: float
    weights: StoredFile
    description: StoredFile


class Choice(NamedTuple):
    """The candidate to refit, its epochs, the spread of its accuracy over seeds, and the cost of measuring that."""

    trial: Trial
    epochs: int
    spread: float | None
    spent: Spent


# More of the Pareto set's most accurate than these are too far behind for luck to explain.
FINALISTS = 3


async def score_choice(run: SearchRun, deps: Deps) -> Done[ScoredModel]:
    """Refit the Pareto set's most accurate candidate and score it on the held-out rows."""
    choice, epochs, spread, spent = await _choice(run, deps)
    job = ScoreJob(
        run.payload.data,
        choice.tree,
        epochs=epochs,
        seed=run.payload.spec.seed,
        prices=deps.settings[JobSettings].prices,
        checkpoint_s=deps.settings[RunSettings].checkpoint_s,
        resume=await deps.checkpoints.newest(run.run_id, choice.number),
    )
    scored = await deps.jobs.run(SCORE_MODEL, job, keep=partial(deps.checkpoints.save, run.claim, choice.number))
    await deps.checkpoints.forget(run.run_id, choice.number)
    weights, description = [
        StoredFile(await asyncio.to_thread(deps.artifacts.write, content), len(content))
        for content in (scored.weights, scored.description)
    ]
    metrics = msgspec.structs.replace(scored.metrics, accuracy_spread=spread)
    return Done(ScoredModel(choice.number, metrics, scored.baseline, weights, description), spent + metrics.spent)


async def _choice(run: SearchRun, deps: Deps) -> Choice:
    """Choose the Pareto set's most accurate trial, or of its few most accurate the best on average over seeds."""
    candidates = await deps.trials.trials_of(run.run_id, run[SEARCH].pareto_set)
    finalists = sorted(candidates, key=_merit, reverse=True)[:FINALISTS]
    seed, budget = run.payload.spec.seed, run.payload.budget
    if budget.repeats == 1:
        return Choice(finalists[0], _best_epoch(finalists[0]), None, NOTHING)
    seeds = tuple(seed + budget.trials + n for n in range(budget.repeats))  # none that a trial had
    prices = deps.settings[JobSettings].prices
    jobs = [RepeatJob(run.payload.data, t.tree, budget.epochs, seeds, prices) for t in finalists]
    working = [asyncio.create_task(_repeated(job, deps)) for job in jobs]
    try:
        repeated = await asyncio.gather(*working)
    finally:
        await end_tasks(*working)
    means = [-math.inf if one.mean is None else one.mean for one in repeated]
    best = means.index(max(means))  # without any mean the first, which was the most accurate in the search
    # A finalist that was pruned has seen a part of the epochs it was repeated with.
    epochs = repeated[best].epochs or _best_epoch(finalists[best])
    spent = sum((one.spent for one in repeated), start=NOTHING)
    return Choice(finalists[best], epochs, repeated[best].spread, spent)


def _merit(trial: Trial) -> tuple[float, float]:
    assert trial.metrics is not None  # noqa: S101 - only measured trials reach a Pareto set
    return trial.metrics.accuracy, -trial.metrics.loss


async def _repeated(job: RepeatJob, deps: Deps) -> Repeated:
    """Train over seeds; a failure leaves the result without an error bar and does not fail the run."""
    try:
        return await deps.jobs.run(REPEAT, job)
    except NO_ANSWER as problem:
        log_failure("cerebros.repeats.failed", tree_hash=tree_hash(job.tree), reason=problem.message)
        return Repeated(None, None, None, NOTHING)


def _best_epoch(trial: Trial) -> int:
    """Return the epoch of the trial's lowest validation loss, counted from 1."""
    return 1 + trial.curve.index(min(trial.curve))


async def _record_artifacts(_run: SearchRun, model: ScoredModel, step: Step, _deps: Deps) -> None:
    for kind, file in (("weights", model.weights), ("description", model.description)):
        await step.insert_artifact(kind, file.digest, file.bytes)


# Refits the most accurate candidate and looks at the held-out rows, once.
SCORE = Stage("score", ScoredModel, score_choice, _record_artifacts)
