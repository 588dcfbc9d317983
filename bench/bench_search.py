"""Comparison of our searches with Optuna's in one run: distance from the true Pareto front, cost of a proposal.

Regret is 1 - HV / HV*, at 100 and at 200 evaluations; ratios are Optuna
TPE's regret divided by ours, geometric means over seeds, so bigger is better.
The p value is of the paired Wilcoxon test on log regrets. For batches of 8 the
figure is the regret one at a time divided by the regret in batches, after the
same 200 evaluations.

    CEREBROS_BENCH_SEEDS     seeds per problem (10; below that it is a short version and says so)
    CEREBROS_BENCH_PROBLEMS  only problems whose name contains one of these, separated by commas
    CEREBROS_BENCH_HELD_OUT  1 adds the problems of search_held_out.py, which nothing was tuned on
    CEREBROS_BENCH_PROCESSES processes (the number of cores)
    CEREBROS_BENCH_RECORD    a file that gets a line per finished search; searches it holds are not run again, so
                             that an interrupted bench goes on (delete it when code changes)
"""

from __future__ import annotations

import os

# One thread each: small matrices gain nothing from more, and the processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import time
import tracemalloc
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from scipy.stats import wilcoxon
from search_held_out import held_out_problems
from search_peers import OURS, PEERS, ours
from search_problems import Problem, all_problems, tree_problem

from cerebros.optuna.trees import frozen_trial, suggested
from cerebros.search.motpe import Motpe

SEEDS = int(os.environ.get("CEREBROS_BENCH_SEEDS", "10"))
ONLY = tuple(os.environ.get("CEREBROS_BENCH_PROBLEMS", "").split(","))
HELD_OUT = os.environ.get("CEREBROS_BENCH_HELD_OUT") == "1"
PROCESSES = int(os.environ.get("CEREBROS_BENCH_PROCESSES", str(os.cpu_count() or 1)))
RECORD = Path(os.environ["CEREBROS_BENCH_RECORD"]) if "CEREBROS_BENCH_RECORD" in os.environ else None
BUDGETS = (100, 200)
SEARCHES = {**PEERS, **OURS, "rose-batch-8": ours("rose", batch=8)}
PEER = "optuna-tpe"

# A search that found the whole Pareto front has regret 0; the geometric mean counts all regrets below this as equal.
LEAST_REGRET = 1e-4

# Past trials at which a proposal is timed; each round times this many of ours and one of Optuna's.
HISTORIES = (1_000, 10_000)
ROUNDS = 8
ASKS_PER_ROUND = 5

# Limits of an ask and tell in seconds, and of a trial in memory.
P95_LIMIT_S = 0.060
MEMORY_LIMIT_BYTES = 4096

Regrets = NDArray[np.float64]  # (n_seeds, n_budgets)
Search = tuple[str, str, int]  # problem, search, seed

PROBLEMS: dict[str, Problem] = {}


def main() -> None:
    problems = all_problems() + (held_out_problems() if HELD_OUT else [])
    PROBLEMS.update({p.name: p for p in problems if any(part in p.name for part in ONLY)})
    ratios: dict[str, float] = {}
    by_group: defaultdict[str, list[float]] = defaultdict(list)
    if SEEDS < 10:
        print(f"short version: {SEEDS} seeds instead of 10")
    record = search_all()
    for name, problem in PROBLEMS.items():
        found = {search: np.array([record[name, search, seed] for seed in range(SEEDS)]) for search in SEARCHES}
        print_problem(name, found)
        ratio = mean_regret(found[PEER]) / mean_regret(found["rose"])
        ratios |= {f"{name}@{budget}": round(float(r), 3) for budget, r in zip(BUDGETS, ratio, strict=True)}
        by_group[f"{problem.group}_mean@200"].append(ratios[f"{name}@200"])
        batch = mean_regret(found["rose"]) / mean_regret(found["rose-batch-8"])
        by_group["batch_8_share_of_gain"].append(float(batch[-1]))
    ratios |= {group: round(geometric_mean(values), 3) for group, values in by_group.items()}
    ratios |= ask_latency() | memory_per_trial()
    print(json.dumps({"bench": "search", "ratios": ratios}))


