"""A small Gaussian process that learns one loss from few points, in milliseconds.

Notation
    X, y    points (n, d) and standardised losses (n,)
    w       relevance of each coordinate, Σ w = 1
    k       Matérn 5/2 over r² = Σ w (x - x')² / ℓ²
    ℓ, σ²   length scale and noise

The relevance of a coordinate is its correlation ratio: the share of the
loss's variance that lies between bins of the coordinate, less what chance
would put there. It costs one pass where fitting a length scale each would
cost hundreds of matrix factorisations. ℓ, σ² and the power of w are those of
a small grid with the largest marginal likelihood.

Source: Rasmussen and Williams 2006, chapters 2 and 5; Pearson 1905 (the ratio).
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from cerebros.summary import Points

Vector = NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0, 4.0)
NOISES = (1e-4, 1e-2, 1e-1)
POWERS = (0.5, 1.0)

# No coordinate is ruled out: what looks irrelevant may only have been tried too little.
RELEVANCE_FLOOR = 0.01

RELEVANCE_BINS = 6


class Prediction(NamedTuple):
    mean: Vector
    sd: Vector


class _Fit(NamedTuple):
    likelihood: float
    weights: Vector
    factor: NDArray[np.float64]
    solved: Vector


class Surrogate:
    """One loss over points, fitted once.

    Args:
        points: (n, d); losses: (n,), finite.
    """

    def __init__(self, points: Points, losses: Vector) -> None:
        self._points = points
        self._shift, self._scale = float(losses.mean()), float(losses.std()) or 1.0
        y = (losses - self._shift) / self._scale
        relevance = correlation_ratios(points, y) + RELEVANCE_FLOOR
        self._best: _Fit | None = None
        for power in POWERS:
            weights = relevance**power / (relevance**power).sum() if len(relevance) else relevance
            squares = _squares(points, points, weights)
            for length, noise in product(LENGTHS, NOISES):
                self._keep_if_better(squares / length**2, weights / length**2, noise, y)

    def predict(self, points: Points) -> Prediction:
        """Mean and standard deviation at new points, (n_points,) each."""
        assert self._best is not None
        cross = _matern(_squares(points, self._points, self._best.weights))  # (n_points, n)
        mean = cross @ self._best.solved
        reduced = solve_triangular(self._best.factor, cross.T, lower=True, check_finite=False)
        variance = np.maximum(1e-10, 1.0 - (reduced**2).sum(axis=0))
        return Prediction(self._shift + self._scale * mean, self._scale * np.sqrt(variance))

    def _keep_if_better(self, squares: Points, weights: Vector, noise: float, y: Vector) -> None:
        covariance = _matern(squares)
        covariance[np.diag_indices_from(covariance)] += noise
        factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        solved = cho_solve((factor, True), y, check_finite=False)
        likelihood = -0.5 * float(y @ solved) - float(np.log(np.diag(factor)).sum())
        if self._best is None or likelihood > self._best.likelihood:
            self._best = _Fit(likelihood, weights, factor, solved)


def correlation_ratios(points: Points, losses: Vector) -> Vector:
    """(d,) share of the losses' variance between bins of each coordinate, chance taken off, in [0, 1]."""
    n, d = points.shape
    ratios = np.zeros(d)
    total = float(((losses - losses.mean()) ** 2).sum())
    if total <= 0.0:
        return ratios
    for coordinate in range(d):
        values = points[:, coordinate]
        cuts = np.unique(np.quantile(values, np.linspace(0, 1, RELEVANCE_BINS + 1)[1:-1]))
        bins = np.searchsorted(cuts, values, side="right")
        counts = np.bincount(bins)
        sums = np.bincount(bins, losses)
        used = counts > 0
        between = float((sums[used] ** 2 / counts[used]).sum()) - n * float(losses.mean()) ** 2
        chance = (int(used.sum()) - 1) / max(1, n - 1)
        ratios[coordinate] = max(0.0, (between / total - chance) / max(1e-9, 1.0 - chance))
    return ratios


def _squares(a: Points, b: Points, weights: Vector) -> Points:
    """(n_a, n_b) weighted squared distances."""
    scaled_a, scaled_b = a * np.sqrt(weights), b * np.sqrt(weights)
    squares = (scaled_a**2).sum(axis=1)[:, None] + (scaled_b**2).sum(axis=1) - 2.0 * scaled_a @ scaled_b.T
    return np.asarray(np.maximum(0.0, squares))


def _matern(squares: Points) -> Points:
    r = np.sqrt(5.0 * squares)
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))


def warp(losses: NDArray[np.float64]) -> tuple[NDArray[np.float64], Vector, Vector]:
    """Losses with long tails drawn in, and the centre and unit to undo it with `unwarp`; per objective."""
    centre = np.median(losses, axis=0)
    unit = np.maximum(np.quantile(losses, 0.75, axis=0) - np.quantile(losses, 0.25, axis=0), 1e-12)
    unit = np.where(unit > 1e-12, unit, np.maximum(losses.std(axis=0), 1e-12))
    return np.arcsinh((losses - centre) / unit), centre, unit


def unwarp(warped: NDArray[np.float64], centre: Vector, unit: Vector) -> NDArray[np.float64]:
    return np.asarray(centre + unit * np.sinh(np.clip(warped, -math.log(1e12), math.log(1e12))))
