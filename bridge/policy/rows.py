"""Signed verdicts: rows into types and back."""

from __future__ import annotations

from pathlib import Path

import msgspec
from psycopg.rows import DictRow

from bridge.contract.policy import Verdict
from bridge.runs.kinds import Deps
from bridge.store.database import Connection, jsonb
from bridge.store.statements import Statements
from cerebros.errors import NotFound, PermissionDenied

SQL = Path(__file__).with_name("policy.sql")


class VerdictRows:
    """All statements about verdicts."""

    def __init__(self, deps: Deps) -> None:
        self._sql = Statements(deps.database, SQL)

    async def insert_verdict(self, connection: Connection, verdict: Verdict) -> None:
        await self._sql.rows_on(
            connection,
            "insert_verdict",
            verdict_id=verdict.verdict_id,
            run_id=verdict.run_id,
            pac_id=verdict.pac_id,
            decision=verdict.decision,
            verdict=jsonb(verdict),
            artifact_digest=verdict.artifact_digest,
            issued_at=verdict.issued_at,
            expires_at=verdict.expires_at,
        )

    async def newest_verdict(self, connection: Connection, run_id: str) -> Verdict | None:
        """Return the last verdict on a run; raises as `verdict_by_id`."""
        rows = await self._sql.rows_on(connection, "newest_verdict", run_id=run_id)
        return _verdict(rows[0]) if rows else None

    async def verdict_by_id(self, connection: Connection, verdict_id: str) -> Verdict:
        """Return a verdict.

        Raises:
            NotFound: there is none of this id.
            PermissionDenied: its row was edited: it is no verdict, or its columns tell something else than it does.
        """
        rows = await self._sql.rows_on(connection, "verdict_by_id", verdict_id=verdict_id)
        if not rows:
            raise NotFound(f"verdict {verdict_id!r} does not exist")
        return _verdict(rows[0])


def _verdict(row: DictRow) -> Verdict:
    name, stored = f"the stored verdict {row['verdict_id'][:12]} on run {row['run_id']!r}", row.pop("verdict")
    try:
        verdict = msgspec.convert(stored, Verdict)
    except msgspec.ValidationError as problem:
        raise PermissionDenied(f"{name} was edited: {problem}; evaluate_policy gives a new one") from None
    if edited := [column for column, value in row.items() if getattr(verdict, column) != value]:
        raise PermissionDenied(
            f"{name} was edited: it tells another {', '.join(edited)} than its row; evaluate_policy gives a new one"
        )
    return verdict
