"""Datasets, artifacts, verdicts, capability vectors and the figures about all of it."""

from __future__ import annotations

import msgspec
from psycopg.rows import DictRow

from bridge.contract.replies import Artifact, Dataset, Neighbour, QueueStatus, VcvDraft, VcvEntry, Verdict
from bridge.store.database import Connection, Database, jsonb
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest
from cerebros.errors import NotFound
from cerebros.gate import GateFigures
from cerebros.metrics import Spent
from telemetry.figures import Figures, Occupation, RunFigure, TrialFigure, VcvFigure


class MeasuredRun(msgspec.Struct, frozen=True):
    """What a succeeded run took, and the epochs its trials, probes and refit were allowed."""

    epochs_allowed: int
    spent: Spent


class Catalogue:
    """All statements that are not about the course of a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert_dataset(self, manifest: Manifest, report: DatasetReport) -> None:
        await self._database.rows(
            "upsert_dataset",
            digest=report.digest,
            name=manifest.name,
            manifest=jsonb(manifest),
            report=jsonb(report),
        )

    async def queue_rows(self) -> tuple[QueueStatus, ...]:
        return tuple(QueueStatus(**row) for row in await self._database.rows("queue_rows"))

    async def dataset_rows(self, limit: int) -> tuple[Dataset, ...]:
        return tuple(Dataset(**row) for row in await self._database.rows("dataset_rows", limit=limit))

    async def insert_artifact(
        self, connection: Connection, run_id: str, kind: str, digest: str, size_bytes: int
    ) -> None:
        await self._database.rows_on(
            connection, "insert_artifact", run_id=run_id, kind=kind, digest=digest, bytes=size_bytes
        )

    async def artifact_rows(
        self, artifact_path: str, *, run_id: str | None = None, digest: str | None = None
    ) -> tuple[Artifact, ...]:
        rows = await self._database.rows("artifact_rows", run_id=run_id, digest=digest)
        return tuple(Artifact(**row, path=f"{artifact_path}/{row['digest']}") for row in rows)

    async def insert_verdict(self, connection: Connection, run_id: str, pac_id: str, verdict: Verdict) -> None:
        await self._database.rows_on(
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
        row = await self._database.row("newest_verdict", run_id=run_id)
        return None if row is None else msgspec.convert(row["verdict"], Verdict)

    async def verdict_by_id(self, verdict_id: str) -> Verdict:
        row = await self._database.row("verdict_by_id", verdict_id=verdict_id)
        if row is None:
            raise NotFound(f"verdict {verdict_id!r} does not exist")
        return msgspec.convert(row["verdict"], Verdict)

    async def insert_vcv(self, connection: Connection, draft: VcvDraft) -> int:
        """Write the PAC's next version and return its number."""
        await self._database.rows_on(connection, "lock_pac", pac_id=draft.pac_id)
        parameters = msgspec.structs.asdict(draft) | {
            "capability": list(draft.capability),
            "skills": list(draft.skills),
            "resources": jsonb(draft.resources),
            "policy_flags": list(draft.policy_flags),
        }
        (row,) = await self._database.rows_on(connection, "insert_vcv", **parameters)
        return int(row["version"])

    async def write_version_once(self, draft: VcvDraft) -> int:
        """The version that the draft's verdict has written, or now writes."""
        return await self._write_once(draft, "version_of_verdict", verdict_id=draft.verdict_id)

    async def write_rollback_once(self, draft: VcvDraft) -> int:
        """The PAC's newest version where it is this rollback already, or the one that is now written."""
        return await self._write_once(
            draft,
            "version_of_rollback",
            pac_id=draft.pac_id,
            rolled_back_from=draft.rolled_back_from,
            policy_flags=list(draft.policy_flags),
        )

    async def _write_once(self, draft: VcvDraft, written_as: str, **marks: object) -> int:
        """What the statement finds, or a new version."""
        async with self._database.transaction() as connection:
            await self._database.rows_on(connection, "lock_pac", pac_id=draft.pac_id)
            written = await self._database.rows_on(connection, written_as, **marks)
            return int(written[0]["version"]) if written else await self.insert_vcv(connection, draft)

    async def vcv_rows(self, pac_id: str | None, version: int | None, limit: int) -> tuple[VcvEntry, ...]:
        rows = await self._database.rows("vcv_rows", pac_id=pac_id, version=version, limit=limit)
        return tuple(_vcv(row) for row in rows)

    async def nearest_vcv(self, pac_id: str, limit: int) -> tuple[Neighbour, ...]:
        rows = await self._database.rows("nearest_vcv", pac_id=pac_id, limit=limit)
        return tuple(Neighbour(distance=row.pop("distance"), entry=_vcv(row)) for row in rows)

    async def measured_runs(self, dataset_digest: str, kind: str, limit: int) -> tuple[MeasuredRun, ...]:
        rows = await self._database.rows("measured_runs", dataset_digest=dataset_digest, kind=kind, limit=limit)
        return tuple(MeasuredRun(row.pop("epochs_allowed"), Spent(**row)) for row in rows)

    async def occupation(self) -> Occupation:
        row = await self._database.row("occupation")
        return msgspec.convert(row, Occupation)

    async def gate_figures(self, pac_id: str | None) -> GateFigures:
        row = await self._database.row("gate_figures", pac_id=pac_id)
        return msgspec.convert(row, GateFigures)

    async def figures(self) -> Figures:
        """What Prometheus scrapes, as the rows stand now."""
        rows = self._database.rows
        return Figures(
            occupation=await self.occupation(),
            runs=tuple(RunFigure(**row) for row in await rows("run_figures")),
            trials=tuple(TrialFigure(**row) for row in await rows("trial_figures")),
            vcv=msgspec.convert(await self._database.row("vcv_figures"), VcvFigure),
            gate=await self.gate_figures(None),
        )


def _vcv(row: DictRow) -> VcvEntry:
    return msgspec.convert(row, VcvEntry)
