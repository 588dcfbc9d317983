"""The density g of all trials, estimated by histograms whose cost does not grow with the number of trials.

Notation
    t       number of a trial, from 1
    T       number of trials
    s0, s1  per bin, the sum of 1 and of t over the trials that fell into it
    R       weight of the oldest trial; the newest has weight 1

A trial weighs R + (1 - R) · t / T, a linear ramp, since old trials were
chosen by worse models. s0 and s1 give a bin's weight for any T.
"""

from __future__ import annotations

import numpy as np

from cerebros.search.site_table import SiteTable
from cerebros.space.edits import Sites
from cerebros.space.rose_tree import Int
from cerebros.space.scale import Codes, Scale

OLDEST_WEIGHT = 0.2

# A continuum is cut into this many bins; 1/24 is about the width of l's narrowest kernel.
BINS = 24

# Whole numbers get a bin each up to this many.
BINS_AT_MOST = 64

# As for l: the uniform under a key is worth one trial, the key under a site three.
PRIOR_TRIALS = 1.0
SIBLING_TRIALS = 3.0


class Histogram:
    """A histogram of the codes of one key or site, with recency weights."""

    def __init__(self, scale: Scale) -> None:
        n_values = scale.n_values
        exact = n_values is not None and n_values <= BINS_AT_MOST
        self._scale = scale
        if exact and isinstance(scale.rule, Int) and n_values != 1:
            codes = np.array([scale.code(value) for value in range(scale.rule.low, scale.rule.high + 1)])
            self.edges = np.append(scale.edges(codes)[0], 1.0)
        else:
            self.edges = np.linspace(0.0, 1.0, (n_values if exact and n_values else BINS) + 1)
        self._smooth = not exact
        self._sums = np.zeros((2, len(self.edges) - 1))

    def add(self, code: float, number: int) -> None:
        """Count one value of trial `number`, from 1."""
        place = int(np.searchsorted(self.edges, code, side="right")) - 1
        self._sums[:, min(len(self.edges) - 2, max(0, place))] += (1.0, number)

    def weights(self, trials: int) -> Codes:
        """Return recency-weighted counts, (n_bins,); those of a continuum are smoothed over neighbouring bins."""
        weights = OLDEST_WEIGHT * self._sums[0] + (1.0 - OLDEST_WEIGHT) * self._sums[1] / max(1, trials)
        if not self._smooth:
            return np.asarray(weights)
        padded = np.concatenate([weights[:1], weights, weights[-1:]])
        return np.asarray(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:])

    def at(self, codes: Codes, shares: Codes) -> Codes:
        """Return the densities of real numbers, or the masses of whole numbers and options.

        Args:
            codes: (n,)
            shares: (n_bins,) probability of each bin.
        """
        if self._scale.discrete:
            left, right = self._scale.edges(codes)
            below = np.concatenate([[0.0], np.cumsum(shares)])
            return np.asarray(np.interp(right, self.edges, below) - np.interp(left, self.edges, below))
        places = np.clip(np.searchsorted(self.edges, codes, side="right") - 1, 0, len(shares) - 1)
        return np.asarray((shares / np.diff(self.edges))[places])


class History:
    """The density g: histograms of every key and site, updated with each trial."""

    def __init__(self, table: SiteTable) -> None:
        self._table = table
        self._keys: dict[str, Histogram] = {}
        self._columns: dict[int, Histogram] = {}
        self._newest = 0

    def add(self, sites: Sites, number: int) -> None:
        """Count one trial; numbers start at 0."""
        self._newest = max(self._newest, number + 1)
        for column, code in self._table.codes(sites):
            key = self._table.keys[column]
            if column not in self._columns:
                scale = self._table.scales[key]
                self._keys.setdefault(key, Histogram(scale))
                self._columns[column] = Histogram(scale)
            self._columns[column].add(code, number + 1)
            self._keys[key].add(code, number + 1)

    def log_densities(self, rows: Codes) -> Codes:
        """Return log g of each row of the table, (n,), summed over its decisions."""
        total = np.zeros(len(rows))
        for column in range(rows.shape[1]):
            present = np.flatnonzero(~np.isnan(rows[:, column]))
            if len(present) and self._table.free[column]:
                total[present] += self._log_densities(column, rows[present, column])
        return total

    def _log_densities(self, column: int, codes: Codes) -> Codes:
        key = self._table.keys[column]
        pooled = self._keys.get(key) or Histogram(self._table.scales[key])
        shares = _mixed(pooled.weights(self._newest), np.diff(pooled.edges), PRIOR_TRIALS)
        own = self._columns.get(column)
        if own is not None and len(self._table.of_key[key]) > 1:
            shares = _mixed(own.weights(self._newest), shares, SIBLING_TRIALS)
        return np.asarray(np.log(np.maximum(pooled.at(codes, shares), 1e-300)))


def _mixed(weights: Codes, prior: Codes, prior_weight: float) -> Codes:
    return np.asarray((weights + prior_weight * prior) / (weights.sum() + prior_weight))
