"""The whole engine against Optuna on real trainings, at equal wall time on two worker processes.

Ours: the `rose` sampler, successive halving, populations. The peer: Optuna's
TPE, each trial a plain PyTorch loop through all epochs, same network family,
same two workers. A second peer, `optuna+`, is the first one made stronger: its
trials are trained by our code, with our optimiser and our early stopping, so
what is left of the difference is search. Objectives: validation error and
log10 of the operations of one prediction, which follow from the tree; a
trial's figures are those of its best epoch so far. The first part replays
halving over curves of random networks trained to the end, against halving by
error alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from typing import NamedTuple

import numpy as np
import optuna
from nas_replay import Curve, by_error, halved
from nas_training import FOLDS, Order, Result, prepare, train_orders, train_plainly, train_wholly
from search_peers import suggested

from cerebros.nets.space import cerebros_space
from cerebros.nets.wiring import count_flops, wire
from cerebros.samplers import make_sampler
from cerebros.search.halving import HalvedSearch, Step, rung_epochs
from cerebros.search.hypervolume import elite, hypervolume
from cerebros.space.rose_tree import Tree

WORKERS = 2
EPOCHS = 27
SEEDS = (0, 1)
REPLAYED = 36  # random networks, trained to the end
SPACE = cerebros_space()
# Wall seconds a search gets; MNIST's trainings are the longest.
BUDGET_S = {"digits": 30.0, "breast_cancer": 20.0, "mnist_5k": 60.0}
# Trees that are proposed together and trained by one worker; narrow ones of one batch size as a population.
BUCKET = 4
# An epoch of MNIST has so many steps that one of them tells something.
RUNGS = {"digits": 3, "breast_cancer": 3, "mnist_5k": 4}
# An error of one half, and as many operations as networks near the space's upper end have.
REFERENCE = np.array([0.5, 6.5])


class Found(NamedTuple):
    """What a search had measured `at_s` seconds after its start."""

    at_s: float
    losses: tuple[float, float]


Search = Callable[[str, ProcessPoolExecutor, float, int], list[Found]]

# Train a tree on a dataset, with a seed, for so many epochs; its best epoch's error, None where it diverged.
Train = Callable[[str, Tree, int, int], float | None]


def operations(tree: Tree, dataset: str) -> float:
    folds = FOLDS[dataset]
    return float(np.log10(count_flops(wire(tree, folds.inputs, folds.outputs))))


def optuna_tpe(train: Train, dataset: str, pool: ProcessPoolExecutor, budget_s: float, seed: int) -> list[Found]:
    """Optuna's default TPE for several objectives, told of what the other worker is busy with."""
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    found: list[Found] = []
    flying: dict[Future[float | None], tuple[optuna.Trial, Tree]] = {}
    started = time.perf_counter()
    while (now := time.perf_counter() - started) < budget_s:
        while len(flying) < WORKERS:
            trial = study.ask()
            tree = suggested(trial, SPACE)
            flying[pool.submit(train, dataset, tree, seed + trial.number, EPOCHS)] = trial, tree
        for future in wait(flying, timeout=budget_s - now, return_when=FIRST_COMPLETED).done:
            error, (trial, tree) = future.result(), flying.pop(future)
            if error is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            losses = (error, operations(tree, dataset))
            study.tell(trial, losses)
            found.append(Found(time.perf_counter() - started, losses))
    wait(flying)
    return [one for one in found if one.at_s <= budget_s]


def engine(dataset: str, pool: ProcessPoolExecutor, budget_s: float, seed: int) -> list[Found]:
    """Our sampler; trials pause at rungs and the undominated go on."""
    sampler = make_sampler("rose", SPACE, seed, lambda _tree: True)
    search = HalvedSearch(sampler, rung_epochs(EPOCHS, rungs=RUNGS[dataset]))
    states: dict[int, bytes | None] = {}
    found: list[Found] = []
    flying: dict[Future[list[Result]], list[Step]] = {}
    started = time.perf_counter()
    while (now := time.perf_counter() - started) < budget_s:
        while len(flying) < WORKERS:
            steps = search.next_steps(BUCKET)
            orders = [
                Order(step.tree, seed + step.number, EPOCHS, step.until, states.pop(step.number, None))
                for step in steps
            ]
            flying[pool.submit(train_orders, dataset, orders)] = steps
        for future in wait(flying, timeout=budget_s - now, return_when=FIRST_COMPLETED).done:
            for step, result in zip(flying.pop(future), future.result(), strict=True):
                losses = None if result.diverged else (result.errors[-1], operations(step.tree, dataset))
                search.tell(step, losses, ended=result.state is None)
                states[step.number] = result.state
                if losses is not None:
                    found.append(Found(time.perf_counter() - started, losses))
    wait(flying)
    return [one for one in found if one.at_s <= budget_s]


