"""Hypervolume of a set of trials, hypervolume improvement of one trial more, and subsets that keep most of it.

Notation
    y       losses of one trial, (n_objectives,), smaller is better
    r       reference point: only what lies below it in every objective counts
    HV(S)   volume of the union over y in S of the boxes [y, r]
    HVI(y)  HV(S ∪ {y}) - HV(S), the hypervolume improvement of y over S

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

from cerebros.search.pareto import Losses, nondominated, nondomination_ranks, tamed

Point = NDArray[np.float64]


def hypervolume(losses: Losses, reference: Point) -> float:
    """Compute the exact volume between the trials and the reference point.

    Args:
        losses: (n_trials, n_objectives), smaller is better, finite.
        reference: (n_objectives,)

    Returns:
        The volume, 0.0 when no trial lies below the reference point.

    Source: While et al. 2006. O(n log n) for two objectives, O(n^(m-1)) slices for m.
    """
    inside = losses[(losses < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    if inside.shape[1] == 2:
        return _area(inside, reference)
    ordered = np.unique(inside[nondominated(inside)], axis=0)
    ordered = ordered[np.argsort(ordered[:, -1], kind="stable")]
    depths = np.diff(np.append(ordered[:, -1], reference[-1]))
    # Between two values of the last objective, the trials below the first make a volume of one dimension less.
    return sum(
        float(depth) * hypervolume(ordered[: n + 1, :-1], reference[:-1]) for n, depth in enumerate(depths) if depth > 0
    )


def _area(losses: Losses, reference: Point) -> float:
    ordered = losses[np.lexsort((losses[:, 1], losses[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    widths = np.diff(np.append(ordered[:, 0], reference[0]))
    return float((widths * (reference[1] - lowest)).sum())


def greedy_subset(losses: Losses, count: int, reference: Point) -> list[int]:
    """Choose up to `count` trials, each with the largest hypervolume improvement over those chosen before.

    Exact. Improvements only shrink as the subset grows, so a trial's last
    known improvement bounds the present one and most need no new computation.
    With more than two objectives each computation costs one `hypervolume`.

    Args:
        losses: (n_trials, n_objectives), smaller is better, finite.
        reference: (n_objectives,)

    Returns:
        Indices into `losses`, in the order chosen.

    Source: Nemhauser et al. 1978.
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
        improvement = hypervolume(losses[[*chosen, n]], reference) - volume
        fresh[n] = len(chosen)
        heapq.heappush(bounds, (-improvement, n))
    return chosen