def search_all() -> dict[Search, list[float]]:
    """Run every search and return its regrets; prints a line after each seed."""
    record: dict[Search, list[float]] = {}
    if RECORD and RECORD.exists():
        record = {(p, s, n): found for p, s, n, found in map(json.loads, RECORD.read_text().splitlines())}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("fork")) as pool:
        wanted = [(name, search, seed) for seed in range(SEEDS) for name in PROBLEMS for search in SEARCHES]
        jobs = {job: pool.submit(regrets, *job) for job in wanted if job not in record}
        for seed in range(SEEDS):
            for job in [job for job in jobs if job[2] == seed]:
                record[job] = jobs[job].result()
                if RECORD:
                    with RECORD.open("a") as lines:
                        print(json.dumps([*job, record[job]]), file=lines)
            ratio = geometric_mean([record[n, PEER, seed][-1] / record[n, "rose", seed][-1] for n in PROBLEMS])
            print(
                f"seed {seed}: regret of {PEER} divided by ours, mean of {len(PROBLEMS)} problems: {ratio:.2f}",
                flush=True,
            )
    return record


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
    """Time ask and tell after many random trials, ours and Optuna's in turns, so that a busy machine slows both."""
    problem = tree_problem(1.0)
    samplers = {n_trials: told(problem, n_trials) for n_trials in HISTORIES}
    seconds: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for n_trials, (sampler, study) in samplers.items():
            for _ in range(ASKS_PER_ROUND):
                started = time.perf_counter()
                (tree,) = sampler.ask(1)
                sampler.tell(tree, problem.losses(tree))
                seconds["ours", n_trials].append(time.perf_counter() - started)
            started = time.perf_counter()
            trial = study.ask()
            study.tell(trial, problem.losses(suggested(trial, problem.space)))
            seconds["optuna", n_trials].append(time.perf_counter() - started)
    medians = {which: float(np.median(taken)) for which, taken in seconds.items()}
    ratios: dict[str, float] = {}
    for n_trials in HISTORIES:
        mine, peer = medians["ours", n_trials], medians["optuna", n_trials]
        p95 = float(np.quantile(seconds["ours", n_trials], 0.95))
        print(f"ask + tell at {n_trials} trials: {1e3 * mine:.1f} ms (p95 {1e3 * p95:.1f}), {PEER} {1e3 * peer:.1f} ms")
        ratios[f"ask_tell_at_{n_trials}"] = round(peer / mine, 2)
        ratios[f"p95_limit_at_{n_trials}"] = round(P95_LIMIT_S / p95, 2)
    few, many = HISTORIES
    ratios["flatness_1k_to_10k"] = round(medians["ours", few] / medians["ours", many], 3)
    return ratios


def told(problem: Problem, n_trials: int) -> tuple[Motpe, optuna.Study]:
    """Return our sampler and Optuna's study, both told of the same trials."""
    generator, sampler = np.random.default_rng(0), Motpe(problem.space, 0)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), directions=["minimize"] * 2)
    past: list[optuna.trial.FrozenTrial] = []
    for _ in range(n_trials):
        tree = problem.space.draw(generator)
        losses = problem.losses(tree)
        sampler.tell(tree, losses)
        past.append(frozen_trial(problem.space, tree, losses))
    study.add_trials(past)
    return sampler, study


def memory_per_trial() -> dict[str, float]:
    """Measure the memory that a sampler holds after many trials, per trial."""
    problem, generator = tree_problem(1.0), np.random.default_rng(0)
    n_trials = HISTORIES[-1]
    tracemalloc.start()
    sampler = Motpe(problem.space, 0)
    for _ in range(n_trials):
        tree = problem.space.draw(generator)
        sampler.tell(tree, problem.losses(tree))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"memory at {n_trials} trials: {held / n_trials:.0f} bytes per trial (limit {MEMORY_LIMIT_BYTES})")
    return {"memory_limit_per_trial": round(MEMORY_LIMIT_BYTES * n_trials / held, 2)}


if __name__ == "__main__":
    main()
