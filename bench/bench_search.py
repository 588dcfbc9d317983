"""How close searches come to the true Pareto front, and what a proposal costs: ours against Optuna's, in one run.

Regret is 1 - HV / HV*, at 100 and at 200 evaluations; ratios are Optuna
TPE's regret divided by ours, geometric means over seeds, so bigger is better.
The p value is of the paired Wilcoxon test on log regrets.

    CEREBROS_BENCH_SEEDS     seeds per problem (10; below that it is a short version and says so)
    CEREBROS_BENCH_PROBLEMS  only problems whose name contains one of these, separated by commas
    CEREBROS_BENCH_PROCESSES processes (the number of cores)
"""

from __future__ import annotations

import os

# One thread each: small matrices gain nothing from more, and the processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import optuna
from numpy.typing import NDArray
from scipy.stats import wilcoxon
from search_peers import OURS, PEERS, finished_trial, ours, suggested
from search_problems import Problem, all_problems, tree_problem

from cerebros.motpe import Motpe

SEEDS = int(os.environ.get("CEREBROS_BENCH_SEEDS", "10"))
ONLY = tuple(os.environ.get("CEREBROS_BENCH_PROBLEMS", "").split(","))
PROCESSES = int(os.environ.get("CEREBROS_BENCH_PROCESSES", str(os.cpu_count() or 1)))
BUDGETS = (100, 200)
SEARCHES = {**PEERS, **OURS, "rose-batch-8": ours("rose", batch=8)}
PEER = "optuna-tpe"

# A search that found the whole front has regret 0; the geometric mean counts everything below this as equal.
LEAST_REGRET = 1e-4

# Past trials at which a proposal is timed, and how often.
HISTORIES = (1_000, 10_000)
TIMED_ASKS = {"ours": 40, "optuna": 4}

Regrets = NDArray[np.float64]  # (n_seeds, n_budgets)

PROBLEMS: dict[str, Problem] = {}


def main() -> None:
    PROBLEMS.update({p.name: p for p in all_problems() if any(part in p.name for part in ONLY)})
    ratios: dict[str, float] = {}
    by_group: defaultdict[str, list[float]] = defaultdict(list)
    if SEEDS < 10:
        print(f"short version: {SEEDS} seeds instead of 10")
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("fork")) as pool:
        jobs = {
            (name, search): [pool.submit(regrets, name, search, seed) for seed in range(SEEDS)]
            for name in PROBLEMS
            for search in SEARCHES
        }
        for name, problem in PROBLEMS.items():
            found = {search: np.array([job.result() for job in jobs[name, search]]) for search in SEARCHES}
            print_problem(name, found)
            ratio = mean_regret(found[PEER]) / mean_regret(found["rose"])
            ratios |= {f"{name}@{budget}": round(float(r), 3) for budget, r in zip(BUDGETS, ratio, strict=True)}
            by_group[f"{problem.group}_mean@200"].append(ratios[f"{name}@200"])
            # A batch's gain over the peer, as a share of the gain that one at a time has.
            batch = mean_regret(found[PEER]) / mean_regret(found["rose-batch-8"])
            by_group["batch_8_share_of_gain"].append(float(batch[-1] / ratio[-1]))
    ratios |= {group: round(geometric_mean(values), 3) for group, values in by_group.items()}
    ratios |= ask_latency()
    print(json.dumps({"bench": "search", "ratios": ratios}))


def regrets(name: str, search: str, seed: int) -> list[float]:
    problem = PROBLEMS[name]
    found = SEARCHES[search](problem, seed, BUDGETS[-1])
    return [max(LEAST_REGRET, problem.regret(found[:budget])) for budget in BUDGETS]


def mean_regret(regrets: Regrets) -> NDArray[np.float64]:
    return np.asarray(np.exp(np.log(regrets).mean(axis=0)))


def geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def print_problem(name: str, found: dict[str, Regrets]) -> None:
    print(f"{name}")
    for search, regrets in found.items():
        means = mean_regret(regrets)
        ratio = mean_regret(found[PEER]) / means
        differences = np.log(found[PEER][:, -1]) - np.log(regrets[:, -1])
        p = float(wilcoxon(differences).pvalue) if differences.any() and len(differences) > 1 else 1.0
        columns = "  ".join(f"@{b} {m:.5f} (x{r:5.2f})" for b, m, r in zip(BUDGETS, means, ratio, strict=True))
        print(f"  {search:14s} {columns}  better on {int((differences > 0).sum())}/{len(differences)} seeds, p {p:.3f}")
    print(end="", flush=True)


def ask_latency() -> dict[str, float]:
    """Ask and tell at long histories of random trees, told alike to both."""
    problem = tree_problem(1.0)
    ratios: dict[str, float] = {}
    medians: dict[int, float] = {}
    for n_trials in HISTORIES:
        generator = np.random.default_rng(0)
        sampler = Motpe(problem.space, 0)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), directions=["minimize"] * 2)
        past: list[optuna.trial.FrozenTrial] = []
        for _ in range(n_trials):
            tree = problem.space.draw(generator)
            losses = problem.losses(tree)
            sampler.tell(tree, losses)
            past.append(finished_trial(problem.space, tree, losses))
        study.add_trials(past)
        seconds: dict[str, list[float]] = {"ours": [], "optuna": []}
        for _ in range(TIMED_ASKS["ours"]):
            started = time.perf_counter()
            (tree,) = sampler.ask(1)
            sampler.tell(tree, problem.losses(tree))
            seconds["ours"].append(time.perf_counter() - started)
        for _ in range(TIMED_ASKS["optuna"]):
            started = time.perf_counter()
            trial = study.ask()
            study.tell(trial, problem.losses(suggested(trial, problem.space)))
            seconds["optuna"].append(time.perf_counter() - started)
        p95 = float(np.quantile(seconds["ours"], 0.95))
        medians[n_trials] = float(np.median(seconds["ours"]))
        peer = float(np.median(seconds["optuna"]))
        print(
            f"ask + tell at {n_trials} trials: ours {1e3 * medians[n_trials]:.1f} ms (p95 {1e3 * p95:.1f} ms), "
            f"optuna-tpe {1e3 * peer:.1f} ms"
        )
        ratios[f"ask_tell_at_{n_trials}"] = round(peer / medians[n_trials], 2)
    ratios["flatness_1k_to_10k"] = round(medians[HISTORIES[0]] / medians[HISTORIES[1]], 3)
    return ratios


if __name__ == "__main__":
    main()