def greedy_cover(losses: Losses, count: int, reference: Point) -> list[int]:
    """Choose trials as `greedy_subset` does, with volumes estimated by quasi-Monte Carlo.

    A volume is the share of `PLACES` Halton points that the trials beat. Each
    choice takes O(n_trials · PLACES) for any number of objectives.

    Args:
        losses: (n_trials, n_objectives), smaller is better, finite.
        reference: (n_objectives,)

    Returns:
        Indices into `losses`, in the order chosen.
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
    """Compute the hypervolume of the first n trials, `tamed`, for each n.

    Exact for one and two objectives. For more it is estimated by the share of
    `PLACES` Halton points that the trials beat, in O(n_trials · PLACES).

    Args:
        losses: (n_trials, n_objectives), smaller is better, finite.
        reference: (n_objectives,)

    Returns:
        (n_trials,) volumes that never fall.
    """
    if not len(losses):
        return np.zeros(0)
    losses = tamed(losses)
    if losses.shape[1] <= 2:
        return np.cumsum(_successive_improvements(losses, reference))
    low = losses.min(axis=0)
    beats = _beats(losses, low + _spread(losses.shape[1]) * (reference - low))
    return np.asarray(np.logical_or.accumulate(beats).mean(axis=1) * np.maximum(0.0, reference - low).prod())


def _successive_improvements(losses: Losses, reference: Point) -> NDArray[np.float64]:
    """Compute each trial's hypervolume improvement over those before it, (n_trials,).

    A trial without an improvement is left out of later computations.
    """
    added = np.zeros(len(losses))
    for n in range(len(losses)):
        (added[n],) = improvements(losses[[n]], losses[:n][added[:n] > 0], reference)
    return added


def _beats(losses: Losses, places: Losses) -> NDArray[np.bool_]:
    """Mark where a trial is no worse than a place in every objective, (n_trials, n_places)."""
    beats = np.ones((len(losses), len(places)), dtype=bool)
    for objective in range(losses.shape[1]):
        beats &= losses[:, objective, None] <= places[:, objective]
    return beats


# Points by which volumes are estimated: one trial adds some hundredths of the whole to a few dozen others.
PLACES = 4096


@cache
def _spread(objectives: int) -> Losses:
    """Return the first `PLACES` Halton points of the unit cube, (PLACES, objectives)."""
    return np.asarray(Halton(objectives, scramble=False).random(PLACES))


def improvements(
    points: Losses, pareto_losses: Losses, reference: Point, probes: Losses | None = None
) -> NDArray[np.float64]:
    """Compute the hypervolume improvement of each point alone.

    Exact for one and two objectives. For more it is the share of `probes`
    that the point beats, which is proportional to the improvement.

    Args:
        points: (n_points, n_objectives)
        pareto_losses: (n, n_objectives) losses of the Pareto set.
        reference: (n_objectives,)
        probes: (n_probes, n_objectives) from `unbeaten`; needed for three objectives and more.

    Returns:
        (n_points,) improvements, 0.0 for a point that adds nothing.
    """
    objectives = points.shape[1]
    if objectives == 1:
        return np.asarray(np.maximum(0.0, min(pareto_losses.min(initial=np.inf), reference[0]) - points[:, 0]))
    if objectives == 2:
        return _strip_improvements(points, pareto_losses, reference)
    if probes is None or not len(probes):
        return np.zeros(len(points))
    return np.asarray(_beats(points, probes).mean(axis=1))


def _strip_improvements(points: Losses, pareto_losses: Losses, reference: Point) -> NDArray[np.float64]:
    inside = pareto_losses[(pareto_losses < reference).all(axis=1)]
    ordered = inside[np.lexsort((inside[:, 1], inside[:, 0]))]
    # Strip i runs from left[i] to right[i]; in it everything above `ceiling` is beaten already.
    left = np.concatenate([[-np.inf], ordered[:, 0]])
    right = np.append(ordered[:, 0], reference[0])
    ceiling = np.concatenate([[reference[1]], np.minimum.accumulate(ordered[:, 1])])
    widths = np.maximum(0.0, right - np.maximum(left, points[:, :1]))  # (n_points, n_strips)
    return np.asarray((widths * np.maximum(0.0, ceiling - points[:, 1:])).sum(axis=1))


def unbeaten(pareto_losses: Losses, ideal: Point, reference: Point, uniforms: Losses) -> Losses:
    """Return the points between `ideal` and `reference` that no trial of the Pareto set beats.

    Args:
        pareto_losses: (n, n_objectives) losses of the Pareto set.
        ideal, reference: (n_objectives,)
        uniforms: (n_places, n_objectives) in [0, 1], where the points lie between the two.

    Returns:
        (n_unbeaten, n_objectives)
    """
    places = ideal + uniforms * (reference - ideal)
    beaten = (pareto_losses[:, None, :] <= places[None, :, :]).all(axis=2).any(axis=0)
    return np.asarray(places[~beaten])


# A loss is an outlier when it lies this many times as far beyond the 0.9 quantile as that lies from the best.
OUTLIER = 4.0


def elite(losses: Losses, count: int) -> list[int]:
    """Choose the `count` best trials, by nondomination rank and within a rank by greedy hypervolume.

    The reference point lies a tenth of the range beyond the worst loss of each
    objective, far outliers outside the Pareto set left out. Volumes are exact
    for up to two objectives.

    Args:
        losses: (n_trials, n_objectives), smaller is better, finite.

    Returns:
        Indices into `losses`, best first.

    Raises:
        ValueError: a loss is NaN or infinite.

    Source: Ozaki et al. 2020.
    """
    if not len(losses):
        return []
    losses = tamed(losses)
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
