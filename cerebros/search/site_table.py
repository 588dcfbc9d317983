"""Trees as rows of numbers, with one column for each site that any tree had.

A column keeps its number; only the newest columns can be removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cerebros.space.edits import Site, Sites
from cerebros.space.rose_tree import Space
from cerebros.space.scale import Codes, Scale

Entry = tuple[NDArray[np.intp], Codes]


class SiteTable:
    """Columns for the sites of one space, with the scale of each."""

    def __init__(self, space: Space) -> None:
        self.rules = space.rules()
        self.scales = {key: Scale(rule) for key, rule in self.rules.items()}
        self.keys: list[str] = []  # of each column
        self.free: list[bool] = []  # True for a column with more than one value
        self.of_key: defaultdict[str, list[int]] = defaultdict(list)  # columns of each key
        self._columns: dict[Site, int] = {}

    def column(self, site: Site) -> int:
        """Return the number of a site's column, which is added if it is missing."""
        found = self._columns.get(site)
        if found is None:
            found = self._columns[site] = len(self.keys)
            self.keys.append(site[0])
            self.free.append(self.scales[site[0]].n_values != 1)
            self.of_key[site[0]].append(found)
        return found

    def forget_behind(self, count: int) -> None:
        """Remove all columns but the first `count`."""
        for site in list(self._columns)[count:]:
            del self._columns[site]
            self.of_key[site[0]].pop()
            if not self.of_key[site[0]]:
                del self.of_key[site[0]]
        del self.keys[count:], self.free[count:]

    def codes(self, sites: Sites) -> Iterator[tuple[int, float]]:
        """Yield column and code of each decision."""
        columns, scales = self._columns, self.scales
        for site, value in sites.items():
            column = columns.get(site)
            yield self.column(site) if column is None else column, scales[site[0]].code(value)

    def entry(self, sites: Sites) -> Entry:
        """Return the columns and codes of a tree's decisions, from which `stacked` makes rows quickly."""
        columns, codes = zip(*self.codes(sites), strict=True) if sites else ((), ())
        return np.array(columns, dtype=np.intp), np.array(codes)

    def rows(self, trees: Sequence[Sites]) -> Codes:
        """Return the codes of trees, (n_trees, n_columns), NaN where a tree lacks the site."""
        return self.stacked([self.entry(sites) for sites in trees])

    def stacked(self, entries: Sequence[Entry]) -> Codes:
        """Return the rows of entries, (n_entries, n_columns)."""
        rows = np.full((len(entries), len(self.keys)), np.nan)
        for row, (columns, codes) in zip(rows, entries, strict=True):
            row[columns] = codes
        return rows

    def changed(self, row: Codes, changes: Sites) -> Codes:
        """Return a copy of a tree's row with some of its decisions changed."""
        changed = row.copy()
        for column, code in self.codes(changes):
            changed[column] = code
        return changed
