"""Whatever Optuna's own TPE completes, RoseTreeSampler completes: Issue 11, kind 17."""

import math
import warnings
from itertools import count

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState

from cerebros.optuna import ranges
from cerebros.optuna.sampler import RoseTreeSampler
from cerebros.space.rose_tree import Float, Int, draw_uniform
from cerebros.space.rules import allows

optuna.logging.set_verbosity(optuna.logging.ERROR)

NAN, INF = math.nan, math.inf
LOG = {"log": True}

# Of one parameter: how it is asked for.
ONE = {
    "int beyond 2^63": ("int", 0, 2**64),
    "int beyond 2^53": ("int", -1, 2**53 + 2),
    "int64": ("int", 0, 2**63 - 1),
    "both ends of int64": ("int", -(2**63), 2**63 - 1),
    "int of 65 digits": ("int", 1, math.factorial(50)),
    "huge int by steps": ("int", 0, 2**62, {"step": 7}),
    "narrow range of huge ints": ("int", 2**63, 2**63 + 4096),
    "int log": ("int", 1, 2**40, LOG),
    "huge int log": ("int", 1, 10**50, LOG),
    "float ±1e20": ("float", -1e20, 1e20),
    "float ±DBL_MAX": ("float", -1.79e308, 1.79e308),
    "float by huge steps": ("float", -1e300, 1e300, {"step": 1e297}),
    "float log to 1e17": ("float", 1.0, 1e17, LOG),
    "float log over everything": ("float", 5e-324, 1.79e308, LOG),
    "subnormal floats": ("float", 0.0, 1e-310),
    "steps of 0.1": ("float", 0.1, 99.9, {"step": 0.1}),
    "float of one value": ("float", 1e300, 1e300),
    "int of one value": ("int", 2**70, 2**70),
    "step beyond the range": ("float", 0.0, 1.0, {"step": 2.0}),
}
OPTIONS = {
    "mixed": ["a", None, True, 3],
    "nan": [NAN, 1.0, 2.0],
    "equal": [1, 1.0, True, 0, False],
    "lists": [[1, 2], [3], []],
    "one": ["only"],
    "thousands": list(range(5000)),
}
VALUES = {
    "huge": lambda x: 1.7e308 * (1 if x > 0.5 else -1),
    "infinite here and there": lambda x: INF if x < 0.5 else x,
    "infinite below": lambda x: -INF if x < 0.5 else x,
    "always infinite": lambda x: INF,
    "nan here and there": lambda x: NAN if x < 0.5 else x,
    "constant": lambda x: 4.2,
    "tiny": lambda x: 5e-324 * round(9 * x),
    "negative zero": lambda x: -0.0 if x < 0.5 else 0.0,
}


def asked(trial, name, kind, low, high, more=None):
    return getattr(trial, f"suggest_{kind}")(name, low, high, **(more or {}))


def size_of(number):
    return math.log1p(abs(number) / 2) if isinstance(number, float) else math.log1p(abs(number) // 2)


def conditional(trial):
    if trial.suggest_categorical("k", ["svm", "rf"]) == "svm":
        return trial.suggest_float("c", 1e-3, 1e3, log=True)
    return float(trial.suggest_int("depth", 1, 9))


def dynamic(trial):
    low = trial.suggest_int("s0", 1, 400)
    return abs(low - 6.0) + trial.suggest_int("s1", low, 400 + trial.number)


def odd_names(trial):
    names = ["", "a.b/c#d@1", "学习率 😀", "trial", "x\u0663", "x3", "w\n", "layer" + "9" * 5000, "\ud800"]
    return sum(trial.suggest_float(name, 0, 1) for name in names)


def pruned_and_failed(trial):
    x = trial.suggest_float("x", 0, 1)
    if trial.number % 3 == 1:
        raise optuna.TrialPruned
    if trial.number % 3 == 2:
        raise ValueError("of the objective's own")
    return x


TRIES = (
    {f"range: {name}": lambda trial, how=how: size_of(asked(trial, "x", *how)) for name, how in ONE.items()}
    | {
        f"options: {name}": lambda trial, of=of: float(
            [str(option) for option in of].index(str(trial.suggest_categorical("c", of)))
        )
        for name, of in OPTIONS.items()
    }
    | {f"values: {name}": lambda trial, of=of: of(trial.suggest_float("x", 0, 1)) for name, of in VALUES.items()}
    | {f.__name__: f for f in (conditional, dynamic, odd_names, pruned_and_failed)}
)


def states(sampler: BaseSampler, objective, n_trials: int = 14, jobs: int = 1, objectives: int = 1) -> list[TrialState]:
    study = optuna.create_study(sampler=sampler, directions=["minimize", "maximize"][:1] * objectives)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=n_trials, n_jobs=jobs, catch=(ValueError,))
    return sorted(trial.state for trial in study.trials)


