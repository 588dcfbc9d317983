"""Trees as rows of numbers: one column for each site that was ever seen.

A column's number stays valid as long as the column is there; only the newest
ones can be forgotten.
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
        self.free: list[bool] = []  # whether a column has more than one value
        self.of_key: defaultdict[str, list[int]] = defaultdict(list)  # columns of each key
        self._columns: dict[Site, int] = {}

    def column(self, site: Site) -> int:
        found = self._columns.get(site)
        if found is None:
            found = self._columns[site] = len(self.keys)
            self.keys.append(site[0])
            self.free.append(self.scales[site[0]].n_values != 1)
            self.of_key[site[0]].append(found)
        return found

    def forget_behind(self, count: int) -> None:
        """Keep the first `count` columns only, as if the later sites had never been seen."""
        for site in list(self._columns)[count:]:
            del self._columns[site]
            self.of_key[site[0]].pop()
            if not self.of_key[site[0]]:
                del self.of_key[site[0]]
        del self.keys[count:], self.free[count:]

    def codes(self, sites: Sites) -> Iterator[tuple[int, float]]:
        """Column and code of each decision."""
        columns, scales = self._columns, self.scales
        for site, value in sites.items():
            column = columns.get(site)
            yield self.column(site) if column is None else column, scales[site[0]].code(value)

    def entry(self, sites: Sites) -> Entry:
        """Columns and codes of one tree's decisions, to be kept where its row is needed again and again."""
        columns, codes = zip(*self.codes(sites), strict=True) if sites else ((), ())
        return np.array(columns, dtype=np.intp), np.array(codes)

    def rows(self, trees: Sequence[Sites]) -> Codes:
        """(n_trees, n_columns) codes, NaN where a tree has no such decision."""
        return self.stacked([self.entry(sites) for sites in trees])

    def stacked(self, entries: Sequence[Entry]) -> Codes:
        """The rows of these entries."""
        rows = np.full((len(entries), len(self.keys)), np.nan)
        for row, (columns, codes) in zip(rows, entries, strict=True):
            row[columns] = codes
        return rows

    def changed(self, row: Codes, changes: Sites) -> Codes:
        """A tree's row with a few of its decisions changed."""
        changed = row.copy()
        for column, code in self.codes(changes):
            changed[column] = code
        return changed
