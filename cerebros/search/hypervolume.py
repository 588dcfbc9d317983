"""How much of the space of losses a set of trials beats, and what one more would add.

Notation
    y       losses of one trial, (n_objectives,), smaller is better
    r       reference point: only what lies below it in every objective counts
    HV(S)   volume of the union over y in S of the boxes [y, r]
    gain    HV(S ∪ {y}) - HV(S)

Source: Zitzler and Thiele 1998 (the measure); While et al. 2006 (slicing one
objective off); Nemhauser et al. 1978 (HV is submodular, so the greedy subset
has at least 1 - 1/e of the best subset's volume).
"""

from __future__ import annotations

import heapq
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats.qmc import Halton

from cerebros.search.pareto import Losses, nondominated, nondomination_ranks

Point = NDArray[np.float64]


def hypervolume(losses: Losses, reference: Point) -> float:
    """The volume between the trials and the reference point; 0.0 when none lies below it.

    Exact. O(n log n) for two objectives, O(n^(m-1)) slices for m.
    """
    inside = losses[(losses < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    if inside.shape[1] == 2:
        return _area(inside, reference)
    front = np.unique(inside[nondominated(inside)], axis=0)
    order = np.argsort(front[:, -1], kind="stable")
    front = front[order]
    depths = np.diff(np.append(front[:, -1], reference[-1]))
    # Between two values of the last objective, the trials below the first make a volume of one dimension less.
    return sum(
        float(depth) * hypervolume(front[: n + 1, :-1], reference[:-1]) for n, depth in enumerate(depths) if depth > 0
    )


def _area(losses: Losses, reference: Point) -> float:
    ordered = losses[np.lexsort((losses[:, 1], losses[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    widths = np.diff(np.append(ordered[:, 0], reference[0]))
    return float((widths * (reference[1] - lowest)).sum())


def greedy_subset(losses: Losses, count: int, reference: Point) -> list[int]:
    """Indices of up to `count` trials, each adding the most volume to those before it.

    Exact. Gains only shrink as the subset grows, so a trial's last known gain
    bounds the present one and most need no new computation; yet with more
    than two objectives each costs `hypervolume`.
    """
    chosen: list[int] = []
    bounds = [(-hypervolume(losses[[n]], reference), n) for n in range(len(losses))]
    heapq.heapify(bounds)
    volume, fresh = 0.0, dict.fromkeys(range(len(losses)), 0)
    while bounds and len(chosen) < count:
        bound, n = heapq.heappop(bounds)
        if fresh[n] == len(chosen):
            chosen.append(n)
            volume -= bound
            continue
        gain = hypervolume(losses[[*chosen, n]], reference) - volume
        fresh[n] = len(chosen)
        heapq.heappush(bounds, (-gain, n))
    return chosen


def greedy_cover(losses: Losses, count: int, reference: Point) -> list[int]:
    """Like `greedy_subset`, with volumes told by the share of `PLACES` spread places that a trial beats.

    O(n_trials · PLACES) a choice, however many objectives.
    """
    low = losses.min(axis=0)
    beats = _beats(losses, low + _spread(losses.shape[1]) * (reference - low))
    # Between trials that beat the same number of places, as those that beat none, the volume of their own box decides.
    own = np.prod(np.maximum(0.0, reference - losses) / np.maximum(reference - low, 1e-300), axis=1)
    bits = np.packbits(beats, axis=1)
    chosen: list[int] = []
    left = np.full(bits.shape[1], 255, dtype=np.uint8)
    for _ in range(min(count, len(losses))):
        score = np.bitwise_count(bits & left).sum(axis=1, dtype=np.int64) + 0.5 * own
        score[chosen] = -1.0
        chosen.append(int(score.argmax()))
        left &= ~bits[chosen[-1]]
    return chosen


def volumes(losses: Losses, reference: Point) -> NDArray[np.float64]:
    """The volume of the first n trials, for each n; (n_trials,), never falling.

    Exact for one and two objectives. For more, told by the share of `PLACES`
    spread places that the trials so far beat, O(n_trials · PLACES).
    """
    if not len(losses):
        return np.zeros(0)
    if losses.shape[1] <= 2:
        return np.cumsum(_successive_gains(losses, reference))
    low = losses.min(axis=0)
    beats = _beats(losses, low + _spread(losses.shape[1]) * (reference - low))
    return np.asarray(np.logical_or.accumulate(beats).mean(axis=1) * np.maximum(0.0, reference - low).prod())


def _successive_gains(losses: Losses, reference: Point) -> NDArray[np.float64]:
    """What each trial adds to those before it, (n_trials,); only trials that added something are looked at again."""
    added = np.zeros(len(losses))
    for n in range(len(losses)):
        (added[n],) = gains(losses[[n]], losses[:n][added[:n] > 0], reference)
    return added


def _beats(losses: Losses, places: Losses) -> NDArray[np.bool_]:
    """(n_trials, n_places) whether a trial is no worse than a place in every objective."""
    beats = np.ones((len(losses), len(places)), dtype=bool)
    for objective in range(losses.shape[1]):
        beats &= losses[:, objective, None] <= places[:, objective]
    return beats


# Places by which volumes are told: what one trial adds to a few dozen is some hundredths of the whole.
PLACES = 4096


@cache
def _spread(objectives: int) -> Losses:
    """(PLACES, objectives) of the unit cube, the same always."""
    return np.asarray(Halton(objectives, scramble=False).random(PLACES))


def gains(points: Losses, front: Losses, reference: Point, probes: Losses | None = None) -> NDArray[np.float64]:
    """What each point alone would add to the front's volume, (n_points,).

    Exact for one and two objectives. For more, the share of `probes`
    (places no front trial beats) that the point beats: equal up to a factor.

    Args:
        probes: (n_probes, n_objectives) from `unbeaten`; needed for three objectives and more.
    """
    objectives = points.shape[1]
    if objectives == 1:
        return np.asarray(np.maximum(0.0, min(front.min(initial=np.inf), reference[0]) - points[:, 0]))
    if objectives == 2:
        return _strip_gains(points, front, reference)
    if probes is None or not len(probes):
        return np.zeros(len(points))
    return np.asarray(_beats(points, probes).mean(axis=1))


def _strip_gains(points: Losses, front: Losses, reference: Point) -> NDArray[np.float64]:
    inside = front[(front < reference).all(axis=1)]
    ordered = inside[np.lexsort((inside[:, 1], inside[:, 0]))]
    # Strip i runs from left[i] to right[i]; in it everything above `ceiling` is beaten already.
    left = np.concatenate([[-np.inf], ordered[:, 0]])
    right = np.append(ordered[:, 0], reference[0])
    ceiling = np.concatenate([[reference[1]], np.minimum.accumulate(ordered[:, 1])])
    widths = np.maximum(0.0, right - np.maximum(left, points[:, :1]))  # (n_points, n_strips)
    return np.asarray((widths * np.maximum(0.0, ceiling - points[:, 1:])).sum(axis=1))


def unbeaten(front: Losses, ideal: Point, reference: Point, uniforms: Losses) -> Losses:
    """Of the places `ideal + u · (reference - ideal)`, those that no trial of the front beats."""
    places = ideal + uniforms * (reference - ideal)
    beaten = (front[:, None, :] <= places[None, :, :]).all(axis=2).any(axis=0)
    return np.asarray(places[~beaten])


# A loss this many times as far from the best as nine tenths of the trials are tells nothing about those.
OUTLIER = 4.0


def elite(losses: Losses, count: int) -> list[int]:
    """Indices of the `count` best trials: rank by rank, within a rank by greedy hypervolume.

    The reference is the worst loss of each objective, a tenth of the range further; far outliers behind
    the front do not count for it. Volumes are exact for up to two objectives.
    """
    if not len(losses):
        return []
    ranks = nondomination_ranks(losses)
    low, usual, worst = losses.min(axis=0), np.quantile(losses, 0.9, axis=0), losses.max(axis=0)
    high = np.minimum(worst, np.maximum(usual + OUTLIER * (usual - low), losses[ranks == 0].max(axis=0)))
    # In shares of the range: products of huge losses would overflow.
    losses = (losses - low) / np.maximum(high - low, 1e-9)
    reference = np.full(losses.shape[1], 1.1)
    subset = greedy_subset if losses.shape[1] <= 2 else greedy_cover
    chosen: list[int] = []
    for rank in range(int(ranks.max()) + 1):
        members = np.flatnonzero(ranks == rank)
        chosen.extend(int(members[n]) for n in subset(losses[members], count - len(chosen), reference))
        if len(chosen) >= count:
            break
    return chosen
