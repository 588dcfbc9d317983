"""Rank candidates by expected hypervolume improvement (EHVI).

A Gaussian process per objective predicts the losses of each candidate; the
mean hypervolume improvement of samples from its prediction is the EHVI. The
best candidates are then nudged and ranked again, a few times, with ever
smaller steps.

Source: Emmerich et al. 2006 (EHVI); here by Monte Carlo, over candidates that
the Parzen densities propose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cerebros.search.hypervolume import Point, improvements, unbeaten
from cerebros.search.pareto import Losses, nondominated
from cerebros.search.site_table import SiteTable
from cerebros.search.summary import Points, Summary
from cerebros.search.surrogate import FeaturedPoints, RbfFeatures, Surrogate, unwarp, warp
from cerebros.space.edits import Edits, Sites
from cerebros.space.scale import Codes

# Samples of each candidate's losses; their error is well below the differences between candidates.
SAMPLES = 32

# Random points that stand for the unbeaten volume where there are more than two objectives.
PROBES = 600

# Steps, in shares of a decision's range, by which the best NUDGED candidates are nudged, NUDGES_EACH times each;
# one round for each step.
NUDGES = (0.2, 0.1, 0.05, 0.02, 0.01)
NUDGED = 5
NUDGES_EACH = 8

Ehvi = NDArray[np.float64]
Fidelities = NDArray[np.float64]


class Screen:
    """Estimates the EHVI of candidates from trials that were measured.

    Args:
        rows: (n_trials, n_columns) of `SiteTable.rows`.
        losses: (n_trials, n_objectives), finite.
        reference: (n_objectives,) the point from which hypervolume is measured.
        fidelities: (n_trials,) share of a whole evaluation that each trial was; all are whole when None.
            Candidates are judged as whole evaluations.
    """

    def __init__(
        self, table: SiteTable, rows: Codes, losses: Losses, reference: Point, fidelities: Fidelities | None = None
    ) -> None:
        warped, self._centre, self._unit = warp(losses)
        self._summary = Summary(table, rows)
        fidelities = np.ones(len(rows)) if fidelities is None else fidelities
        self._part = bool(np.ptp(fidelities))
        points = self._with_fidelity(self._summary.points(rows), fidelities)
        self._rbf = RbfFeatures(points)
        observed = self._rbf.transform(points)
        self._models = [Surrogate(observed, warped[:, m]) for m in range(losses.shape[1])]
        self._pareto_losses, self._reference = losses[nondominated(losses)], reference

    def add_fantasies(self, rows: Codes) -> None:
        """Count pending trials as if their losses were the predicted ones, so that a batch spreads out.

        Args:
            rows: (n_pending, n_columns) of `SiteTable.rows`.

        Source: Ginsbourger et al. 2010.
        """
        pending = self._whole(rows)
        fantasies = np.stack([model.predict(pending).mean for model in self._models], axis=1)
        self._pareto_losses = np.concatenate([self._pareto_losses, unwarp(fantasies, self._centre, self._unit)])
        for model in self._models:
            model.add_fantasies(pending)

    def _whole(self, rows: Codes) -> FeaturedPoints:
        """Return trees as points at the fidelity of a whole evaluation."""
        return self._rbf.transform(self._with_fidelity(self._summary.points(rows), np.ones(len(rows))))

    def _with_fidelity(self, points: Points, fidelities: Fidelities) -> Points:
        """Add the logarithm of the fidelity as a coordinate where fidelities differ.

        On a logarithmic scale, as tripling the epochs lowers losses about equally from wherever it starts.
        """
        return np.column_stack([points, np.log(fidelities)]) if self._part else points

    def sample(self, generator: Generator) -> None:
        """Draw the random numbers of the Monte Carlo estimate; call it before `ehvi`."""
        objectives = len(self._models)
        self._noise = generator.standard_normal((SAMPLES, objectives))
        ideal = self._pareto_losses.min(axis=0)
        ideal = np.minimum(ideal, self._reference) - 0.1 * np.abs(self._reference - ideal)
        self._probes = (
            unbeaten(self._pareto_losses, ideal, self._reference, generator.uniform(size=(PROBES, objectives)))
            if objectives > 2
            else None
        )

    def ehvi(self, rows: Codes, known: Losses | None = None) -> Ehvi:
        """Estimate the expected hypervolume improvement of candidates.

        Args:
            rows: (n_candidates, n_columns) of `SiteTable.rows`.
            known: (n_candidates, n_objectives) losses that need no prediction, NaN for the others.

        Returns:
            (n_candidates,) means over `SAMPLES` samples of the predicted losses. Candidates of which no
            sample is an improvement get tiny negative values, larger for those nearer to the reference.
        """
        candidates = self._whole(rows)
        predicted = [model.predict(candidates) for model in self._models]
        mean = np.stack([prediction.mean for prediction in predicted], axis=1)
        sd = np.stack([prediction.sd for prediction in predicted], axis=1)
        samples = unwarp(mean[:, None] + sd[:, None] * self._noise, self._centre, self._unit)  # (n, samples, m)
        expected = unwarp(mean, self._centre, self._unit)
        if known is not None:
            samples = np.where(np.isnan(known)[:, None], samples, known[:, None])
            expected = np.where(np.isnan(known), expected, known)
        flat = improvements(samples.reshape(-1, samples.shape[2]), self._pareto_losses, self._reference, self._probes)
        # Candidates without an improving sample are ordered by how far they miss the reference, then by losses.
        miss = np.maximum(0.0, expected - self._reference) / self._unit
        last = 1e-12 * (mean.sum(axis=1) + 1e3 * miss.sum(axis=1))
        return np.asarray(flat.reshape(len(rows), -1).mean(axis=1) - last)


def rank_by_ehvi(
    drawn: list[Sites],
    screen: Screen,
    table: SiteTable,
    edits: Edits,
    generator: Generator,
    known: Callable[[list[Sites]], Losses | None] = lambda _: None,
) -> list[Sites]:
    """Rank candidates by EHVI, best first, together with nudged copies of the best ones.

    `screen.sample` must have been called before.

    Args:
        drawn: the candidates.
        known: returns losses that need no prediction, in the form that `Screen.ehvi` takes.

    Returns:
        All candidates and all nudged copies.
    """
    rows = table.rows(drawn)
    ehvi = screen.ehvi(rows, known(drawn))
    for step in NUDGES:
        promising = [int(n) for n in np.argsort(-ehvi, kind="stable")[:NUDGED] for _ in range(NUDGES_EACH)]
        changes = [edits.nudge(drawn[n], step, generator) for n in promising]
        nudged = [drawn[n] | change for n, change in zip(promising, changes, strict=True)]
        moved = np.stack([table.changed(rows[n], c) for n, c in zip(promising, changes, strict=True)])
        drawn, rows = drawn + nudged, np.concatenate([rows, moved])
        ehvi = np.append(ehvi, screen.ehvi(moved, known(nudged)))
    return [drawn[n] for n in np.argsort(-ehvi, kind="stable")]
