"""Trials that a sampler was told of, and their division into good ones and the rest.

The good trials are the best fifth by nondomination rank and, within a rank,
by greedy hypervolume. The constants here say how many trials models learn
from; our own sampler and the one for Optuna's studies share them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from cerebros.search.hypervolume import elite
from cerebros.space.rose_tree import Tree

GOOD_SHARE = 0.2

# Beyond this many kernels l follows single trials less and averages more; TPE's usual cap.
GOOD_AT_MOST = 25

# Fewer finished trials than this say nothing about which fifth is good.
STARTUP_TRIALS = 8

# Models learn from the best trials, and from the newest ones however good they are.
POOL = 100
RECENT = 40


class Observation(msgspec.Struct, frozen=True):
    """A tree and its losses (smaller is better); None for a trial that ended without losses."""

    tree: Tree
    losses: tuple[float, ...] | None


def good_count(finished: int) -> int:
    """Return the number of good trials among `finished` trials."""
    return min(GOOD_AT_MOST, max(2, math.ceil(GOOD_SHARE * finished)))


def split_history(observations: Sequence[Observation]) -> tuple[list[Tree], list[Tree]]:
    """Divide trees into the good ones, best first, and the rest, in the order observed.

    A tree without losses belongs to the rest.
    """
    finished = [n for n, observation in enumerate(observations) if observation.losses is not None]
    table = np.array([observations[n].losses for n in finished], dtype=np.float64)
    good = [finished[n] for n in elite(table, good_count(len(finished)))]
    rest = sorted(set(range(len(observations))) - set(good))
    return [observations[n].tree for n in good], [observations[n].tree for n in rest]
