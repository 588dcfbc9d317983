"""A small Gaussian process that learns one loss from few points, in milliseconds.

Notation
    X, y    points (n, d) and standardised losses (n,)
    w       relevance of each coordinate, Σ w = 1
    k       (1 - a) · joint + a · additive, 1 at distance 0
    joint   Matérn 5/2 over r² = Σ w (x - x')² / ℓ²
    additive  Σ w · k₁(x, x'), one narrow kernel per coordinate
    a, ℓ, σ²  share of the additive kernel, length scale, noise

Many coordinates with a say of their own cannot be told from joint distances
after a hundred trials; a sum of functions of one coordinate each can, and
errors, times and sizes are nearly such sums. The joint kernel has the rest.

The relevance of a coordinate is its correlation ratio: the share of the
loss's variance that lies between bins of the coordinate, less what chance
would put there. It costs one pass where fitting a length scale each would
cost hundreds of matrix factorisations. ℓ, a, σ² and the power of w are chosen
one after the other by marginal likelihood, each from a few values.

Source: Rasmussen and Williams 2006, chapters 2 and 5; Duvenaud et al. 2011
(additive processes); Pearson 1905 (the ratio).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from threadpoolctl import ThreadpoolController

from cerebros.search.summary import Points

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# No coordinate is ruled out: what looks irrelevant may only have been tried too little.
RELEVANCE_FLOOR = 0.01

RELEVANCE_BINS = 6

# Places per coordinate at which the additive kernel looks; its width is the distance between two.
KNOTS = 8


class Prediction(NamedTuple):
    mean: Vector
    sd: Vector


class Settings(NamedTuple):
    """What the likelihood decides: ℓ, a, the power of w, σ²."""

    length: float
    share: float
    power: float
    noise: float


class Between(NamedTuple):
    """Of each pair of points, (n_points, n): Σ w (x - x')², and the additive kernel."""

    squares: Matrix
    additive: Matrix


DEFAULTS = Settings(2.0, 0.5, 1.0, 1e-3)

# In the order in which they are decided.
CHOICES: dict[str, tuple[float, ...]] = {
    "length": (0.5, 1.0, 2.0, 4.0),
    "share": (0.0, 0.5, 0.9),
    "power": (0.5, 1.0),
    "noise": (1e-3, 5e-2),
}


class Placed(NamedTuple):
    """Points, and what the additive kernel sees of them: (n, d · KNOTS) heights of bumps along each coordinate.

    A coordinate's bumps have length 1; their product is k₁.
    """

    points: Points
    features: Matrix


class Knots:
    """Where along each coordinate the additive kernel looks: between the ends of some points.

    Args:
        points: (n, d)
    """

    def __init__(self, points: Points) -> None:
        self._low = points.min(axis=0)
        self._spacing = np.maximum(points.max(axis=0) - self._low, 1e-9) / (KNOTS - 1)

    def place(self, points: Points) -> Placed:
        place = np.clip((points - self._low) / self._spacing, -1.0, KNOTS)
        bumps = np.exp(-0.5 * (place[:, :, None] - np.arange(KNOTS)) ** 2)  # (n, d, KNOTS)
        bumps /= np.sqrt((bumps**2).sum(axis=2, keepdims=True))
        return Placed(points, bumps.reshape(len(points), -1))


class Surrogate:
    """One loss over points, fitted once.

    Args:
        placed: n points; losses: (n,), finite.
    """

    def __init__(self, placed: Placed, losses: Vector) -> None:
        self._shift, self._scale = float(losses.mean()), float(losses.std()) or 1.0
        self._y = (losses - self._shift) / self._scale
        self._relevance = correlation_ratios(placed.points, self._y) + RELEVANCE_FLOOR
        self._known = placed
        self._settings, best = DEFAULTS, -math.inf
        between = {power: self._between(placed, power) for power in CHOICES["power"]}
        for name, values in CHOICES.items():
            for value in values:
                settings = self._settings._replace(**{name: value})
                if settings == self._settings and best > -math.inf:
                    continue
                factor, solved = self._factorised(between[settings.power], settings)
                likelihood = -0.5 * float(self._y @ solved) - float(np.log(np.diag(factor)).sum())
                if likelihood > best:
                    self._settings, best = settings, likelihood
                    self._factor, self._solved = factor, solved

    def believe(self, placed: Placed) -> None:
        """Count points in whose loss is not known yet, as if it came out as predicted: no news, less uncertainty."""
        believed = (self.predict(placed).mean - self._shift) / self._scale
        self._y = np.append(self._y, believed)
        self._known = Placed(*(np.concatenate(pair) for pair in zip(self._known, placed, strict=True)))
        between = self._between(self._known, self._settings.power)
        self._factor, self._solved = self._factorised(between, self._settings)

    def predict(self, placed: Placed) -> Prediction:
        """Mean and standard deviation at new points, (n_points,) each."""
        between = self._between(placed, self._settings.power)
        cross = _kernel(between, self._settings)  # (n_points, n)
        mean = cross @ self._solved
        reduced = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = np.maximum(1e-10, 1.0 - (reduced**2).sum(axis=0))
        return Prediction(self._shift + self._scale * mean, self._scale * np.sqrt(variance))

    def _factorised(self, between: Between, settings: Settings) -> tuple[Matrix, Vector]:
        covariance = _kernel(between, settings)
        covariance[np.diag_indices_from(covariance)] += settings.noise
        factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        return factor, cho_solve((factor, True), self._y, check_finite=False)

    def _between(self, placed: Placed, power: float) -> Between:
        """What the kernels of any ℓ and a are made of, between new points and the known ones."""
        weights = self._relevance**power
        weights = weights / weights.sum()
        weighted = placed.features * np.repeat(weights, KNOTS)
        squares = _squares(placed.points, self._known.points, weights)
        return Between(squares, np.asarray(weighted @ self._known.features.T))


# BLAS has one setting for the process: whoever left first would lift the limit for those still at work.
_ALONE = RLock()


@contextmanager
def on_one_thread() -> Iterator[None]:
    """A context in which BLAS keeps to its caller's thread; one thread at a time is in it.

    Matrices of a hundred rows leave a second thread nothing to do but wait for the first, and on busy
    cores it waits long: a proposal that takes 0.05 s took 0.9 to 3 s [docs/LOG.md].
    """
    with _ALONE, _thread_pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


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


def _kernel(between: Between, settings: Settings) -> Matrix:
    joint = _matern(between.squares / settings.length**2)
    return np.asarray((1.0 - settings.share) * joint + settings.share * between.additive)


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
    away = losses - centre
    furthest = np.maximum(np.abs(away).max(axis=0), 1e-300)  # in units of it, squares of huge losses stay finite
    unit = np.where(unit > 1e-12, unit, np.maximum(furthest * (away / furthest).std(axis=0), 1e-12))
    return np.arcsinh(away / unit), centre, unit


def unwarp(warped: NDArray[np.float64], centre: Vector, unit: Vector) -> NDArray[np.float64]:
    return np.asarray(centre + unit * np.sinh(np.clip(warped, -math.log(1e12), math.log(1e12))))
