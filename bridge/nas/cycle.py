"""A training cycle: the stages in their order, each saved by name.

`check → shortlist → search → score → verdict → promote`. A stage is a
function of the cycle so far; its result is stored with its name, and a
resumed cycle skips the stages it has done. A search resumes at its first
unfinished trial.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from bridge.capability import promotion
from bridge.capability.promotion import ScoredModel, StoredFile
from bridge.contract.replies import Trial, VcvDraft, Verdict
from bridge.contract.requests import StartRun
from bridge.jobs.executor import NO_ANSWER
from bridge.jobs.work import Checked, CheckJob, Repeated, RepeatJob, Scored, ScoreJob
from bridge.nas import search
from bridge.nas.trials import data_of
from bridge.policy.rules import require_use_allowed
from bridge.process.tasks import end_tasks
from bridge.runs.claims import Claim, Step
from bridge.runs.deps import Deps
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest
from cerebros.errors import CerebrosError
from cerebros.metrics import NOTHING, Spent
from cerebros.space.rose_tree import from_mapping, tree_hash
from telemetry.events import PromotionStop, ShortlistStop, StageStart, StageStop, VerdictStop, stage_exception
from telemetry.logs import log_failure


class CycleRun(msgspec.Struct, frozen=True):
    """A run with the results its stages have had so far."""

    claim: Claim
    check: DatasetReport | None = None
    shortlist: search.Shortlisted | None = None
    search: search.SearchResult | None = None
    score: ScoredModel | None = None
    verdict: Verdict | None = None
    promote: VcvDraft | None = None

    @property
    def request(self) -> StartRun:
        return self.claim.payload.request

    @property
    def manifest(self) -> Manifest:
        return self.claim.payload.manifest


async def check_dataset(run: CycleRun, deps: Deps) -> DatasetReport:
    """Read, check and register the dataset; a rejected or forbidden one ends the run."""
    require_use_allowed(run.manifest.purposes, run.manifest.retain_until, datetime.now(UTC).date())
    report = (await deps.jobs.run(CheckJob(data_of(run.claim)), Checked)).report
    await deps.catalogue.upsert_dataset(run.manifest, report)
    return report


async def make_shortlist(run: CycleRun, deps: Deps) -> search.Shortlisted:
    """Let the Parzen estimator propose candidates; they are persisted before the search starts."""
    assert run.check is not None  # noqa: S101 - STAGES puts check first
    return await search.propose_shortlist(run.claim, run.check, deps)


async def run_search(run: CycleRun, deps: Deps) -> search.SearchResult:
    """Train candidates until the budget is spent; the result is the front of the measured ones."""
    assert run.check is not None  # noqa: S101
    assert run.shortlist is not None  # noqa: S101
    return await search.search(run.claim, run.check, run.shortlist.shortlist, deps)


async def score_choice(run: CycleRun, deps: Deps) -> ScoredModel:
    """Refit the front's most accurate candidate and score it on the held-out rows."""
    assert run.search is not None  # noqa: S101
    choice, epochs, spread, spent = await _choice(run, run.search, deps)
    job = ScoreJob(
        data_of(run.claim),
        from_mapping(choice.tree or {}),
        epochs=epochs,
        seed=run.request.seed,
        prices=deps.settings.prices,
        checkpoint_s=deps.settings.checkpoint_s,
        resume=await deps.checkpoints.newest(run.claim.run_id, choice.number),
    )
    scored = await deps.jobs.run(job, Scored, partial(deps.checkpoints.save, run.claim, choice.number))
    await deps.checkpoints.forget(run.claim.run_id, choice.number)
    weights, description = [
        StoredFile(await asyncio.to_thread(deps.artifacts.write, content), len(content))
        for content in (scored.weights, scored.description)
    ]
    metrics = msgspec.structs.replace(scored.metrics, accuracy_spread=spread)
    return ScoredModel(choice.number, metrics, scored.baseline, weights, description, spent)


# More of the front's most accurate than these are too far behind for luck to explain.
FINALISTS = 3


class Choice(NamedTuple):
    """The candidate to refit and for how long, how its accuracy differs between seeds, and what finding out took."""

    trial: Trial
    epochs: int
    spread: float | None
    spent: Spent


async def _choice(run: CycleRun, found: search.SearchResult, deps: Deps) -> Choice:
    """The front's most accurate, or of the most accurate few the one that is best on average over seeds."""
    front = await deps.runs.trials_of(run.claim.run_id, found.front)

    def merit(trial: Trial) -> tuple[float, float]:
        assert trial.metrics is not None  # noqa: S101 - only measured trials reach a front
        return trial.metrics.accuracy, -trial.metrics.loss

    finalists = sorted(front, key=merit, reverse=True)[:FINALISTS]
    budget = run.request.budget
    if budget.repeats == 1:
        return Choice(finalists[0], _best_epoch(finalists[0]), None, NOTHING)
    seeds = tuple(run.request.seed + budget.trials + n for n in range(budget.repeats))  # none that a trial had
    jobs = [
        RepeatJob(data_of(run.claim), from_mapping(t.tree or {}), budget.epochs, seeds, deps.settings.prices)
        for t in finalists
    ]
    working = [asyncio.create_task(repeat(job, deps)) for job in jobs]
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


async def repeat(job: RepeatJob, deps: Deps) -> Repeated:
    """Train over seeds; where that fails there is no error bar, and the search has its result all the same."""
    try:
        return await deps.jobs.run(job, Repeated)
    except NO_ANSWER as problem:
        log_failure("cerebros.repeats.failed", tree_hash=tree_hash(job.tree), reason=problem.message)
        return Repeated(None, None, None, NOTHING)


