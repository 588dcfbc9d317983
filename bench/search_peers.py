"""Searches to compare, ours and Optuna's: functions of a problem, a seed and a budget that return the losses found."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import optuna
from numpy.typing import NDArray
from search_problems import Problem

from cerebros.optuna.trees import suggested
from cerebros.samplers import make_sampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

Losses = NDArray[np.float64]
Search = Callable[[Problem, int, int], Losses]


def ours(name: str, batch: int = 1) -> Search:
    """Make a search by one of our samplers, which asks for `batch` trees at a time."""

    def search(problem: Problem, seed: int, trials: int) -> Losses:
        sampler = make_sampler(name, problem.space, seed)
        found: list[tuple[float, ...]] = []
        while len(found) < trials:
            trees = sampler.ask(min(batch, trials - len(found)))
            for tree in trees:
                found.append(problem.losses(tree))
                sampler.tell(tree, found[-1])
        return np.array(found)

    return search


def theirs(make: Callable[[int], optuna.samplers.BaseSampler]) -> Search:
    """Make a search by a sampler of Optuna, which `make` returns for a seed."""

    def search(problem: Problem, seed: int, trials: int) -> Losses:
        study = optuna.create_study(sampler=make(seed), directions=["minimize"] * len(problem.reference))
        found: list[tuple[float, ...]] = []

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            found.append(problem.losses(suggested(trial, problem.space)))
            return found[-1]

        study.optimize(objective, n_trials=trials)
        return np.array(found)

    return search


PEERS: dict[str, Search] = {
    "optuna-tpe": theirs(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "optuna-tpe-mv": theirs(lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)),
    "optuna-nsga2": theirs(lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20)),
}
OURS: dict[str, Search] = {
    "rose": ours("rose"),
    "rose-parzen": ours("rose-parzen"),
    "random": ours("random"),
}
