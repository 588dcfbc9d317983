"""Versions of capability vectors: rows into types and back, and their seals."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bridge.contract.capability import Neighbour, VcvDraft, VcvEntry
from bridge.policy.seal import Seal, unsigned
from bridge.runs.kinds import Deps
from bridge.store.database import Connection, jsonb
from bridge.store.statements import Statements
from cerebros.errors import NotFound, PermissionDenied

SQL = Path(__file__).with_name("capability.sql")


class CapabilityRows:
    """All statements about capability vectors."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._sql = Statements(deps.database, SQL)

    async def lock_pac(self, connection: Connection, pac_id: str) -> None:
        """Let nobody else write versions of the PAC until the transaction ends."""
        await self._sql.rows_on(connection, "lock_pac", pac_id=pac_id)

    async def insert_vcv(self, connection: Connection, draft: VcvDraft) -> VcvEntry:
        """Write the PAC's next version, under a lock of the caller's, and return it.

        It is signed as the database gives it back: by then its numbers have the width of their columns.
        """
        parameters = msgspec.structs.asdict(draft) | {
            "capability": list(draft.capability),
            "skills": list(draft.skills),
            "resources": jsonb(draft.resources),
            "policy_flags": list(draft.policy_flags),
        }
        (row,) = await self._sql.rows_on(connection, "insert_vcv", **parameters)
        (entry,) = await self.vcv_rows(draft.pac_id, row["version"], 1, connection)
        signed = self._deps.one(Seal.of).sign(entry)
        await self._sql.rows_on(
            connection, "sign_vcv", pac_id=entry.pac_id, version=entry.version, signature=signed.signature
        )
        return signed

    async def written_version(self, connection: Connection, pac_id: str, version: int) -> VcvEntry:
        """Return a version, as it was written.

        Raises:
            NotFound: there is none.
            PermissionDenied: it was edited, or written without the seal of this home.
        """
        entries = await self.vcv_rows(pac_id, version, 1, connection)
        if not entries:
            raise no_version(pac_id, version)
        (entry,) = entries
        if not self._deps.one(Seal.of).signed(entry):
            raise PermissionDenied(
                f"version {version} of PAC {pac_id!r} {unsigned(entry)}; "
                f"call evaluate_policy and then promote for the run it names, {entry.run_id!r}"
            )
        return entry

    async def version_of_verdict(self, connection: Connection, draft: VcvDraft) -> VcvEntry | None:
        """Return the version that was written under the draft's verdict, None where there is none yet."""
        return await self._written("version_of_verdict", connection, draft)

    async def version_of_rollback(self, connection: Connection, draft: VcvDraft) -> VcvEntry | None:
        """Return the PAC's newest version if it is this rollback already."""
        return await self._written("version_of_rollback", connection, draft)

    async def _written(self, statement: str, connection: Connection, draft: VcvDraft) -> VcvEntry | None:
        marks = msgspec.structs.asdict(draft) | {"policy_flags": list(draft.policy_flags)}
        found = await self._sql.rows_on(connection, statement, **marks)
        return await self.written_version(connection, draft.pac_id, found[0]["version"]) if found else None

    async def vcv_rows(
        self, pac_id: str | None, version: int | None, limit: int, connection: Connection | None = None
    ) -> tuple[VcvEntry, ...]:
        rows = await self._sql.rows_on(connection, "vcv_rows", pac_id=pac_id, version=version, limit=limit)
        return tuple(msgspec.convert(row, VcvEntry) for row in rows)

    async def nearest_vcv(self, pac_id: str, limit: int) -> tuple[Neighbour, ...]:
        rows = await self._sql.rows("nearest_vcv", pac_id=pac_id, limit=limit)
        return tuple(Neighbour(distance=row.pop("distance"), entry=msgspec.convert(row, VcvEntry)) for row in rows)


def no_version(pac_id: str, version: int | None) -> NotFound:
    """Return the error for a PAC without this version, or without any."""
    wanted = "capability vector" if version is None else f"version {version}"
    return NotFound(f"PAC {pac_id!r} has no {wanted}; a training cycle that is promoted writes one")
