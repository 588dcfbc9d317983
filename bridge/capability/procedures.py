"""Procedures about capability vectors."""

from __future__ import annotations

from bridge.capability.promotion import promote_ended, roll_back
from bridge.capability.rows import CapabilityRows, no_version
from bridge.contract.capability import (
    GetCapability,
    ListCapabilities,
    NearestCapabilities,
    NeighbourList,
    Promote,
    Rollback,
    VcvEntry,
    VcvList,
)
from bridge.contract.procedure import Caller, Procedure
from bridge.runs.kinds import Deps


async def get_capability(deps: Deps, _caller: Caller, request: GetCapability) -> VcvEntry:
    """The PAC's current version (the newest), or the one asked for."""
    return await _version(deps, request.pac_id, request.version)


async def _version(deps: Deps, pac_id: str, version: int | None = None) -> VcvEntry:
    entries = await CapabilityRows(deps).vcv_rows(pac_id, version, limit=1)
    if not entries:
        raise no_version(pac_id, version)
    return entries[0]


async def list_capabilities(deps: Deps, _caller: Caller, request: ListCapabilities) -> VcvList:
    return VcvList(entries=await CapabilityRows(deps).vcv_rows(request.pac_id, None, request.limit))


async def nearest_capabilities(deps: Deps, _caller: Caller, request: NearestCapabilities) -> NeighbourList:
    await _version(deps, request.pac_id)
    return NeighbourList(neighbours=await CapabilityRows(deps).nearest_vcv(request.pac_id, request.limit))


async def rollback(deps: Deps, _caller: Caller, request: Rollback) -> VcvEntry:
    return await roll_back(request, deps)


async def promote(deps: Deps, _caller: Caller, request: Promote) -> VcvEntry:
    return await promote_ended(request.run_id, deps)


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
