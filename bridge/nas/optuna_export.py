"""A run as an Optuna study, for Optuna's dashboard, plots and samplers. Needs the extra `optuna`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from optuna.exceptions import DuplicatedStudyError

from bridge.nas.search import earlier_search
from bridge.nas.shortlist import SPACE, figures, in_space
from bridge.runs.kinds import Deps
from cerebros.errors import AlreadyExists
from cerebros.optuna.trees import export_study
from cerebros.search.observations import Observation


async def export_trials(deps: Deps, run_id: str, file: Path) -> None:
    """Write a run's trials with their losses as a study named after the run, into an SQLite file.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: the run is no architecture search.
        AlreadyExists: the file holds a study of this run.
    """
    objectives = (await earlier_search(run_id, deps)).objectives
    trials = await deps.trials.trials_of(run_id)
    seen = [Observation(tree, figures(trial, objectives)) for tree, trial in in_space(trials)]
    try:
        await asyncio.to_thread(export_study, SPACE, seen, len(objectives), run_id, f"sqlite:///{file}")
    except DuplicatedStudyError:
        raise AlreadyExists(f"the file holds a study of run {run_id!r}; choose another file") from None
