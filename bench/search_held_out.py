"""Held-out problems that nothing was tuned on: optima moved inside, mixed coordinates, conditions, other tables.

`bench_search.py` adds them when CEREBROS_BENCH_HELD_OUT is set. They show if
a change to the samplers helps in general or only on the bench.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from search_problems import Problem, line, table, zdt_second

from cerebros.search.hypervolume import hypervolume
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Slot, Space, Tree

Vector = NDArray[np.float64]


def held_out_problems() -> list[Problem]:
    others = (
        ("hpolib", "parkinsons_telemonitoring", {"val_loss": False, "train_time": False}),
        ("hpolib", "protein_structure", {"val_loss": False, "model_size": False}),
        ("hpobench", "car", {"val_f1": True, "train_time": False}),
        ("hpobench", "credit_g", {"val_acc": True, "train_time": False}),
        ("hpobench", "segment", {"val_acc": True, "train_time": False}),
        ("nasbench201", "imagenet", {"val_acc": True, "model_size": False}),
        ("nasbench201", "cifar100", {"val_acc": True, "train_time": False}),
    )
    tables = [
        table(family, dataset, metrics)._replace(
            name=f"held-out/{family}/{dataset}/{'+'.join(metrics)}", group="held_out_tables"
        )
        for family, dataset, metrics in others
    ]
    shifted = [shifted_zdt(number) for number in (1, 2, 3)]
    return [*shifted, rotated_dtlz2(2), rotated_dtlz2(3), dtlz7(), conditional_tree(), *tables]


def shifted_zdt(number: int, n: int = 30, seed: int = 11) -> Problem:
    """ZDT with the optimum of each distance variable at a different place well inside the range."""
    space = line({f"x{i}": Float(0.0, 1.0) for i in range(n)})
    at = np.random.default_rng([seed, number]).uniform(0.2, 0.8, n - 1)

    def losses(tree: Tree) -> tuple[float, float]:
        x = _vector(tree, n)
        distance = np.abs(x[1:] - at) / np.maximum(at, 1 - at)
        return float(x[0]), float(zdt_second(number, x[0], 1 + 9 * distance.mean()))

    reference = np.array([1.1, 11.0])
    x0 = np.linspace(0, 1, 100_001)
    pareto_front = np.stack([x0, zdt_second(number, x0, np.ones_like(x0))], axis=1)
    return Problem(
        f"held-out/zdt{number}", "held_out_zdt", space, losses, reference, hypervolume(pareto_front, reference)
    )


def rotated_dtlz2(objectives: int, n: int = 12, seed: int = 12) -> Problem:
    """DTLZ2 whose distance function is a rotated, stretched ellipsoid around a random place."""
    space = line({f"x{i}": Float(0.0, 1.0) for i in range(n)})
    generator = np.random.default_rng([seed, objectives])
    size = n - objectives + 1
    rotation, _ = np.linalg.qr(generator.standard_normal((size, size)))
    mixing = np.diag(np.geomspace(0.5, 2.0, size)) @ rotation
    at = generator.uniform(0.3, 0.7, size)

    def losses(tree: Tree) -> tuple[float, ...]:
        x = _vector(tree, n)
        g = float(((mixing @ (x[objectives - 1 :] - at)) ** 2).sum())
        angles = x[: objectives - 1] * np.pi / 2
        found = []
        for m in range(objectives):
            value = (1 + g) * float(np.prod(np.cos(angles[: objectives - 1 - m])))
            found.append(value * float(np.sin(angles[objectives - 1 - m])) if m else value)
        return tuple(found)

    side = 1.1 * (1 + 0.25 * size)
    ball = np.pi / 4 if objectives == 2 else np.pi / 6
    reference = np.full(objectives, side)
    return Problem(f"held-out/dtlz2-{objectives}", "held_out_dtlz", space, losses, reference, side**objectives - ball)


def dtlz7(n: int = 12) -> Problem:
    """DTLZ7, whose Pareto front is disconnected; the optima of the distance variables are moved inside.

    Source: Deb et al. 2002.
    """
    space = line({f"x{i}": Float(0.0, 1.0) for i in range(n)})
    at = np.random.default_rng(13).uniform(0.2, 0.8, n - 1)

    def second(x0: Vector, g: Vector) -> Vector:
        return (1 + g) * (2 - x0 / (1 + g) * (1 + np.sin(3 * np.pi * x0)))

    def losses(tree: Tree) -> tuple[float, float]:
        x = _vector(tree, n)
        return float(x[0]), float(second(x[0], 1 + 9 * np.abs(x[1:] - at).mean()))

    reference = np.array([1.1, 22.0])
    x0 = np.linspace(0, 1, 100_001)
    pareto_front = np.stack([x0, second(x0, np.ones_like(x0))], axis=1)
    return Problem("held-out/dtlz7", "held_out_dtlz", space, losses, reference, hypervolume(pareto_front, reference))


OPERATIONS = ("dense", "conv", "pool", "attend")


def conditional_tree(seed: int = 14) -> Problem:
    """Blocks whose best width depends on the operation chosen beside it, and operations on the position.

    Losses are as in `tree_problem`: t + D and 1 - √t + D with D ≥ 0 the mean
    misfit plus 0.2 for each block too many or too few.
    """
    space = Space(
        "net",
        {
            "net": NodeType({"t": Float(0.0, 1.0), "rate": Float(1e-5, 1.0, log=True)}, (Slot("block", 1, 6),)),
            "block": NodeType(
                {"op": Choice(OPERATIONS), "width": Int(4, 512, log=True), "gate": Choice((True, False))}
            ),
        },
    )
    generator = np.random.default_rng(seed)
    wanted, blocks = generator.uniform(0.2, 0.8, (6, len(OPERATIONS))), 4
    flaws = generator.permuted(np.tile([0.0, 0.1, 0.2, 0.3], (6, 1)), axis=1)
    gates = generator.integers(2, size=6).astype(bool)

    def losses(tree: Tree) -> tuple[float, float]:
        parts = [((np.log10(float(tree.p["rate"])) + 2.7) / 5) ** 2]
        for b, block in enumerate(tree.c):
            op = OPERATIONS.index(str(block.p["op"]))
            width = np.log(int(block.p["width"]) / 4) / np.log(128)
            parts.append(flaws[b, op] + (width - wanted[b, op]) ** 2 + 0.1 * (block.p["gate"] != gates[b]))
        d = 4.0 * float(np.mean(parts)) + 0.2 * abs(len(tree.c) - blocks)
        t = float(tree.p["t"])
        return t + d, 1.0 - t**0.5 + d

    reference = np.array([2.0, 2.0])
    t = np.linspace(0, 1, 100_001)
    best = hypervolume(np.stack([t, 1 - t**0.5], axis=1), reference)
    return Problem("held-out/conditional", "held_out_tree", space, losses, reference, best)


def _vector(tree: Tree, n: int) -> Vector:
    return np.array([float(tree.p[f"x{i}"]) for i in range(n)])
