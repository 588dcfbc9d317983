"""From a scored model to a capability vector: the verdict on it, and what it is worth to its PAC.

A cycle does this in its last two stages; `evaluate_policy` and `promote` do
it for a run that has ended: a search alone, or a cycle whose verdict expired.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec

from bridge.contract.replies import VcvDraft, Verdict
from bridge.jobs.work import Embedded, EmbedJob
from bridge.policy.rules import PolicyInputs, judge, read_policy
from bridge.runs.claims import Payload
from bridge.runs.deps import Deps
from cerebros.data.check import DatasetReport
from cerebros.errors import FailedPrecondition, PermissionDenied
from cerebros.metrics import NOTHING, Spent, TrainingMetrics


class StoredFile(msgspec.Struct, frozen=True):
    digest: str
    bytes: int


class ScoredModel(msgspec.Struct, frozen=True):
    """The chosen trial, its held-out figures, the digests of its two documents, and what choosing it took."""

    trial: int
    metrics: TrainingMetrics
    baseline: float
    weights: StoredFile
    description: StoredFile
    spent: Spent = NOTHING


class Contender(msgspec.Struct, frozen=True):
    """A run's model, with all that a verdict and a capability vector say about it."""

    run_id: str
    payload: Payload
    report: DatasetReport
    model: ScoredModel


async def contender_of(run_id: str, deps: Deps) -> Contender:
    """What an ended run has to offer.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: it has not ended, or ended without a scored model.
    """
    if not (await deps.runs.run_state(run_id)).ended:
        raise FailedPrecondition(f"run {run_id!r} has not ended yet; watch_run tells when it has")
    stages = await deps.runs.stage_results(run_id)
    if "score" not in stages:
        raise FailedPrecondition(f"run {run_id!r} ended without a scored model; get_run says why, start another run")
    payload = await deps.runs.payload_of(run_id)
    report = msgspec.convert(stages["check"], DatasetReport)
    return Contender(run_id, payload, report, msgspec.convert(stages["score"], ScoredModel))


async def verdict_on(contender: Contender, deps: Deps) -> Verdict:
    """Judge the model by the policy in force and sign the verdict, whichever way it goes."""
    spent = await deps.runs.spending(contender.run_id)
    now = datetime.now(UTC)
    inputs = PolicyInputs(
        report=contender.report,
        purposes=contender.payload.manifest.purposes,
        retain_until=contender.payload.manifest.retain_until,
        metrics=contender.model.metrics,
        goals=contender.payload.goals,
        baseline=contender.model.baseline,
        run_cost_usd=spent.cost_usd,
        artifact_digest=contender.model.weights.digest,
        today=now.date(),
    )
    return deps.seal.sign(judge(inputs, read_policy(deps.settings.policy), now))


async def draft_version(contender: Contender, verdict: Verdict, deps: Deps) -> VcvDraft:
    """The PAC's next capability vector, from measured figures only.

    Raises:
        PermissionDenied: the verdict denies, or is not valid any more.
    """
    if verdict.decision == "deny":
        raise PermissionDenied(f"policy denies the promotion: {'; '.join(verdict.reasons)}")
    if not deps.seal.holds(verdict, datetime.now(UTC)):
        raise PermissionDenied(
            f"verdict {verdict.verdict_id[:12]} is not valid any more (expired {verdict.expires_at.isoformat()}); "
            "evaluate_policy gives a new one"
        )
    # Raises when the bytes are not those the verdict judged.
    await asyncio.to_thread(deps.artifacts.read, verdict.artifact_digest)
    request, manifest = contender.payload.request, contender.payload.manifest
    task = request.task or manifest.description
    embedded = await deps.jobs.run(EmbedJob(task), Embedded)
    metrics = contender.model.metrics
    return VcvDraft(
        pac_id=request.pac_id,
        task=task,
        capability=embedded.vector,
        skills=(manifest.task, manifest.name),
        accuracy=metrics.accuracy,
        latency_s=metrics.latency_p50_s,
        cost_usd=metrics.cost_usd,
        energy_j=metrics.energy_j,
        resources={
            "parameters": metrics.parameters,
            "flops": metrics.flops,
            "peak_mem_bytes": metrics.peak_mem_bytes,
            "device": metrics.device,
            "energy_method": metrics.energy_method,
        },
        policy_flags=manifest.purposes,
        dataset_digest=contender.report.digest,
        artifact_digest=contender.model.weights.digest,
        run_id=contender.run_id,
        verdict_id=verdict.verdict_id,
    )


async def evaluate(run_id: str, deps: Deps) -> Verdict:
    """Judge an ended run's model and keep the verdict."""
    contender = await contender_of(run_id, deps)
    verdict = await verdict_on(contender, deps)
    await deps.catalogue.write_verdict(run_id, contender.payload.request.pac_id, verdict)
    return verdict


async def promote(run_id: str, deps: Deps) -> tuple[str, int]:
    """The PAC and the version that an ended run's newest verdict allows; a verdict promotes once.

    Raises:
        FailedPrecondition: the run has not ended, or has no model or no verdict.
        PermissionDenied: the verdict denies, or is not valid any more.
    """
    contender = await contender_of(run_id, deps)
    verdict = await deps.catalogue.newest_verdict(run_id)
    if verdict is None:
        raise FailedPrecondition(f"no verdict on run {run_id!r} yet; evaluate_policy gives one")
    draft = await draft_version(contender, verdict, deps)
    return draft.pac_id, await deps.catalogue.write_version_once(draft)
