"""Ask a study and tell it what a made-up evaluation gives."""

from __future__ import annotations

import math

from cerebros.space.rose_tree import Tree
from tests.calling import call

LAYERS = {
    "root": "net",
    "types": {
        "net": {
            "params": {"rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True}},
            "slots": [{"type": "layer", "min": 0, "max": 4}],
        },
        "layer": {
            "params": {
                "units": {"type": "int", "low": 4, "high": 64},
                "act": {"type": "choice", "options": ["relu", "tanh"]},
            }
        },
    },
}
OBJECTIVES = [{"name": "accuracy", "direction": "maximize"}, {"name": "latency", "direction": "minimize"}]


def measured(tree: Tree) -> dict[str, float]:
    """A made-up evaluation that depends on the whole tree."""
    rate, units = tree.p["rate"], [layer.p["units"] for layer in tree.c]
    wanted = -((math.log10(rate) + 2) ** 2) - sum(abs(width - 20 * n) / 20 for n, width in enumerate(units, start=1))
    return {"accuracy": wanted, "latency": float(sum(units))}


async def ask(bridge, study_id, count=1):
    return (await call(bridge, "suggest", {"study_id": study_id, "count": count})).suggestions


async def tell(bridge, trial, **fields):
    request = {"study_id": trial.study_id, "number": trial.number, "attempt": trial.attempt}
    if not fields.keys() & {"outcome", "values"}:
        request["values"] = measured(trial.tree)
    return await call(bridge, "report", request | fields)


async def work(bridge, study_id, rounds):
    for _ in range(rounds):
        for trial in await ask(bridge, study_id):
            await tell(bridge, trial)
