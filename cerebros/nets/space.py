"""The Cerebros search space: networks of levels, units and neurons as rose trees.

Re-implemented from a description of the original; docs/cerebros.md lists the
corrections. A tree holds the decisions, `wiring` turns them into links.
"""

from __future__ import annotations

from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Slot, Space

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "softsign")
MERGES = ("concat", "add")
NORMALISATIONS = ("batch", "layer", "none")


def cerebros_space(*, levels: int = 3, units: int = 4, neurons: int = 128) -> Space:
    """Return the space of networks of up to `levels` hidden levels of up to `units` units each.

    A network without hidden levels is allowed: it is a linear model, which
    suits some data best.

    Args:
        levels: largest number of hidden levels.
        units: largest number of units per level.
        neurons: largest number of neurons per unit, at least 4.
    """
    return Space(
        "network",
        {
            "network": NodeType(
                {
                    "learning_rate": Float(1e-4, 3e-2, log=True),
                    "batch_size": Choice((16, 32, 64, 128)),
                    "weight_decay": Float(1e-5, 1e-1, log=True),
                    "dropout": Float(0.0, 0.4),
                    "activation": Choice(ACTIVATIONS),
                    "merge": Choice(MERGES),
                    "normalisation": Choice(NORMALISATIONS),
                    "predecessor_affinity": Float(0.3, 1.5),
                    "predecessor_decay": Float(0.3, 1.0),
                    "max_skip": Int(1, 4),
                    "p_lateral": Float(0.0, 0.5),
                    "lateral_decay": Float(0.5, 1.0),
                    "lateral_tries": Int(1, 4),
                    "max_consecutive_laterals": Int(1, 4),
                    "gate_after_laterals": Int(1, 4),
                },
                (Slot("level", 0, levels),),
            ),
            "level": NodeType({}, (Slot("unit", 1, units),)),
            "unit": NodeType({"neurons": Int(4, neurons, log=True)}),
        },
    )
