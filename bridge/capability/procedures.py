"""Procedures about capability vectors."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from bridge.capability.promotion import promote_ended
from bridge.capability.rows import CapabilityRows
from bridge.contract.capability import (
    GetCapability,
    ListCapabilities,
    NearestCapabilities,
    NeighbourList,
    Promote,
    Rollback,
    VcvDraft,
    VcvEntry,
    VcvList,
)
from bridge.contract.procedure import Caller, Procedure
from bridge.policy.rows import VerdictRows
from bridge.policy.seal import Seal
from bridge.runs.kinds import Deps
from cerebros.errors import NotFound, PermissionDenied


async def get_capability(deps: Deps, _caller: Caller, request: GetCapability) -> VcvEntry:
    """The PAC's current version (the newest), or the one asked for."""
    return await _version(deps, request.pac_id, request.version)


async def _version(deps: Deps, pac_id: str, version: int | None = None) -> VcvEntry:
    entries = await CapabilityRows(deps).vcv_rows(pac_id, version, limit=1)
    if not entries:
        wanted = "capability vector" if version is None else f"version {version}"
        raise NotFound(f"PAC {pac_id!r} has no {wanted}; a training cycle that is promoted writes one")
    return entries[0]


async def list_capabilities(deps: Deps, _caller: Caller, request: ListCapabilities) -> VcvList:
    return VcvList(entries=await CapabilityRows(deps).vcv_rows(request.pac_id, None, request.limit))


async def nearest_capabilities(deps: Deps, _caller: Caller, request: NearestCapabilities) -> NeighbourList:
    await _version(deps, request.pac_id)
    return NeighbourList(neighbours=await CapabilityRows(deps).nearest_vcv(request.pac_id, request.limit))


async def rollback(deps: Deps, _caller: Caller, request: Rollback) -> VcvEntry:
    """Write an earlier version again as the newest; the same request sent twice writes it once.

    Raises:
        PermissionDenied: its verdict has expired or does not allow.
    """
    earlier = await _version(deps, request.pac_id, request.version)
    verdict = await VerdictRows(deps).verdict_by_id(earlier.verdict_id)
    if verdict.decision != "allow" or not deps.one(Seal.of).holds(verdict, datetime.now(UTC)):
        raise PermissionDenied(
            f"version {request.version} of PAC {request.pac_id!r} rests on verdict {verdict.verdict_id[:12]}, "
            f"which is not valid any more (expired {verdict.expires_at.isoformat()}); "
            f"call evaluate_policy and then promote for its run {earlier.run_id!r}"
        )
    await deps.artifacts.require_sound(earlier.artifact_digest)
    draft = VcvDraft(**{name: getattr(earlier, name) for name in VcvDraft.__struct_fields__})
    version = await CapabilityRows(deps).write_rollback_once(
        msgspec.structs.replace(
            draft,
            rolled_back_from=request.version,
            policy_flags=(*draft.policy_flags, f"rollback: {request.reason}"),
        )
    )
    return await _version(deps, request.pac_id, version)


async def promote(deps: Deps, _caller: Caller, request: Promote) -> VcvEntry:
    return await _version(deps, *await promote_ended(request.run_id, deps))


GET_CAPABILITY = Procedure(
    "get_capability", GetCapability, VcvEntry, "capability:read", get_capability, noun="capability_vector"
)
LIST_CAPABILITIES = Procedure(
    "list_capabilities", ListCapabilities, VcvList, "capability:read", list_capabilities, noun="vcv_entries"
)

PROCEDURES = (
    GET_CAPABILITY,
    LIST_CAPABILITIES,
    Procedure("nearest_capabilities", NearestCapabilities, NeighbourList, "capability:read", nearest_capabilities),
    Procedure("rollback", Rollback, VcvEntry, "capability:rollback", rollback),
    Procedure("promote", Promote, VcvEntry, "capability:promote", promote),
)
