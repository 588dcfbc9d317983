"""Trees of different shapes as points of one vector space, as the surrogate needs them.

A point holds the code of each site, and for each key with siblings the mean
and the sum of their codes; options become one coordinate each (one-hot). A
site that a tree lacks takes the mean of the trees that have it, so that only
the sums tell its absence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cerebros.search.site_table import SiteTable
from cerebros.space.scale import Codes

Points = NDArray[np.float64]

# A coordinate that fewer trees have would describe those trees rather than the site.
SEEN_AT_LEAST = 3


class Summary:
    """A map from rows of a table to points, with coordinates chosen and centred on some rows.

    Args:
        rows: (n_trees, n_columns) of `SiteTable.rows`.
    """

    def __init__(self, table: SiteTable, rows: Codes) -> None:
        self._table = table
        seen = (~np.isnan(rows)).sum(axis=0)
        columns = [c for c in range(rows.shape[1]) if table.free[c] and seen[c] >= SEEN_AT_LEAST]
        self._options = [c for c in columns if table.scales[table.keys[c]].options]
        self._numbers = [c for c in columns if not table.scales[table.keys[c]].options]
        self._shared = {
            key: columns
            for key, columns in table.of_key.items()
            if len(columns) > 1 and table.free[columns[0]] and columns[0] < rows.shape[1]
        }
        raw = self._coordinates(rows)
        present = ~np.isnan(raw)
        counts = np.maximum(1, present.sum(axis=0))
        self._means = np.where(present, raw, 0.0).sum(axis=0) / counts
        filled = np.where(present, raw, self._means)
        self._spreads = filled.std(axis=0)
        self._varied = self._spreads > 1e-9

    def points(self, rows: Codes) -> Points:
        """Return rows as points, (n_trees, n_coordinates).

        Over the rows that the map was made from, each coordinate has mean 0 and standard deviation 1.
        """
        raw = self._coordinates(rows)
        filled = np.where(np.isnan(raw), self._means, raw)
        return np.asarray(((filled - self._means) / np.maximum(self._spreads, 1e-9))[:, self._varied])

    def _coordinates(self, rows: Codes) -> Points:
        parts: list[Points] = [*rows[:, self._numbers].T]  # a number at a site of its own stands for itself
        for column in self._options:
            parts.extend(self._expanded(self._table.keys[column], rows[:, column : column + 1], sums=False))
        for key, columns in self._shared.items():
            within = [column for column in columns if column < rows.shape[1]]
            parts.extend(self._expanded(key, rows[:, within], sums=True))
        return np.stack(parts, axis=1) if parts else np.zeros((len(rows), 0))

    def _expanded(self, key: str, codes: Codes, *, sums: bool) -> list[Points]:
        """Return the mean over siblings, and with `sums` the sum, of a number or of each option's indicator."""
        absent = np.isnan(codes)
        counts = (~absent).sum(axis=1)
        n_options = len(self._table.scales[key].options)
        if n_options:
            places = np.floor(codes * n_options)
            values = [np.where(absent, 0.0, places == place) for place in range(n_options)]
        else:
            values = [np.where(absent, 0.0, codes)]
        totals = [value.sum(axis=1) for value in values]
        means = [np.where(counts > 0, total / np.maximum(1, counts), np.nan) for total in totals]
        return means + totals if sums else means
