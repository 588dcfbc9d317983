"""Which of many candidates to train: the one expected to add most hypervolume.

A Gaussian process per objective predicts the losses of each candidate;
samples of its prediction give the expected gain. The best candidates are then
nudged and screened again, a few times, with ever smaller steps.

Source: Emmerich et al. 2006 (expected hypervolume improvement); here over
candidates the Parzen densities propose, by Monte Carlo.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cerebros.search.hypervolume import Point, gains, unbeaten
from cerebros.search.pareto import Losses, nondominated
from cerebros.search.site_table import SiteTable
from cerebros.search.summary import Points, Summary
from cerebros.search.surrogate import Knots, Placed, Surrogate, unwarp, warp
from cerebros.space.edits import Edits, Sites
from cerebros.space.scale import Codes

# Samples of each candidate's losses; their error is well below the differences between candidates.
SAMPLES = 32

# Places that stand for the unbeaten volume where there are more than two objectives.
PROBES = 600

# Steps, in shares of a decision's range, by which the best candidates are nudged;
# in each round the best few, some times each.
NUDGES = (0.2, 0.1, 0.05, 0.02, 0.01)
NUDGED = 5
NUDGES_EACH = 8

Gains = NDArray[np.float64]
Fidelities = NDArray[np.float64]


class Screen:
    """Expected hypervolume gains, from trials that were measured.

    Args:
        rows: (n_trials, n_columns) of `SiteTable.rows`.
        losses: (n_trials, n_objectives), finite.
        reference: the point hypervolume is measured from.
        fidelities: (n_trials,) how much of a whole evaluation each was, else all; candidates are whole ones.
    """

    def __init__(
        self, table: SiteTable, rows: Codes, losses: Losses, reference: Point, fidelities: Fidelities | None = None
    ) -> None:
        warped, self._centre, self._unit = warp(losses)
        self._summary = Summary(table, rows)
        fidelities = np.ones(len(rows)) if fidelities is None else fidelities
        self._part = bool(np.ptp(fidelities))
        points = self._with_fidelity(self._summary.points(rows), fidelities)
        self._knots = Knots(points)
        placed = self._knots.place(points)
        self._models = [Surrogate(placed, warped[:, m]) for m in range(losses.shape[1])]
        self._front, self._reference = losses[nondominated(losses)], reference

    def believe(self, rows: Codes) -> None:
        """Count trials still running as if they came out as predicted, so that a batch spreads out."""
        placed = self._whole(rows)
        believed = np.stack([model.predict(placed).mean for model in self._models], axis=1)
        self._front = np.concatenate([self._front, unwarp(believed, self._centre, self._unit)])
        for model in self._models:
            model.believe(placed)

    def _whole(self, rows: Codes) -> Placed:
        return self._knots.place(self._with_fidelity(self._summary.points(rows), np.ones(len(rows))))

    def _with_fidelity(self, points: Points, fidelities: Fidelities) -> Points:
        """One coordinate more where fidelities differ, a logarithm: what tripling the epochs gains is much alike."""
        return np.column_stack([points, np.log(fidelities)]) if self._part else points

    def sample(self, generator: Generator) -> None:
        """Draw the noise, and where there are more than two objectives the places, that gains are estimated by."""
        objectives = len(self._models)
        self._noise = generator.standard_normal((SAMPLES, objectives))
        ideal = self._front.min(axis=0)
        ideal = np.minimum(ideal, self._reference) - 0.1 * np.abs(self._reference - ideal)
        self._probes = (
            unbeaten(self._front, ideal, self._reference, generator.uniform(size=(PROBES, objectives)))
            if objectives > 2
            else None
        )

    def expected_gains(self, rows: Codes, known: Losses | None = None) -> Gains:
        """(n_candidates,) mean gain over samples of each candidate's predicted losses.

        Args:
            known: (n_candidates, n_objectives) losses that need no prediction, NaN where they do.
        """
        placed = self._whole(rows)
        predicted = [model.predict(placed) for model in self._models]
        mean = np.stack([prediction.mean for prediction in predicted], axis=1)
        sd = np.stack([prediction.sd for prediction in predicted], axis=1)
        samples = unwarp(mean[:, None] + sd[:, None] * self._noise, self._centre, self._unit)  # (n, samples, m)
        expected = unwarp(mean, self._centre, self._unit)
        if known is not None:
            samples = np.where(np.isnan(known)[:, None], samples, known[:, None])
            expected = np.where(np.isnan(known), expected, known)
        flat = gains(samples.reshape(-1, samples.shape[2]), self._front, self._reference, self._probes)
        # Candidates that no sample saw gain anything are ordered by how far they miss the reference, then by losses.
        miss = np.maximum(0.0, expected - self._reference) / self._unit
        last = 1e-12 * (mean.sum(axis=1) + 1e3 * miss.sum(axis=1))
        return np.asarray(flat.reshape(len(rows), -1).mean(axis=1) - last)


def by_gain(
    drawn: list[Sites],
    screen: Screen,
    table: SiteTable,
    edits: Edits,
    generator: Generator,
    known: Callable[[list[Sites]], Losses | None] = lambda _: None,
) -> list[Sites]:
    """Candidates by expected gain, the best of them nudged again and again; `screen.sample` was called before.

    Args:
        known: losses of candidates that need no prediction, as `expected_gains` takes them.
    """
    rows = table.rows(drawn)
    gains = screen.expected_gains(rows, known(drawn))
    for step in NUDGES:
        promising = [int(n) for n in np.argsort(-gains, kind="stable")[:NUDGED] for _ in range(NUDGES_EACH)]
        changes = [edits.nudge(drawn[n], step, generator) for n in promising]
        nudged = [drawn[n] | change for n, change in zip(promising, changes, strict=True)]
        moved = np.stack([table.changed(rows[n], c) for n, c in zip(promising, changes, strict=True)])
        drawn, rows = drawn + nudged, np.concatenate([rows, moved])
        gains = np.append(gains, screen.expected_gains(moved, known(nudged)))
    return [drawn[n] for n in np.argsort(-gains, kind="stable")]