@pytest.mark.parametrize("name", TRIES)
def test_what_tpe_completes_our_sampler_completes(name):
    ours = states(RoseTreeSampler(1), TRIES[name])
    if "nan" in name and name.startswith("values"):  # what fails depends on what is drawn
        assert TrialState.COMPLETE in ours
        return
    try:
        assert ours == states(TPESampler(seed=1), TRIES[name])
    except OverflowError:  # TPE's own
        assert ours == [TrialState.COMPLETE] * len(ours)


@pytest.mark.parametrize("name", VALUES)
def test_odd_values_of_two_objectives_stop_no_study(name):
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        return VALUES[name](x), -1e300 * x

    assert states(RoseTreeSampler(1), objective, objectives=2).count(TrialState.COMPLETE) > 0


def test_jobs_side_by_side_complete_their_trials():
    numbers = count()

    def objective(trial):
        next(numbers)
        return trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 0, 2**63 - 1) / 2**63

    assert states(RoseTreeSampler(1), objective, 30, jobs=4) == [TrialState.COMPLETE] * 30
    assert next(numbers) == 30


@pytest.mark.parametrize("how", [how for how in ONE.values() if how[1] != how[2] and "beyond" not in str(how)])
def test_a_value_survives_the_way_there_and_back(how):
    kind, low, high, more = (*how, None)[:4]
    over = {"int": IntDistribution, "float": FloatDistribution}[kind](low, high, **(more or {}))
    rule, generator = ranges.rule(over), np.random.default_rng(0)
    for _ in range(50):
        native = ranges.native(over, draw_uniform(rule, generator))
        assert type(native) is type(over.low)
        assert over.low <= native <= over.high
        value = ranges.value(over, native)
        assert allows(rule, value)
        assert ranges.native(over, value) == pytest.approx(native, rel=1e-9)


@given(st.integers(-(2**80), 2**80), st.integers(0, 2**80))
def test_the_ends_of_every_range_are_reached(low, width):
    over = IntDistribution(low, low + width)
    match ranges.rule(over):
        case Int(first, last) | Float(first, last):
            natives = ranges.native(over, first), ranges.native(over, last)
    assert low <= natives[0] <= natives[1] <= low + width
    assert natives == pytest.approx((low, low + width), rel=1e-12)


def test_a_wide_range_is_searched_and_not_only_survived():
    def objective(trial):
        return abs(trial.suggest_float("x", -1e20, 1e20) / 1e20 - 0.3)

    study = optuna.create_study(sampler=RoseTreeSampler(3))
    study.optimize(objective, n_trials=40)
    assert study.best_value < 0.01


def constrained(trial):
    """The best allowed point is x = 0.6; the best of all is x = 0."""
    return trial.suggest_float("x", 0, 1) + 0.1 * trial.suggest_float("y", 0, 1)


@pytest.mark.parametrize("told_by", ["constraints_func", "set_constraint"])
def test_constraints_are_kept_first_and_values_count_within_them(told_by):
    def objective(trial):
        value = constrained(trial)
        if told_by == "set_constraint":
            trial.set_constraint("x", 0.6 - trial.params["x"])
        return value

    by_function = (lambda trial: (0.6 - trial.params["x"],)) if told_by == "constraints_func" else None
    study = optuna.create_study(sampler=RoseTreeSampler(2, constraints_func=by_function))
    study.optimize(objective, n_trials=40)
    late = [trial.params["x"] for trial in study.trials[20:]]
    assert sum(x >= 0.6 for x in late) > 10
    assert study.best_trial.params["x"] >= 0.6
    assert study.best_value < 0.7
    assert all(trial.constraints for trial in study.trials)


def test_constraints_of_several_objectives_make_the_best_trials_feasible():
    sampler = RoseTreeSampler(
        2, constraints_func=lambda trial: (trial.params["x"] - 0.5, INF if trial.params["y"] else -1.0)
    )
    study = optuna.create_study(sampler=sampler, directions=["minimize", "maximize"])
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_int("y", 0, 3) + t.params["x"]), n_trials=30)
    assert study.best_trials
    assert all(trial.params["x"] <= 0.5 and trial.params["y"] == 0 for trial in study.best_trials)


def test_reseeding_changes_what_is_drawn():
    study = optuna.create_study()
    study.ask()
    frozen, over = study.trials[0], FloatDistribution(0.0, 1.0)
    sampler = RoseTreeSampler(3)
    before = sampler.sample_independent(study, frozen, "x", over)
    assert sampler.sample_independent(study, frozen, "x", over) == before
    sampler.reseed_rng()
    assert sampler.sample_independent(study, frozen, "x", over) != before
