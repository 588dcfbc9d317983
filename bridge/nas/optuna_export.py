"""A run as an Optuna study, for Optuna's dashboard, plots and samplers. Needs the extra `optuna`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from optuna.exceptions import DuplicatedStudyError

from bridge.api.procedures import Bridge, call
from bridge.nas.search import SPACE, figures, in_space
from cerebros.errors import AlreadyExists
from cerebros.optuna.trees import export_study
from cerebros.search.motpe import Observation
from cerebros.search.objectives import objectives_named


async def export_trials(bridge: Bridge, run_id: str, file: Path) -> None:
    """Write a run's trials with their losses as a study named after the run, into an SQLite file.

    Raises:
        NotFound: there is no such run.
        AlreadyExists: the file holds a study of this run.
    """
    await call(bridge, "get_run", {"run_id": run_id})
    objectives = objectives_named((await bridge.runs.payload_of(run_id)).goals.names)
    seen = [
        Observation(tree, figures(trial, objectives)) for tree, trial in in_space(await bridge.runs.trials_of(run_id))
    ]
    try:
        await asyncio.to_thread(export_study, SPACE, seen, len(objectives), run_id, f"sqlite:///{file}")
    except DuplicatedStudyError:
        raise AlreadyExists(f"{file} holds a study of run {run_id!r}; choose another file") from None
