"""Figures about the service as a whole, counted in the database."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bridge.runs.kinds import Deps
from bridge.store.statements import Statements
from cerebros.gate import GateFigures
from telemetry.figures import Figures, Occupation, RunFigure, TrialFigure, VcvFigure

SQL = Path(__file__).with_name("operator.sql")


class OperatorRows:
    """All statements that count rows for operators."""

    def __init__(self, deps: Deps) -> None:
        self._sql = Statements(deps.database, SQL)

    async def occupation(self) -> Occupation:
        return msgspec.convert(await self._sql.row("occupation"), Occupation)

    async def seen_lately(self, worker_id: str | None) -> bool:
        row = await self._sql.row("seen_lately", worker_id=worker_id)
        return row is not None and bool(row["seen"])

    async def pac_is_known(self, pac_id: str) -> bool:
        """Return True if the PAC ever had a run, or has a capability vector."""
        return await self._sql.row("known_pac", pac_id=pac_id) is not None

    async def gate_figures(self, pac_id: str | None) -> GateFigures:
        return msgspec.convert(await self._sql.row("gate_figures", pac_id=pac_id), GateFigures)

    async def figures(self) -> Figures:
        """Count the figures that Prometheus scrapes."""
        rows = self._sql.rows
        return Figures(
            occupation=await self.occupation(),
            runs=tuple(RunFigure(**row) for row in await rows("run_figures")),
            trials=tuple(TrialFigure(**row) for row in await rows("trial_figures")),
            vcv=msgspec.convert(await self._sql.row("vcv_figures"), VcvFigure),
            gate=await self.gate_figures(None),
        )
