"""From a scored model to a capability vector: the verdict on it allows it, and the PAC gets its next version.

A cycle does this in its last stage; `promote` does it for a run that has
ended: a search alone, or a cycle whose verdict expired; `roll_back` writes an
earlier version again.

All three compare the verdict with what is stored when they begin, and once
more in the transaction that writes: in between a model's files are read and a
text is embedded, which takes seconds.
"""

from __future__ import annotations

import msgspec

from bridge.capability.rows import CapabilityRows
from bridge.capability.work import EMBED, EmbedJob
from bridge.contract.capability import Rollback, VcvDraft, VcvEntry
from bridge.policy.verdicts import VERDICT, Allowed, allowed, require_ended
from bridge.runs.claims import Step
from bridge.runs.kinds import ClaimedRun, Deps, Done, Stage
from bridge.store.database import Connection
from cerebros.errors import FailedPrecondition, PermissionDenied
from telemetry.events import PromotionStop


def vcv_draft(allowed: Allowed, capability: tuple[float, ...]) -> VcvDraft:
    """The PAC's next capability vector, from measured figures only."""
    contender, verdict = allowed
    metrics = contender.metrics
    return VcvDraft(
        pac_id=contender.pac_id,
        task=contender.task,
        capability=capability,
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


async def draft_version(run_id: str, deps: Deps) -> VcvDraft:
    """Make the next version of a PAC from the model of its run.

    Raises:
        FailedPrecondition, PermissionDenied: as `allowed`, or a file of the model is not what was judged.
        NotFound: a file of the model is missing.
    """
    async with deps.database.transaction() as connection:
        model = await allowed(run_id, deps, connection)
    await _require_files(model, deps)
    embedded = await deps.jobs.run(EMBED, EmbedJob(model.contender.task))
    return vcv_draft(model, embedded.vector)


async def _require_files(model: Allowed, deps: Deps) -> None:
    """Refuse a model whose bytes are not those that the verdict is on."""
    for digest in (model.verdict.artifact_digest, model.verdict.description_digest):
        await deps.artifacts.require_sound(digest)


async def _require_still_allowed(draft: VcvDraft, deps: Deps, connection: Connection) -> None:
    """Refuse, in the transaction that writes it, a draft that would be another one by now.

    Raises:
        FailedPrecondition: another verdict was given in the meantime.
        PermissionDenied: as `allowed`.
    """
    if vcv_draft(await allowed(draft.run_id, deps, connection), draft.capability) != draft:
        raise FailedPrecondition(
            f"another verdict was given on run {draft.run_id!r} while it was being promoted; call promote again"
        )


async def _draft(run: ClaimedRun[object], deps: Deps) -> Done[VcvDraft]:
    draft = await draft_version(run.run_id, deps)
    if draft.verdict_id != run[VERDICT].verdict_id:
        raise PermissionDenied(
            f"the newest verdict on run {run.run_id!r} is {draft.verdict_id[:12]}, its stage gave "
            f"{run[VERDICT].verdict_id[:12]}; call evaluate_policy and then promote once it has ended"
        )
    return Done(draft)


async def _record_version(_run: ClaimedRun[object], draft: VcvDraft, step: Step, deps: Deps) -> None:
    rows = CapabilityRows(deps)
    await rows.lock_pac(step.connection, draft.pac_id)
    await _require_still_allowed(draft, deps, step.connection)
    version = (await rows.insert_vcv(step.connection, draft)).version
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


async def promote_ended(run_id: str, deps: Deps) -> VcvEntry:
    """Return the version that an ended run's newest verdict allows; a verdict promotes once.

    Raises:
        FailedPrecondition: the run has not ended, or has no model or no verdict.
        PermissionDenied: the verdict denies, is not valid any more, or is not on what is stored.
    """
    await require_ended(run_id, deps)
    draft, rows = await draft_version(run_id, deps), CapabilityRows(deps)
    async with deps.database.transaction() as connection:
        await rows.lock_pac(connection, draft.pac_id)
        await _require_still_allowed(draft, deps, connection)
        entry = await rows.version_of_verdict(connection, draft) or await rows.insert_vcv(connection, draft)
        await deps.runs.note_promotion(connection, run_id, entry.version)
    return entry


async def roll_back(request: Rollback, deps: Deps) -> VcvEntry:
    """Write an earlier version again as the newest; the same request sent twice writes it once.

    Raises:
        NotFound: there is no such version.
        PermissionDenied: it was edited, or its verdict does not allow it any more.
    """
    rows = CapabilityRows(deps)
    async with deps.database.transaction() as connection:
        _, model = await _version_allowed(request, deps, connection)
    await _require_files(model, deps)
    async with deps.database.transaction() as connection:
        await rows.lock_pac(connection, request.pac_id)
        earlier, _ = await _version_allowed(request, deps, connection)
        draft = VcvDraft(**{name: getattr(earlier, name) for name in VcvDraft.__struct_fields__})
        again = msgspec.structs.replace(
            draft,
            rolled_back_from=request.version,
            policy_flags=(*draft.policy_flags, f"rollback: {request.reason}"),
        )
        return await rows.version_of_rollback(connection, again) or await rows.insert_vcv(connection, again)


async def _version_allowed(request: Rollback, deps: Deps, connection: Connection) -> tuple[VcvEntry, Allowed]:
    """Return an earlier version as it was written, and its model under the verdict it was written under."""
    earlier = await CapabilityRows(deps).written_version(connection, request.pac_id, request.version)
    return earlier, await allowed(earlier.run_id, deps, connection, earlier.verdict_id)
