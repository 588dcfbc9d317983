"""Datasets that passed a check: rows into types and back."""

from __future__ import annotations

from pathlib import Path

from bridge.contract.datasets import Dataset
from bridge.runs.kinds import Deps
from bridge.store.database import jsonb
from bridge.store.statements import Statements
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest

SQL = Path(__file__).with_name("datasets.sql")


class DatasetRows:
    """All statements about datasets."""

    def __init__(self, deps: Deps) -> None:
        self._sql = Statements(deps.database, SQL)

    async def upsert_dataset(self, manifest: Manifest, report: DatasetReport) -> None:
        await self._sql.rows(
            "upsert_dataset",
            digest=report.digest,
            name=manifest.name,
            manifest=jsonb(manifest),
            report=jsonb(report),
        )

    async def dataset_rows(self, limit: int) -> tuple[Dataset, ...]:
        return tuple(Dataset(**row) for row in await self._sql.rows("dataset_rows", limit=limit))