def _best_epoch(trial: Trial) -> int:
    """The epoch of its lowest validation loss, from 1."""
    return 1 + trial.curve.index(min(trial.curve))


async def give_verdict(run: CycleRun, deps: Deps) -> Verdict:
    """Judge the scored model by the policy in force, sign the verdict and keep it.

    A verdict to deny is a result like any other; `promote` is where it bites.
    """
    return await promotion.verdict_on(_contender(run), deps)


async def promote(run: CycleRun, deps: Deps) -> VcvDraft:
    """The PAC's next capability vector.

    Raises:
        PermissionDenied: the verdict denies, or is not valid any more.
    """
    assert run.verdict is not None  # noqa: S101
    return await promotion.draft_version(_contender(run), run.verdict, deps)


def _contender(run: CycleRun) -> promotion.Contender:
    assert run.check is not None  # noqa: S101
    assert run.score is not None  # noqa: S101
    return promotion.Contender(run.claim.run_id, run.claim.payload, run.check, run.score)


async def record_nothing_more(_run: CycleRun, _result: object, _step: Step, _deps: Deps) -> None:
    """The stage's own row is all there is to store."""


async def record_shortlist(run: CycleRun, made: search.Shortlisted, step: Step, deps: Deps) -> None:
    chosen = made.shortlist
    await step.insert_shortlist(chosen)
    await step.append(
        ShortlistStop(
            candidates=len(chosen.candidates),
            observations=chosen.observations,
            probes=chosen.probes,
            run_id=run.claim.run_id,
        )
    )


async def record_artifacts(run: CycleRun, model: ScoredModel, step: Step, deps: Deps) -> None:
    for kind, file in (("weights", model.weights), ("description", model.description)):
        await deps.catalogue.insert_artifact(step.connection, run.claim.run_id, kind, file.digest, file.bytes)


async def record_verdict(run: CycleRun, verdict: Verdict, step: Step, deps: Deps) -> None:
    await deps.catalogue.insert_verdict(step.connection, run.claim.run_id, run.request.pac_id, verdict)
    event = VerdictStop(run_id=run.claim.run_id, verdict_id=verdict.verdict_id, decision=verdict.decision)
    await step.append(event)


async def record_version(run: CycleRun, draft: VcvDraft, step: Step, deps: Deps) -> None:
    version = await deps.catalogue.insert_vcv(step.connection, draft)
    await step.append(
        PromotionStop(
            accuracy=draft.accuracy,
            latency_s=draft.latency_s,
            cost_usd=draft.cost_usd,
            energy_j=draft.energy_j,
            version=version,
            run_id=draft.run_id,
            pac_id=draft.pac_id,
            artifact_digest=draft.artifact_digest,
            verdict_id=draft.verdict_id,
        )
    )


class Stage(NamedTuple):
    """Its work, the type its result is stored as, and what is recorded in the same transaction."""

    work: Callable[[CycleRun, Deps], Awaitable[Any]]
    result: type[msgspec.Struct]
    record: Callable[[CycleRun, Any, Step, Deps], Awaitable[None]] = record_nothing_more


# The database remembers these names; a resumed cycle skips the ones it has done.
STAGES: dict[str, Stage] = {
    "check": Stage(check_dataset, DatasetReport),
    "shortlist": Stage(make_shortlist, search.Shortlisted, record_shortlist),
    "search": Stage(run_search, search.SearchResult),
    "score": Stage(score_choice, ScoredModel, record_artifacts),
    "verdict": Stage(give_verdict, Verdict, record_verdict),
    "promote": Stage(promote, VcvDraft, record_version),
}

STAGES_OF: dict[str, tuple[str, ...]] = {
    "cycle": tuple(STAGES),
    "nas": ("check", "shortlist", "search", "score"),
}


async def resume(claim: Claim, deps: Deps) -> CycleRun:
    """The cycle of a claimed run with all that earlier workers have finished."""
    stored = await deps.runs.stage_results(claim.run_id)
    done: dict[str, Any] = {name: msgspec.convert(result, STAGES[name].result) for name, result in stored.items()}
    return CycleRun(claim, **done)


async def advance(run: CycleRun, deps: Deps) -> CycleRun:
    """Do the stages that are not done yet, one after the other.

    Raises:
        CerebrosError: a stage refused; what is saved stays saved.
        StaleWorker: the claim is lost.
    """
    for name in STAGES_OF[run.claim.kind]:
        if getattr(run, name) is None:
            run = await _do(name, run, deps)
    return run


async def _do(name: str, run: CycleRun, deps: Deps) -> CycleRun:
    stage, run_id = STAGES[name], run.claim.run_id
    await deps.engine.append(run.claim, StageStart(run_id=run_id, stage=name))
    started = monotonic()
    try:
        result = await stage.work(run, deps)
    except CerebrosError as error:
        duration_s = monotonic() - started
        await deps.engine.append(run.claim, stage_exception(run_id, name, duration_s, error))
        raise
    duration_s = monotonic() - started
    async with deps.engine.step(run.claim) as step:
        await stage.record(run, result, step, deps)
        await step.insert_stage(name, result, duration_s)
        await step.append(StageStop(duration_s=duration_s, run_id=run_id, stage=name))
    return msgspec.structs.replace(run, **{name: result})
