"""Procedures about architecture searches alone."""

from __future__ import annotations

from bridge.contract.nas import GetShortlist, Shortlist
from bridge.contract.procedure import Caller, Procedure
from bridge.nas.rows import SearchRows
from bridge.runs.kinds import Deps


async def shortlist(deps: Deps, _caller: Caller, request: GetShortlist) -> Shortlist:
    await deps.runs.run_state(request.run_id)
    return await SearchRows(deps).shortlist_of(request.run_id)


PROCEDURES = (Procedure("shortlist", GetShortlist, Shortlist, "run:read", shortlist),)
