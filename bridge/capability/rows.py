"""Versions of capability vectors: rows into types and back."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bridge.contract.capability import Neighbour, VcvDraft, VcvEntry
from bridge.runs.kinds import Deps
from bridge.store.database import Connection, jsonb
from bridge.store.statements import Statements

SQL = Path(__file__).with_name("capability.sql")


class CapabilityRows:
    """All statements about capability vectors."""

    def __init__(self, deps: Deps) -> None:
        self._database = deps.database
        self._sql = Statements(deps.database, SQL)

    async def insert_vcv(self, connection: Connection, draft: VcvDraft) -> int:
        """Write the PAC's next version and return its number."""
        await self._sql.rows_on(connection, "lock_pac", pac_id=draft.pac_id)
        parameters = msgspec.structs.asdict(draft) | {
            "capability": list(draft.capability),
            "skills": list(draft.skills),
            "resources": jsonb(draft.resources),
            "policy_flags": list(draft.policy_flags),
        }
        (row,) = await self._sql.rows_on(connection, "insert_vcv", **parameters)
        return int(row["version"])

    async def write_version_once(self, draft: VcvDraft) -> int:
        """Return the version that was written under the draft's verdict; write it first where there is none."""
        return await self._write_once(draft, "version_of_verdict", verdict_id=draft.verdict_id)

    async def write_rollback_once(self, draft: VcvDraft) -> int:
        """Return the PAC's newest version if it is this rollback already; else write the rollback and return it."""
        return await self._write_once(
            draft,
            "version_of_rollback",
            pac_id=draft.pac_id,
            rolled_back_from=draft.rolled_back_from,
            policy_flags=list(draft.policy_flags),
        )

    async def _write_once(self, draft: VcvDraft, written_as: str, **marks: object) -> int:
        """Return the version that the statement `written_as` finds, or write a new one and return it."""
        async with self._database.transaction() as connection:
            await self._sql.rows_on(connection, "lock_pac", pac_id=draft.pac_id)
            written = await self._sql.rows_on(connection, written_as, **marks)
            return int(written[0]["version"]) if written else await self.insert_vcv(connection, draft)

    async def vcv_rows(self, pac_id: str | None, version: int | None, limit: int) -> tuple[VcvEntry, ...]:
        rows = await self._sql.rows("vcv_rows", pac_id=pac_id, version=version, limit=limit)
        return tuple(msgspec.convert(row, VcvEntry) for row in rows)

    async def nearest_vcv(self, pac_id: str, limit: int) -> tuple[Neighbour, ...]:
        rows = await self._sql.rows("nearest_vcv", pac_id=pac_id, limit=limit)
        return tuple(Neighbour(distance=row.pop("distance"), entry=msgspec.convert(row, VcvEntry)) for row in rows)
