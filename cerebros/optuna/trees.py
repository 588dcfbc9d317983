"""Trees as Optuna trials and back: every site of a tree is one parameter of a trial.

What we write is named by key and position, `net/stage/cell.width@0.2` for the
third cell of the first stage, and a number of a list is its place there. What
others wrote is read as well: a parameter of the root may go by its own name,
`lr`, and a number of a list may be that number, by whatever distribution.
Optuna is imported with this module: install the extra `optuna`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from cerebros.errors import SpaceRejected
from cerebros.search.observations import Observation
from cerebros.space.rose_tree import Choice, Float, Int, Ordered, Param, Space, Tree, Value

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
    """A tree's decisions as parameters of a trial.

    Raises:
        SpaceRejected: the tree does not belong to the space.
    """
    return {parameter_name(d.key, d.position): _native(d.param, d.value) for d in space.decisions(tree)}


def tree_from(space: Space, trial: FrozenTrial) -> Tree:
    """The tree of a trial's parameters.

    Raises:
        SpaceRejected: a parameter is missing, outside its rule, or none of the space's.
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

    A trial that failed, was pruned or came to an infinite value has no losses.
    Where it has not asked for all its parameters either, it is left out.

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


def _value(rule: Param, native: _Native, over: BaseDistribution) -> Value | None:
    """A parameter under a rule of ours, None where the rule does not allow it."""
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
