"""A run as an Optuna study, for Optuna's dashboard, plots and samplers. Needs the extra `optuna`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from optuna.exceptions import DuplicatedStudyError
from optuna.trial import FrozenTrial, TrialState

from bridge.contract.runs import Trial
from bridge.nas.search import earlier_search
from bridge.nas.shortlist import SPACE, in_space
from bridge.runs.kinds import Deps
from cerebros.errors import AlreadyExists
from cerebros.optuna.trees import export_study, frozen_trial
from cerebros.search.objectives import ObjectiveSet, objectives_named
from cerebros.space.rose_tree import Tree

_STATES = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


async def export_trials(deps: Deps, run_id: str, file: Path) -> None:
    """Write a run's trials as a study named after the run, into an SQLite file.

    A trial has its figures as values, under the objectives' names and directions; its losses after each
    epoch as intermediate values; the run's hard limits as constraints; and all else as attributes.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: the run is no architecture search.
        AlreadyExists: the file holds a study of this run.
    """
    goals = (await earlier_search(run_id, deps)).goals
    trials = [_exported(tree, trial, goals) for tree, trial in in_space(await deps.trials.trials_of(run_id))]
    objectives = objectives_named(goals.names)
    try:
        await asyncio.to_thread(export_study, trials, objectives, run_id, f"sqlite:///{file}")
    except DuplicatedStudyError:
        raise AlreadyExists(f"the file holds a study of run {run_id!r}; choose another file") from None


def _exported(tree: Tree, trial: Trial, goals: ObjectiveSet) -> FrozenTrial:
    state = _STATES.get(trial.outcome, TrialState.FAIL)
    measured = trial.metrics is not None and state is TrialState.COMPLETE
    return frozen_trial(
        SPACE,
        tree,
        goals.figures(trial.metrics) if measured and trial.metrics else None,
        state,
        user_attrs=_attributes(trial),
        intermediate_values=dict(enumerate(trial.curve, start=1)),
        constraints=goals.excesses(trial.metrics) if measured and trial.metrics else None,
    )


def _attributes(trial: Trial) -> dict[str, Any]:
    figures: dict[str, Any] = msgspec.to_builtins(trial)
    del figures["curve"]
    return figures | {"epochs": len(trial.curve)}
