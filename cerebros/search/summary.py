"""Trees of different shapes as points of one vector space, as the surrogate needs them.

A point holds the code of each site, and for each key with siblings the mean
and the sum of their codes; options become one coordinate each (one-hot). A
site that a tree lacks takes the mean of the trees that have it, so that only
the sums tell its absence.

An option that no tree has makes no coordinate, and where there would be more
than `COORDINATES_AT_MOST` those that fewest trees have are left out: the cost
of a point is bounded, whatever the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cerebros.search.site_table import SiteTable
from cerebros.space.scale import Codes

Points = NDArray[np.float64]

# A coordinate that fewer trees have would describe those trees rather than the site.
SEEN_AT_LEAST = 3

# Measured: a proposal of four objectives takes 0.2 s for 512 coordinates, and 5 s for ten thousand.
COORDINATES_AT_MOST = 512


class Part(NamedTuple):
    """Coordinates of one site, or of all siblings of one key.

    Attributes:
        places: for a choice, places of the options with a coordinate each; None alone stands for a number.
        summed: True for siblings, which have coordinates of their mean and of their sum.
    """

    key: str
    columns: list[int]
    places: Sequence[float | None]
    summed: bool


class Summary:
    """A map from rows of a table to points, with coordinates chosen and centred on some rows.

    Args:
        rows: (n_trees, n_columns) of `SiteTable.rows`.
    """

    def __init__(self, table: SiteTable, rows: Codes) -> None:
        self._table = table
        parts = _most_seen([self._offered(part, rows) for part in self._parts(rows)])
        # A number at a site of its own stands for itself.
        self._numbers = [part.columns[0] for part in parts if _is_number(part)]
        self._expanded = [part for part in parts if not _is_number(part)]
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

    def _parts(self, rows: Codes) -> list[Part]:
        """Return numbers, options and siblings, without the places of options."""
        table, width = self._table, rows.shape[1]
        seen = (~np.isnan(rows)).sum(axis=0)
        columns = [c for c in range(width) if table.free[c] and seen[c] >= SEEN_AT_LEAST]
        columns.sort(key=lambda c: bool(table.scales[table.keys[c]].options))
        alone = [Part(table.keys[c], [c], (), summed=False) for c in columns]
        shared = [
            Part(key, [c for c in columns if c < width], (), summed=True)
            for key, columns in table.of_key.items()
            if len(columns) > 1 and table.free[columns[0]] and columns[0] < width
        ]
        return alone + shared

    def _offered(self, part: Part, rows: Codes) -> tuple[Part, list[int]]:
        """Return a part with all places that some row has, and the number of rows that have each."""
        codes = rows[:, part.columns]
        present = ~np.isnan(codes)
        n_options = len(self._table.scales[part.key].options)
        if not n_options:
            return part._replace(places=[None]), [int(present.any(axis=1).sum())]
        places, seen = np.unique(np.floor(codes[present] * n_options), return_counts=True)
        return part._replace(places=places.tolist()), seen.tolist()

    def _coordinates(self, rows: Codes) -> Points:
        coordinates: list[Points] = [*rows[:, self._numbers].T]
        for part in self._expanded:
            # A candidate may have siblings that no trial had yet.
            columns = self._table.of_key[part.key] if part.summed else part.columns
            coordinates.extend(self._of_part(part, rows[:, [c for c in columns if c < rows.shape[1]]]))
        return np.stack(coordinates, axis=1) if coordinates else np.zeros((len(rows), 0))

    def _of_part(self, part: Part, codes: Codes) -> list[Points]:
        """Return the mean over siblings, and the sum where it is told, of a number or of each option's indicator."""
        absent = np.isnan(codes)
        counts = (~absent).sum(axis=1)
        places = np.floor(codes * len(self._table.scales[part.key].options))
        values = [np.where(absent, 0.0, codes if place is None else places == place) for place in part.places]
        totals = [value.sum(axis=1) for value in values]
        means = [np.where(counts > 0, total / np.maximum(1, counts), np.nan) for total in totals]
        return means + totals if part.summed else means


def _is_number(part: Part) -> bool:
    return not part.summed and part.places == [None]


def _most_seen(offered: Sequence[tuple[Part, list[int]]]) -> list[Part]:
    """Return parts with at most `COORDINATES_AT_MOST` coordinates: those that most rows have, siblings' first."""
    coordinates = sum(len(part.places) * (1 + part.summed) for part, _ in offered)
    if coordinates <= COORDINATES_AT_MOST:
        return [part for part, _ in offered]
    ranked = sorted(
        (-rows, not part.summed, number, place)
        for number, (part, seen) in enumerate(offered)
        for place, rows in enumerate(seen)
    )
    kept: dict[int, list[int]] = {}
    left = COORDINATES_AT_MOST
    for _, alone, number, place in ranked:
        if left >= (cost := 1 if alone else 2):
            kept.setdefault(number, []).append(place)
            left -= cost
    return [
        offered[number][0]._replace(places=[offered[number][0].places[place] for place in sorted(places)])
        for number, places in sorted(kept.items())
    ]
