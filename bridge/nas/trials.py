"""Trials of a search: each is trained from its newest checkpoint, and stored when it reaches a rung or ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from bridge.contract.runs import Trial
from bridge.jobs.executor import NO_ANSWER, JobCrashed, JobLost, JobTimedOut, Keep
from bridge.jobs.settings import JobSettings
from bridge.nas.payload import SearchRun
from bridge.nas.work import TRAIN, TRAIN_GROUP, GroupJob, Trained, TrainJob
from bridge.process.tasks import to_its_end
from bridge.runs.kinds import Deps
from bridge.runs.settings import RunSettings
from bridge.runs.trials import Rung
from cerebros.errors import ArtifactCorrupt, OutOfMemory
from cerebros.metrics import Spent
from cerebros.nets.wiring import with_links
from cerebros.search.halving import Step
from cerebros.space.rose_tree import Tree, tree_hash
from telemetry.events import trial_rung, trial_stop


class StoredTrials:
    """Stored results of a search: trials that ended, and trials as they were at their rungs."""

    def __init__(self, trials: Sequence[Trial], rungs: Sequence[Rung]) -> None:
        self.trials = {trial.number: trial for trial in trials}
        self._rungs = {(rung.trial.number, rung.resource): rung.trial for rung in rungs}

    def result_of(self, step: Step) -> Trial | None:
        """Return the result of a step, None where it has not been done."""
        if (waiting := self._rungs.get((step.number, step.until))) is not None:
            return waiting
        trial = self.trials.get(step.number)
        return None if trial is None or trial.outcome == "pruned" else trial

    def waiting(self) -> dict[int, Trial]:
        """Return the trials that reached a rung and have not ended, as they were at the last rung."""
        newest = {trial.number: trial for trial in self._rungs.values()}  # rungs come in their order
        return {number: trial for number, trial in newest.items() if number not in self.trials}


async def train_once(job: TrainJob, deps: Deps, keep: Keep | None = None) -> Trained:
    """Train one trial; a timeout, too little memory, a crash or a lost process is an outcome, not an exception."""
    try:
        return await deps.jobs.run(TRAIN, job, keep=keep)
    except JobTimedOut as problem:
        return Trained("timeout", reason=f"{problem.message}, such as fewer epochs")
    except OutOfMemory as problem:
        return Trained("oom", reason=problem.message)
    except JobCrashed as problem:
        return Trained("error", reason=problem.message)
    except JobLost as problem:
        return Trained("lost", reason=problem.message)


async def run_steps(steps: Sequence[Step], known: StoredTrials, run: SearchRun, deps: Deps) -> list[Trial]:
    """Return the results of the steps: the stored ones, or those of training them now.

    Several first steps are trained as one group. A resumed group is trained whole,
    stored members included: rounding depends on the members that train together.
    """
    stored = [known.result_of(step) for step in steps]
    if all(stored):
        return [trial for trial in stored if trial]
    if len(steps) == 1:
        return [await _store(steps[0], await _train_from_checkpoint(steps[0], run, deps), run, deps)]
    try:
        group = await deps.jobs.run(TRAIN_GROUP, GroupJob(tuple(_step_job(step, run, deps) for step in steps)))
    except NO_ANSWER:  # one of them may be the reason; the others must not suffer for it
        return [
            trial or (await run_steps([step], known, run, deps))[0] for step, trial in zip(steps, stored, strict=True)
        ]
    trials = []
    for step, trial, member in zip(steps, stored, group.members, strict=True):
        if trial is None and member.checkpoint is not None:
            await deps.checkpoints.save(run.claim, step.number, member.checkpoint)
        trials.append(trial or await _store(step, member.trained, run, deps))
    return trials


async def _store(step: Step, ended: Trained, run: SearchRun, deps: Deps) -> Trial:
    """Store the end of a trial, or its result at the rung where it waits."""
    trial = _trial(step, ended)
    if ended.outcome == "pruned" and ended.metrics is not None:
        event = trial_rung(run.run_id, trial.number, trial.tree_hash, ended.metrics)
        storing = deps.trials.append_rung(run.claim, Rung(step.until, trial), ended.metrics.spent, event)
    else:
        storing = _end_trial(trial, ended.spent, run, deps)
    await to_its_end(storing)  # a drain that comes just now does not throw a finished training away
    return trial


def _trial(step: Step, ended: Trained) -> Trial:
    return Trial(
        number=step.number,
        outcome=ended.outcome,
        tree_hash=tree_hash(step.tree),
        tree=with_links(step.tree),  # rebuilds this network, whatever becomes of the drawing
        metrics=ended.metrics,
        reason=ended.reason,
        curve=ended.curve,
    )


async def settle(trial: Trial, run: SearchRun, deps: Deps) -> Trial:
    """End a trial that still waits when the search is over, with its result at the last rung."""
    if trial.outcome != "pruned" or trial.metrics is None:
        return trial
    pruned = msgspec.structs.replace(trial, reason=f"others were better after {len(trial.curve)} epochs")
    await _end_trial(pruned, trial.metrics.spent, run, deps)
    return pruned


async def _end_trial(trial: Trial, spent: Spent | None, run: SearchRun, deps: Deps) -> None:
    event = trial_stop(run.run_id, trial.number, trial.outcome, trial.tree_hash, trial.metrics, trial.reason)
    await deps.trials.append_trial(run.claim, trial, spent, event)
    await deps.checkpoints.forget(run.run_id, trial.number)


async def _train_from_checkpoint(step: Step, run: SearchRun, deps: Deps) -> Trained:
    """Train from the trial's newest intact checkpoint, or from the start where it never had one."""
    try:
        resume = await deps.checkpoints.newest(run.run_id, step.number)
    except ArtifactCorrupt as problem:
        return Trained("error", reason=f"artifact_corrupt: {problem.message}")
    checkpoint_s = deps.settings[RunSettings].checkpoint_s
    job = msgspec.structs.replace(_step_job(step, run, deps), checkpoint_s=checkpoint_s, resume=resume)
    return await train_once(job, deps, partial(deps.checkpoints.save, run.claim, step.number))


def _step_job(step: Step, run: SearchRun, deps: Deps) -> TrainJob:
    payload = run.payload
    job = train_job(run, step.tree, payload.spec.seed + step.number, payload.budget.epochs, deps)
    return msgspec.structs.replace(job, until=step.until)


def train_job(run: SearchRun, tree: Tree, seed: int, epochs: int, deps: Deps) -> TrainJob:
    """Return the job of a complete training of the tree's network on the run's dataset."""
    return TrainJob(run.payload.data, tree, epochs, seed, deps.settings[JobSettings].prices)
