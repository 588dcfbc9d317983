"""Trees as Optuna trials and back: every site of a tree is one parameter of a trial.

A site's parameter is named by key and position, `net/stage/cell.width@0.2`
for the third cell of the first stage; a number of a list is its place there.
Optuna is imported with this module: install the extra `optuna`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from cerebros.errors import SpaceRejected
from cerebros.motpe import Observation
from cerebros.rose_tree import Choice, Float, Int, Ordered, Param, Space, Tree, Value

_Native = int | float | str | bool | None  # None to Optuna only: no option of a space is None


def parameter_name(key: str, position: tuple[int, ...]) -> str:
    return f"{key}@{'.'.join(map(str, position))}" if position else key


def distribution(rule: Param) -> BaseDistribution:
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
    """The tree that Optuna makes of this space by its define-by-run interface."""

    def decide(key: str, rule: Param, position: tuple[int, ...]) -> Value:
        name, over = parameter_name(key, position), distribution(rule)
        match over:
            case FloatDistribution():
                return trial.suggest_float(name, over.low, over.high, log=over.log)
            case IntDistribution():
                return _value(rule, trial.suggest_int(name, over.low, over.high, log=over.log))
            case CategoricalDistribution():
                return _value(rule, trial.suggest_categorical(name, over.choices))
        raise NotImplementedError(f"{name} has the distribution {over}, which no rule becomes")

    return space.grow(decide)


def parameters(space: Space, tree: Tree) -> dict[str, _Native]:
    """A tree's decisions as parameters of a trial.

    Raises:
        SpaceRejected: the tree does not belong to the space.
    """
    return {parameter_name(d.key, d.position): _native(d.param, d.value) for d in space.decisions(tree)}


def tree_from(space: Space, params: Mapping[str, _Native]) -> Tree:
    """The tree of a trial's parameters.

    Raises:
        SpaceRejected: a decision is missing or outside its rule.
    """

    def decide(key: str, rule: Param, position: tuple[int, ...]) -> Value:
        name = parameter_name(key, position)
        if name not in params:
            raise SpaceRejected(f"parameter {name!r} is missing; the trial has {', '.join(params) or 'none'}")
        return _value(rule, params[name])

    tree = space.grow(decide)
    for _ in space.decisions(tree):
        pass  # every value is checked as it is passed
    return tree


def frozen_trial(space: Space, tree: Tree, losses: Sequence[float] | None) -> FrozenTrial:
    """A finished trial as Optuna would remember it; one without losses has failed."""
    rules = {parameter_name(d.key, d.position): distribution(d.param) for d in space.decisions(tree)}
    state = TrialState.FAIL if losses is None else TrialState.COMPLETE
    return create_trial(state=state, params=parameters(space, tree), distributions=rules, values=losses)


def export_study(
    space: Space, observations: Iterable[Observation], n_objectives: int, name: str, storage: str | None = None
) -> Study:
    """A run as an Optuna study, which Optuna's dashboard and samplers can read; all losses are minimised.

    Args:
        storage: Optuna's URL of a database; in memory when None.

    Raises:
        optuna.exceptions.DuplicatedStudyError: the storage has a study of this name.
    """
    study = optuna.create_study(storage=storage, study_name=name, directions=["minimize"] * n_objectives)
    study.add_trials([frozen_trial(space, seen.tree, seen.losses) for seen in observations])
    return study


def import_study(space: Space, study: Study) -> list[Observation]:
    """A study's ended trials, in order, to be told to a sampler as a warm start; maximised values change sign.

    Raises:
        SpaceRejected: a trial is not a tree of this space.
    """
    signs = [-1.0 if direction is StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
    seen = []
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)):
        whole = trial.state is TrialState.COMPLETE
        losses = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True)) if whole else None
        if whole or trial.params:
            seen.append(Observation(tree_from(space, trial.params), losses))
    return seen


def _labels(options: tuple[Value, ...]) -> tuple[Value, ...]:
    """Options as Optuna can tell them apart: it compares by ==, where True is 1."""
    return options if len(set(options)) == len(options) else tuple(map(repr, options))


def _native(rule: Param, value: Value) -> _Native:
    match rule:
        case Ordered(values):
            return values.index(float(value))
        case Choice(options):
            return _labels(options)[[(type(o), o) for o in options].index((type(value), value))]
        case _:
            return value


def _value(rule: Param, native: _Native) -> Value:
    match rule:
        case Ordered(values):
            return values[int(native or 0)]
        case Choice(options):
            labels = _labels(options)
            if native not in labels:
                raise SpaceRejected(f"{native!r} is none of the options {options}")
            return options[labels.index(native)]
        case _:
            return native if native is not None else math.nan
