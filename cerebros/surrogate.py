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
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from cerebros.summary import Points

Vector = NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0, 4.0)
NOISES = (1e-3, 5e-2)
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
        self._best = max(_fits(points, y), key=lambda fit: fit.likelihood)

    def predict(self, points: Points) -> Prediction:
        """Mean and standard deviation at new points, (n_points,) each."""
        cross = _matern(_squares(points, self._points, self._best.weights))  # (n_points, n)
        mean = cross @ self._best.solved
        reduced = solve_triangular(self._best.factor, cross.T, lower=True, check_finite=False)
        variance = np.maximum(1e-10, 1.0 - (reduced**2).sum(axis=0))
        return Prediction(self._shift + self._scale * mean, self._scale * np.sqrt(variance))


def _fits(points: Points, y: Vector) -> Iterator[_Fit]:
    relevance = correlation_ratios(points, y) + RELEVANCE_FLOOR
    for power in POWERS:
        weights = relevance**power / (relevance**power).sum()
        squares = _squares(points, points, weights)
        for length, noise in product(LENGTHS, NOISES):
            covariance = _matern(squares / length**2)
            covariance[np.diag_indices_from(covariance)] += noise
            factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
            solved = cho_solve((factor, True), y, check_finite=False)
            likelihood = -0.5 * float(y @ solved) - float(np.log(np.diag(factor)).sum())
            yield _Fit(likelihood, weights / length**2, factor, solved)


def correlation_ratios(points: Points, losses: Vector) -> Vector:
    """(d,) share of the losses' variance between bins of each coordinate, chance taken off, in [0, 1]."""
    n, d = points.shape
    total = float(((losses - losses.mean()) ** 2).sum())
    if total <= 0.0 or d == 0:
        return np.zeros(d)
    cuts = np.quantile(points, np.linspace(0, 1, RELEVANCE_BINS + 1)[1:-1], axis=0)
    bins = (points[None] >= cuts[:, None]).sum(axis=0)  # (n, d)
    between, used = np.full(d, -n * float(losses.mean()) ** 2), np.zeros(d)
    for place in range(RELEVANCE_BINS):
        inside = bins == place
        counts = inside.sum(axis=0)
        between += (losses @ inside) ** 2 / np.maximum(1, counts)
        used += counts > 0
    chance = (used - 1) / max(1, n - 1)
    return np.asarray(np.clip((between / total - chance) / np.maximum(1e-9, 1.0 - chance), 0.0, 1.0))


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
