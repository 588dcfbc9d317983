"""Which of many candidates to train: the one expected to add most hypervolume.

A Gaussian process per objective predicts the losses of each candidate;
samples of its prediction give the expected gain. The best candidates are then
nudged and screened again, a few times, with ever smaller steps.

Source: Emmerich et al. 2006 (expected hypervolume improvement); here over
candidates the Parzen densities propose, by Monte Carlo.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cerebros.hypervolume import gains, unbeaten
from cerebros.pareto import Losses, nondominated
from cerebros.scale import Codes
from cerebros.site_table import SiteTable
from cerebros.summary import Summary
from cerebros.surrogate import Surrogate, unwarp, warp

# Samples of each candidate's losses; their error is well below the differences between candidates.
SAMPLES = 32

# Places that stand for the unbeaten volume where there are more than two objectives.
PROBES = 600

Gains = NDArray[np.float64]


class Screen:
    """Expected hypervolume gains, from trials that were measured.

    Args:
        rows: (n_trials, n_columns) of `SiteTable.rows`.
        losses: (n_trials, n_objectives), finite.
        pending: rows of trials still running; the model believes its own prediction of them.
    """

    def __init__(self, table: SiteTable, rows: Codes, losses: Losses, pending: Codes, generator: Generator) -> None:
        warped, self._centre, self._unit = warp(losses)
        self._summary = Summary(table, rows)
        points = self._summary.points(rows)
        self._models = [Surrogate(points, warped[:, m]) for m in range(losses.shape[1])]
        front = losses[nondominated(losses)]
        self._reference = reference_point(losses)
        if len(pending):
            believed = np.stack([model.predict(self._summary.points(pending)).mean for model in self._models], axis=1)
            front = np.concatenate([front, unwarp(believed, self._centre, self._unit)])
        self._front = front
        self._noise = generator.standard_normal((SAMPLES, losses.shape[1]))
        ideal = front.min(axis=0) - 0.1 * (self._reference - front.min(axis=0))
        self._probes = (
            unbeaten(front, ideal, self._reference, generator.uniform(size=(PROBES, losses.shape[1])))
            if losses.shape[1] > 2
            else None
        )

    def expected_gains(self, rows: Codes) -> Gains:
        """(n_candidates,) mean gain over samples of each candidate's predicted losses."""
        points = self._summary.points(rows)
        predicted = [model.predict(points) for model in self._models]
        mean = np.stack([prediction.mean for prediction in predicted], axis=1)
        sd = np.stack([prediction.sd for prediction in predicted], axis=1)
        samples = unwarp(mean[:, None] + sd[:, None] * self._noise, self._centre, self._unit)  # (n, samples, m)
        flat = gains(samples.reshape(-1, samples.shape[2]), self._front, self._reference, self._probes)
        # The last term orders candidates that no sample saw gain anything.
        return np.asarray(flat.reshape(len(rows), -1).mean(axis=1) - 1e-12 * mean.sum(axis=1))


def reference_point(losses: Losses) -> NDArray[np.float64]:
    """A tenth beyond the losses that all but the worst tenth of the trials keep to, and beyond the whole front.

    A reference just beyond the front would give its ends nothing to gain by
    reaching further; the very worst trial, diverging, would be all that counts.
    """
    front = losses[nondominated(losses)]
    low, high = front.min(axis=0), np.maximum(front.max(axis=0), np.quantile(losses, 0.9, axis=0))
    return np.asarray(high + 0.1 * np.maximum(high - low, 1e-9))