def growth(found: list[Found]) -> Iterator[tuple[float, float]]:
    """(seconds, hypervolume) whenever it grew."""
    losses = np.empty((0, 2))
    best = 0.0
    for one in found:
        losses = np.vstack([losses, one.losses])
        volume = hypervolume(losses, REFERENCE)
        if volume > best:
            best = volume
            yield one.at_s, volume


PEERS: dict[str, Search] = {"optuna": partial(optuna_tpe, train_plainly), "optuna+": partial(optuna_tpe, train_wholly)}


def compare(dataset: str, pool: ProcessPoolExecutor, seed: int) -> list[float]:
    """Each peer's wall time over our time to its final hypervolume; 0 where we never came there."""
    budget_s = BUDGET_S[dataset]
    searches: dict[str, Search] = {"engine": engine} | PEERS
    order = sorted(searches, reverse=bool(seed))  # who comes first on the idle machine changes with the seed
    curves = {name: [*growth(searches[name](dataset, pool, budget_s, seed))] for name in order}
    marks = budget_s * np.array([0.05, 0.1, 0.2, 0.33, 0.5, 0.75, 1.0])
    print(f"{dataset}, seed {seed}: hypervolume\n  seconds " + " ".join(f"{mark:8.1f}" for mark in marks))
    for name in searches:
        print(f"  {name:<8}" + " ".join(f"{_volume_at(curves[name], mark):8.4f}" for mark in marks))
    finals = {name: curves[name][-1][1] for name in PEERS}
    reached = {
        name: next((at_s for at_s, volume in curves["engine"] if volume >= final), np.inf)
        for name, final in finals.items()
    }
    print(
        "  engine reaches "
        + ", ".join(
            f"{finals[name]:.4f} of {name} in {reached[name]:.1f} s (itself {curves[name][-1][0]:.1f} s)"
            for name in PEERS
        )
    )
    return [budget_s / reached[name] for name in PEERS]


def _volume_at(curve: list[tuple[float, float]], at_s: float) -> float:
    return max((volume for second, volume in curve if second <= at_s), default=0.0)


def replay(dataset: str, pool: ProcessPoolExecutor) -> tuple[float, float]:
    """Share of the hypervolume that halving keeps, by nondomination and by error alone."""
    generator = np.random.default_rng(0)
    trees = [SPACE.draw(generator) for _ in range(REPLAYED)]
    futures = [
        pool.submit(train_orders, dataset, [Order(tree, n, EPOCHS, EPOCHS, None)]) for n, tree in enumerate(trees)
    ]
    curves = [
        Curve(future.result()[0].errors, operations(tree, dataset)) for future, tree in zip(futures, trees, strict=True)
    ]
    trained = [curve for curve in curves if curve.errors]
    undominated, erring = (halved(trained, EPOCHS, best, REFERENCE) for best in (elite, by_error))
    print(
        f"{dataset}: of {len(trained)} random networks halving keeps {undominated.hypervolume:.1%} of the hypervolume "
        f"for {undominated.epochs:.0%} of the epochs; by error alone {erring.hypervolume:.1%} for {erring.epochs:.0%}"
    )
    return undominated.hypervolume, erring.hypervolume


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    datasets = [*BUDGET_S]
    prepare(datasets)
    ratios: dict[str, float] = {}
    print(f"load {os.getloadavg()[0]:.1f}, {WORKERS} workers of one thread, {EPOCHS} epochs at most")
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"), prepare, (datasets,)) as pool:
        wait([pool.submit(time.sleep, 1.0) for _ in range(WORKERS)])  # until both have read the datasets
        for dataset in ("digits", "breast_cancer"):
            undominated, erring = replay(dataset, pool)
            ratios[f"{dataset}_halving_against_by_error"] = undominated / erring
        for dataset in datasets:
            pairs = np.array([compare(dataset, pool, 1000 * seed) for seed in SEEDS])
            plain, stronger = np.exp(np.log(np.maximum(pairs, 1e-9)).mean(axis=0))
            ratios[dataset] = plain
            ratios[f"{dataset}_trained_by_our_code"] = stronger
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    print(json.dumps({"bench": "nas", "ratios": {name: round(value, 2) for name, value in ratios.items()}}))


if __name__ == "__main__":
    main()
