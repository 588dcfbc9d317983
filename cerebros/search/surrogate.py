"""A Gaussian process that learns one loss from a hundred or so points, in milliseconds.

Notation
    X, y    points (n, d) and standardised losses (n,)
    w       relevance of each coordinate, Σ w = 1
    k       (1 - a) · joint + a · additive, 1 at distance 0
    joint   Matérn 5/2 over r² = Σ w (x - x')² / ℓ²
    additive  Σ w · k₁(x, x'), one narrow kernel per coordinate
    φ       RBF features of one coordinate, (N_CENTRES,), |φ| = 1; k₁ = φ(x) · φ(x')
    a, ℓ, σ²  share of the additive kernel, length scale, noise

A hundred trials are too few to tell from joint distances what each of many
coordinates does. They are enough to learn a sum of functions of one
coordinate each, and errors, times and sizes are nearly such sums. The joint
kernel learns the interactions.

The relevance of a coordinate is its correlation ratio: the share of the
loss's variance that lies between bins of the coordinate, less the share
expected by chance. It costs one pass, where fitting a length scale for each
coordinate would cost hundreds of matrix factorisations. ℓ, a, σ² and the
power of w are chosen one after the other by marginal likelihood, each from a
few values.

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

# No coordinate is ruled out: one that looks irrelevant may only have been tried too little.
RELEVANCE_FLOOR = 0.01

RELEVANCE_BINS = 6

# RBF centres per coordinate; the width of an RBF is the distance between two centres.
N_CENTRES = 8


class Prediction(NamedTuple):
    """Mean and standard deviation of a loss at some points, (n_points,) each."""

    mean: Vector
    sd: Vector


class Settings(NamedTuple):
    """Hyperparameters chosen by marginal likelihood: ℓ, a, the power of w, σ²."""

    length: float
    share: float
    power: float
    noise: float


class Between(NamedTuple):
    """Σ w (x - x')² and the additive kernel of each pair of points, (n_points, n) each."""

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


class FeaturedPoints(NamedTuple):
    """Points, (n, d), and their RBF features, (n, d · N_CENTRES)."""

    points: Points
    features: Matrix


class RbfFeatures:
    """Radial basis functions along each coordinate, with centres spread evenly over the range of some points.

    Args:
        points: (n, d)
    """

    def __init__(self, points: Points) -> None:
        self._low = points.min(axis=0)
        self._spacing = np.maximum(points.max(axis=0) - self._low, 1e-9) / (N_CENTRES - 1)

    def transform(self, points: Points) -> FeaturedPoints:
        """Compute the RBF features of points, (n, d); those of one coordinate have Euclidean norm 1."""
        place = np.clip((points - self._low) / self._spacing, -1.0, N_CENTRES)
        heights = np.exp(-0.5 * (place[:, :, None] - np.arange(N_CENTRES)) ** 2)  # (n, d, N_CENTRES)
        heights /= np.sqrt((heights**2).sum(axis=2, keepdims=True))
        return FeaturedPoints(points, heights.reshape(len(points), -1))


class Surrogate:
    """A Gaussian process of one loss, fitted when it is made.

    Args:
        observed: n points.
        losses: (n,), finite.

    Source: Rasmussen and Williams 2006.
    """

    def __init__(self, observed: FeaturedPoints, losses: Vector) -> None:
        self._shift, self._scale = float(losses.mean()), float(losses.std()) or 1.0
        self._y = (losses - self._shift) / self._scale
        self._relevance = correlation_ratios(observed.points, self._y) + RELEVANCE_FLOOR
        self._known = observed
        self._settings, best = DEFAULTS, -math.inf
        between = {power: self._between(observed, power) for power in CHOICES["power"]}
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

    def add_fantasies(self, pending: FeaturedPoints) -> None:
        """Condition on points whose loss is unknown as if it were the predicted mean.

        Predicted means stay as they are; the uncertainty around the points falls.

        Source: Ginsbourger et al. 2010.
        """
        fantasies = (self.predict(pending).mean - self._shift) / self._scale
        self._y = np.append(self._y, fantasies)
        self._known = FeaturedPoints(*(np.concatenate(pair) for pair in zip(self._known, pending, strict=True)))
        between = self._between(self._known, self._settings.power)
        self._factor, self._solved = self._factorised(between, self._settings)

    def predict(self, new: FeaturedPoints) -> Prediction:
        """Predict the loss at new points."""
        between = self._between(new, self._settings.power)
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

    def _between(self, new: FeaturedPoints, power: float) -> Between:
        """Compute the parts of the kernel that do not depend on ℓ and a, between new points and the known ones."""
        weights = self._relevance**power
        weights = weights / weights.sum()
        weighted = new.features * np.repeat(weights, N_CENTRES)
        squares = _squares(new.points, self._known.points, weights)
        return Between(squares, np.asarray(weighted @ self._known.features.T))


# BLAS has one setting for the process: the first thread to leave would lift the limit for those still at work.
_ALONE = RLock()


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Keep BLAS to the caller's thread within a context; only one thread may be in it at a time.

    Matrices of a hundred rows are too small to share out: a second BLAS thread mostly waits for the first,
    and on busy cores it waits long. A proposal that takes 0.05 s took 0.9 to 3 s [docs/LOG.md].
    """
    with _ALONE, _thread_pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def correlation_ratios(points: Points, losses: Vector) -> Vector:
    """Compute the share of the losses' variance that lies between bins of each coordinate.

    The share expected by chance is subtracted.

    Args:
        points: (n, d)
        losses: (n,)

    Returns:
        (d,) in [0, 1].

    Source: Pearson 1905.
    """
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
    """Compute weighted squared distances, (n_a, n_b)."""
    scaled_a, scaled_b = a * np.sqrt(weights), b * np.sqrt(weights)
    squares = (scaled_a**2).sum(axis=1)[:, None] + (scaled_b**2).sum(axis=1) - 2.0 * scaled_a @ scaled_b.T
    return np.asarray(np.maximum(0.0, squares))


def _matern(squares: Points) -> Points:
    r = np.sqrt(5.0 * squares)
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))


def warp(losses: NDArray[np.float64]) -> tuple[NDArray[np.float64], Vector, Vector]:
    """Draw in the long tails of losses, by asinh around the median in units of the interquartile range.

    Args:
        losses: (n, n_objectives), finite.

    Returns:
        The warped losses, and per objective the centre and the unit that `unwarp` takes.
    """
    centre = np.median(losses, axis=0)
    unit = np.maximum(np.quantile(losses, 0.75, axis=0) - np.quantile(losses, 0.25, axis=0), 1e-12)
    away = losses - centre
    furthest = np.maximum(np.abs(away).max(axis=0), 1e-300)  # in units of it, squares of huge losses stay finite
    unit = np.where(unit > 1e-12, unit, np.maximum(furthest * (away / furthest).std(axis=0), 1e-12))
    return np.arcsinh(away / unit), centre, unit


def unwarp(warped: NDArray[np.float64], centre: Vector, unit: Vector) -> NDArray[np.float64]:
    """Undo `warp`; its last axis is the objectives."""
    return np.asarray(centre + unit * np.sinh(np.clip(warped, -math.log(1e12), math.log(1e12))))
