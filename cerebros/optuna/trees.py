"""Conversion between trees and Optuna trials: every site of a tree is one parameter of a trial.

Parameters that we write are named by key and position:
`net/stage/cell.width@0.2` is for the third cell of the first stage. A number
of a list is written as its place there. Studies that others wrote are read as
well: a parameter of the root may have its own name, `lr`, and a number of a
list may be the number itself, in any distribution.

This module imports Optuna: install the extra `optuna`.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from cerebros.errors import SpaceRejected
from cerebros.search.objectives import Objective
from cerebros.search.observations import Observation
from cerebros.space.rose_tree import Choice, Float, Int, Ordered, Param, Space, Tree, Value

_Native = int | float | str | bool | None  # None to Optuna only: no option of a space is None


def parameter_name(key: str, position: tuple[int, ...]) -> str:
    """Return the name of a site's parameter in an Optuna trial."""
    return f"{key}@{'.'.join(map(str, position))}" if position else key


def distribution(rule: Param) -> BaseDistribution:
    """Return Optuna's distribution for a rule."""
    match rule:
        case Float(low, high, log):
            return FloatDistribution(low, high, log=log)
        case Int(low, high, log):
            return IntDistribution(low, high, log=log)
        case Ordered(values):
            return IntDistribution(0, len(values) - 1)
        case Choice(options):
            return CategoricalDistribution(_labels(options))


def suggested(trial: optuna.Trial, space: Space) -> Tree:
    """Grow a tree of the space from a trial's suggestions, one per decision."""

    def decide(key: str, rule: Param, position: tuple[int, ...]) -> Value:
        name = parameter_name(key, position)
        match rule:
            case Float(low, high, log):
                return trial.suggest_float(name, low, high, log=log)
            case Int(low, high, log):
                return trial.suggest_int(name, low, high, log=log)
            case Ordered(values):
                return values[trial.suggest_int(name, 0, len(values) - 1)]
            case Choice(options):
                labels = _labels(options)
                return options[labels.index(trial.suggest_categorical(name, labels))]

    return space.grow(decide)


def parameters(space: Space, tree: Tree) -> dict[str, _Native]:
    """Return a tree's decisions as parameters of a trial, by name.

    Raises:
        SpaceRejected: the tree does not belong to the space.
    """
    return {parameter_name(d.key, d.position): _native(d.param, d.value) for d in space.decisions(tree)}


def tree_from(space: Space, trial: FrozenTrial) -> Tree:
    """Return the tree of a trial's parameters.

    Raises:
        SpaceRejected: a parameter is missing, outside its rule, or unknown to the space.
    """
    unread = dict(trial.params)

    def decide(key: str, rule: Param, position: tuple[int, ...]) -> Value:
        path = parameter_name(key, position)
        name = path if path in unread else path.removeprefix(f"{space.root}.")
        if name not in unread:
            raise SpaceRejected(
                f"trial {trial.number} has no parameter {name!r}, only {', '.join(trial.params) or 'none'}; "
                "import a study that asks for all that the space decides"
            )
        value = _value(rule, unread[name], trial.distributions[name])
        if value is None:
            raise SpaceRejected(
                f"trial {trial.number} has {name} = {unread[name]!r}, outside {rule}; "
                "widen the space, or import a study that keeps to it"
            )
        del unread[name]
        return value

    tree = space.grow(decide)
    if unread:
        raise SpaceRejected(
            f"trial {trial.number} has {', '.join(unread)}, which the space does not decide; add it to the space"
        )
    return tree


def frozen_trial(
    space: Space, tree: Tree, values: Sequence[float] | None, state: TrialState | None = None, **told: Any
) -> FrozenTrial:
    """Return an ended trial in Optuna's form; without a state, one that has no values has failed.

    Args:
        values: (n_objectives,) in the study's directions.
        told: what else Optuna's `create_trial` takes: `user_attrs`, `intermediate_values`, `constraints`.

    Raises:
        SpaceRejected: the tree does not belong to the space.
    """
    rules = {parameter_name(d.key, d.position): distribution(d.param) for d in space.decisions(tree)}
    state = state or (TrialState.FAIL if values is None else TrialState.COMPLETE)
    return create_trial(state=state, params=parameters(space, tree), distributions=rules, values=values, **told)


def export_study(
    trials: Iterable[FrozenTrial], objectives: Sequence[Objective], name: str, storage: str | None = None
) -> Study:
    """Write a run as an Optuna study, which Optuna's dashboard and samplers can read.

    The study's values have the objectives' names and directions.

    Args:
        trials: ended trials in order.
        name: name of the study.
        storage: Optuna's URL of a database; the study stays in memory when None.

    Raises:
        optuna.exceptions.DuplicatedStudyError: the storage has a study of this name.
    """
    directions = [StudyDirection.MAXIMIZE if one.maximise else StudyDirection.MINIMIZE for one in objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([one.name for one in objectives])
    study.add_trials(trials)
    return study


def import_study(space: Space, study: Study) -> list[Observation]:
    """Read a study's ended trials, in order, to tell them to a sampler as a warm start.

    Maximised values change sign. A trial that failed, was pruned or has an
    infinite value has no losses; it is left out if parameters are missing too.

    Raises:
        SpaceRejected: a trial with losses is not a tree of this space.
    """
    seen = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)):
        losses = _losses(trial, study.directions)
        try:
            seen.append(Observation(tree_from(space, trial), losses))
        except SpaceRejected:
            if losses is not None:
                raise
    return seen


def _losses(trial: FrozenTrial, directions: Sequence[StudyDirection]) -> tuple[float, ...] | None:
    if trial.state is not TrialState.COMPLETE or not all(map(math.isfinite, trial.values)):
        return None
    signs = [-1.0 if direction is StudyDirection.MAXIMIZE else 1.0 for direction in directions]
    return tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))


def _labels(options: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return options that Optuna can tell apart: it compares by ==, under which True is 1."""
    return options if len(set(options)) == len(options) else tuple(map(repr, options))


def _native(rule: Param, value: Value) -> _Native:
    match rule:
        case Ordered(values):
            return values.index(float(value))
        case Choice(options):
            return _labels(options)[[(type(o), o) for o in options].index((type(value), value))]
        case _:
            return value


def _value(rule: Param, native: _Native, over: BaseDistribution) -> Value | None:
    """Convert a trial's parameter to a value of a rule; None where the rule does not allow it."""
    if isinstance(rule, Choice):
        labels = _labels(rule.options)
        return rule.options[labels.index(native)] if native in labels else None
    if isinstance(native, bool | str | None):
        return None
    match rule:
        case Ordered(values) if over == distribution(rule):
            return values[int(native)]
        case Ordered(values):
            # The same steps added up in another way end in other digits.
            tolerance = 1e-12 * max(abs(values[0]), abs(values[-1]))
            place = bisect_left(values, native - tolerance)
            return values[place] if place < len(values) and values[place] <= native + tolerance else None
        case Int(low, high):
            return int(native) if low <= native <= high and native == int(native) else None
        case Float(low, high):
            return float(native) if low <= native <= high else None
