"""Signed verdicts: rows into types and back."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bridge.contract.policy import Verdict
from bridge.runs.kinds import Deps
from bridge.store.database import Connection, jsonb
from bridge.store.statements import Statements
from cerebros.errors import NotFound

SQL = Path(__file__).with_name("policy.sql")


class VerdictRows:
    """All statements about verdicts."""

    def __init__(self, deps: Deps) -> None:
        self._database = deps.database
        self._sql = Statements(deps.database, SQL)

    async def insert_verdict(self, connection: Connection, run_id: str, pac_id: str, verdict: Verdict) -> None:
        await self._sql.rows_on(
            connection,
            "insert_verdict",
            verdict_id=verdict.verdict_id,
            run_id=run_id,
            pac_id=pac_id,
            decision=verdict.decision,
            verdict=jsonb(verdict),
            artifact_digest=verdict.artifact_digest,
            issued_at=verdict.issued_at,
            expires_at=verdict.expires_at,
        )

    async def write_verdict(self, run_id: str, pac_id: str, verdict: Verdict) -> None:
        """`insert_verdict` in a transaction of its own."""
        async with self._database.transaction() as connection:
            await self.insert_verdict(connection, run_id, pac_id, verdict)

    async def newest_verdict(self, run_id: str) -> Verdict | None:
        row = await self._sql.row("newest_verdict", run_id=run_id)
        return None if row is None else msgspec.convert(row["verdict"], Verdict)

    async def verdict_by_id(self, verdict_id: str) -> Verdict:
        row = await self._sql.row("verdict_by_id", verdict_id=verdict_id)
        if row is None:
            raise NotFound(f"verdict {verdict_id!r} does not exist")
        return msgspec.convert(row["verdict"], Verdict)
