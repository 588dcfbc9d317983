"""From a scored model to a capability vector: the verdict on it allows it, and the PAC gets its next version.

A cycle does this in its last stage; `promote` does it for a run that has
ended: a search alone, or a cycle whose verdict expired.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.capability.rows import CapabilityRows
from bridge.capability.work import EMBED, EmbedJob
from bridge.contract.capability import VcvDraft
from bridge.contract.policy import Contender, Verdict
from bridge.policy.rows import VerdictRows
from bridge.policy.seal import Seal
from bridge.policy.verdicts import VERDICT, contender_of, ended_contender
from bridge.runs.claims import Step
from bridge.runs.kinds import ClaimedRun, Deps, Done, Stage
from cerebros.errors import FailedPrecondition, PermissionDenied
from telemetry.events import PromotionStop


async def draft_version(contender: Contender, verdict: Verdict, deps: Deps) -> VcvDraft:
    """The PAC's next capability vector, from measured figures only.

    Raises:
        PermissionDenied: the verdict denies, or is not valid any more.
    """
    _require_allowed(verdict, deps)
    # Raises when the bytes are not those the verdict judged.
    await deps.artifacts.require_sound(verdict.artifact_digest)
    embedded = await deps.jobs.run(EMBED, EmbedJob(contender.task))
    metrics = contender.metrics
    return VcvDraft(
        pac_id=contender.pac_id,
        task=contender.task,
        capability=embedded.vector,
        skills=contender.skills,
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
        policy_flags=contender.purposes,
        dataset_digest=contender.report.digest,
        artifact_digest=contender.artifact_digest,
        run_id=contender.run_id,
        verdict_id=verdict.verdict_id,
    )


def _require_allowed(verdict: Verdict, deps: Deps) -> None:
    if verdict.decision == "deny":
        raise PermissionDenied(f"policy denies the promotion: {'; '.join(verdict.reasons)}")
    if not deps.one(Seal.of).holds(verdict, datetime.now(UTC)):
        raise PermissionDenied(
            f"verdict {verdict.verdict_id[:12]} is not valid any more (expired {verdict.expires_at.isoformat()}); "
            "evaluate_policy gives a new one"
        )


async def _draft(run: ClaimedRun[object], deps: Deps) -> Done[VcvDraft]:
    return Done(await draft_version(contender_of(run), run[VERDICT], deps))


async def _record_version(_run: ClaimedRun[object], draft: VcvDraft, step: Step, deps: Deps) -> None:
    version = await CapabilityRows(deps).insert_vcv(step.connection, draft)
    await step.note_promotion(version)
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


# Writes the PAC's next version; raises PermissionDenied where the verdict denies, or is not valid any more.
PROMOTE = Stage("promote", VcvDraft, _draft, _record_version)


async def promote_ended(run_id: str, deps: Deps) -> tuple[str, int]:
    """The PAC and the version that an ended run's newest verdict allows; a verdict promotes once.

    Raises:
        FailedPrecondition: the run has not ended, or has no model or no verdict.
        PermissionDenied: the verdict denies, or is not valid any more.
    """
    contender = await ended_contender(run_id, deps)
    verdict = await VerdictRows(deps).newest_verdict(run_id)
    if verdict is None:
        raise FailedPrecondition(f"no verdict on run {run_id!r} yet; evaluate_policy gives one")
    draft = await draft_version(contender, verdict, deps)
    version = await CapabilityRows(deps).write_version_once(draft)
    await deps.runs.note_promotion(run_id, version)
    return draft.pac_id, version
