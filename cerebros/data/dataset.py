"""Tables of rows: their digest, their class names and their split.

Notation: `n` rows, `d` feature columns. Numeric columns are float64 with NaN
for a missing value; categorical columns are object arrays of str, "" missing.
How text becomes either is told in `cerebros.data.cells`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerebros.data.cells import is_number, name_of
from cerebros.data.manifest import Manifest, Split
from cerebros.errors import ManifestRejected

# Each class is an output of the network, and each name of a feature an input: with more, a table of a million rows
# would take 40 GB, and a column of so many names is an id or an amount.
CLASSES_AT_MOST = 10_000

Column = NDArray[np.float64] | NDArray[np.object_]


@dataclass(frozen=True)
class Part:
    """One source of a table and its number of rows."""

    uri: str
    rows: int


@dataclass(frozen=True)
class Table:
    """The rows of all sources of a dataset, in order; every column has the same length.

    Attributes:
        remarks: what its owner should know of how cells were read, in words.
    """

    columns: dict[str, Column]
    parts: tuple[Part, ...]
    remarks: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)

    def place(self, row: int) -> str:
        """Return the place of row `row` (from 0) as `file, row n`, with n from 1 within the file.

        Raises:
            IndexError: there are fewer rows.
        """
        for part in self.parts:
            if row < part.rows:
                return f"{part.uri}, row {row + 1}"
            row -= part.rows
        raise IndexError(row)


@dataclass(frozen=True)
class Rows:
    """Row numbers of each part of the split; disjoint, sorted, together all rows."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def table_digest(columns: dict[str, Column]) -> str:
    """Compute the SHA-256 of a table: for each column its name, then little-endian float64 or UTF-8 cells."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        digest.update(name.encode() + b"\0")
        if column.dtype == np.float64:
            digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
        else:
            digest.update("\0".join(column).encode())
    return digest.hexdigest()


def feature_names(manifest: Manifest, table: Table) -> tuple[str, ...]:
    """Return the columns that a model may see, in the manifest's order or else the table's."""
    return manifest.features or tuple(name for name in table.columns if name != manifest.label)


def class_labels(labels: Column) -> NDArray[np.object_]:
    """Return labels as names, (n,), in their canonical spelling, so that 3.0 and "3" are the same class."""
    if labels.dtype != np.float64:
        return np.asarray(labels, dtype=object)
    return np.array([name_of(repr(value)) for value in labels.tolist()], dtype=object)


def names_of(labels: Column) -> list[frozenset[str]]:
    """Return the names in each cell of a multilabel column: `a|b` holds a and b."""
    return [
        frozenset(name_of(name.strip()) for name in cell.split("|") if name.strip()) for cell in class_labels(labels)
    ]


def classes_of(manifest: Manifest, labels: Column) -> Counter[str]:
    """Count the rows of each class of a label column that holds names."""
    if manifest.task == "multilabel":
        return Counter(name for names in names_of(labels) for name in names)
    return Counter(class_labels(labels).tolist())


def class_names(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct classes, numbers in numeric order and before names."""

    def order(name: str) -> tuple[int, float, str]:
        return (0, float(name), name) if is_number(name) else (1, 0.0, name)

    return tuple(sorted(set(labels), key=order))


def split_rows(labels: Column, split: Split, *, stratify: bool) -> Rows:
    """Divide rows at random; the same labels and seed give the same parts.

    Args:
        labels: (n,) the label column.
        stratify: divide each class by itself, so that rare classes reach every part if they have rows enough.
    """
    generator = np.random.default_rng(split.seed)
    groups = [np.arange(len(labels))]
    if stratify:
        groups = _groups(class_labels(labels))
    test, validation, train = [], [], []
    for group in groups:
        shuffled = generator.permutation(group)
        n_test = round(len(group) * split.test)
        n_validation = round(len(group) * split.validation)
        test.append(shuffled[:n_test])
        validation.append(shuffled[n_test : n_test + n_validation])
        train.append(shuffled[n_test + n_validation :])
    return Rows(*(np.sort(np.concatenate(part)) for part in (train, validation, test)))


def _groups(names: NDArray[np.object_]) -> list[NDArray[np.intp]]:
    """Return the row numbers of each class, in the order of `class_names`; one pass, whatever their number."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names.tolist()):
        rows.setdefault(name, []).append(row)
    return [np.array(rows[name], dtype=np.intp) for name in class_names(rows)]


def rows_of(manifest: Manifest, table: Table) -> Rows:
    """Split a table as its manifest says.

    Raises:
        ManifestRejected: a part would be empty.
    """
    stratify = manifest.split.stratify and manifest.task == "classification"
    rows = split_rows(table.columns[manifest.label], manifest.split, stratify=stratify)
    for name, part in (("training", rows.train), ("validation", rows.validation), ("test", rows.test)):
        if len(part) == 0:
            raise ManifestRejected(
                f"{manifest.name}: the split leaves no {name} rows out of {table.rows}; add rows or change [split]"
            )
    return rows
