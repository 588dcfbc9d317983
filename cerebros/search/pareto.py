"""Pareto dominance: the trials worth keeping when there are several objectives.

Notation: `losses` is (n_trials, n_objectives), finite, smaller is better.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]


def _require_finite(losses: Losses) -> None:
    if not np.isfinite(losses).all():
        row = int(np.flatnonzero(~np.isfinite(losses).all(axis=1))[0])
        raise ValueError(f"losses[{row}] is {losses[row]}; every loss must be finite, leave failed trials out")


# Losses up to here are as they are; four of these multiplied, or two of them squared, are still no infinity.
TAME = 1e70


def tamed(losses: Losses) -> Losses:
    """Return losses in the same order, near enough to each other that differences and volumes stay finite.

    Losses within ±`TAME` are left as they are, larger ones grow with their logarithm from there on. NaN and
    infinities stay.

    Args:
        losses: of any shape.
    """
    sizes = np.abs(losses)
    wild = (sizes > TAME) & np.isfinite(sizes)
    if not wild.any():
        return losses
    beyond = np.log(np.where(wild, sizes, TAME)) - math.log(TAME)
    return np.where(wild, np.sign(losses) * TAME * (1.0 + beyond), losses)


def nondominated(losses: Losses) -> NDArray[np.bool_]:
    """Mark the trials that no other trial beats.

    One trial beats another when it is no worse in every objective and better
    in at least one. Equal rows do not beat each other, so both are kept.

    Args:
        losses: (n_trials, n_objectives), smaller is better.

    Returns:
        (n_trials,) mask, never all False unless there are no trials.

    Raises:
        ValueError: a loss is NaN or infinite.

    Source: Deb et al. 2002, NSGA-II. O(n_trials² · n_objectives).
    """
    _require_finite(losses)
    return ~_beaten(losses, losses)


# Trials are compared in blocks of this many: a few MB at a time.
BLOCK = 512


def pareto_set(losses: Losses) -> NDArray[np.intp]:
    """Return the indices of the nondominated trials, ascending.

    Memory does not grow with the number of comparisons.

    Args:
        losses: (n_trials, n_objectives), smaller is better.

    Raises:
        ValueError: a loss is NaN or infinite.
    """
    kept = np.arange(0)
    for start in range(0, len(losses), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(losses)))
        block = block[nondominated(losses[block])]
        for part in range(0, len(kept), BLOCK):
            block = block[~_beaten(losses[block], losses[kept[part : part + BLOCK]])]
        unbeaten = [
            kept[part : part + BLOCK][~_beaten(losses[kept[part : part + BLOCK]], losses[block])]
            for part in range(0, len(kept), BLOCK)
        ]
        kept = np.concatenate([*unbeaten, block])
    return kept


def _beaten(losses: Losses, others: Losses) -> NDArray[np.bool_]:
    """Mark the trials that one of the others beats, (n_trials,)."""
    no_worse = (others[:, None, :] <= losses[None, :, :]).all(axis=2)
    better = (others[:, None, :] < losses[None, :, :]).any(axis=2)
    return np.asarray((no_worse & better).any(axis=0))


def nondomination_ranks(losses: Losses) -> NDArray[np.intp]:
    """Compute each trial's nondomination rank, (n_trials,).

    Rank 0 is the Pareto set, rank 1 the Pareto set of the trials that remain
    without it, and so on.

    Args:
        losses: (n_trials, n_objectives), smaller is better.

    Raises:
        ValueError: a loss is NaN or infinite.

    Source: Deb et al. 2002, NSGA-II. O(n_trials² · n_objectives).
    """
    _require_finite(losses)
    no_worse: NDArray[np.bool_] = np.asarray((losses[:, None, :] <= losses[None, :, :]).all(axis=2))
    beats = no_worse & ~no_worse.T  # (n_trials, n_trials); no worse and not equal is better somewhere
    beaten_by = beats.sum(axis=0)
    ranks = np.full(len(losses), -1, dtype=np.intp)
    rank = 0
    while (unbeaten := np.flatnonzero((ranks < 0) & (beaten_by == 0))).size:
        ranks[unbeaten] = rank
        beaten_by -= beats[unbeaten].sum(axis=0)
        rank += 1
    return ranks
