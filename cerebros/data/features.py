"""Encoding of columns as network inputs, fitted on training rows only.

Numeric columns are standardised (mean 0, deviation 1 on the training rows);
a missing or infinite value becomes the mean, and a column that misses values
in training gains a 0/1 indicator. Categorical columns become one 0/1 input
per category seen in training; an unseen category is all zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.data.dataset import Column, Rows, Table, class_labels, class_names, feature_names, names_of, rows_of
from cerebros.data.manifest import Manifest


class Numeric(msgspec.Struct, frozen=True, tag="numeric", forbid_unknown_fields=True):
    """The encoding of a numeric column: standardised, with a 0/1 indicator of missing values if `indicator`."""

    name: str
    mean: float
    deviation: float
    indicator: bool

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return 2 if self.indicator else 1

    def encode(self, column: Column) -> NDArray[np.float32]:
        """Encode a column, (n,), as (n, width)."""
        with np.errstate(over="ignore"):
            scaled = ((column.astype(np.float64) - self.mean) / self.deviation).astype(np.float32)
        known = np.isfinite(scaled)  # a value beyond float32 counts as missing
        values = np.where(known, scaled, np.float32(0.0))
        stacked = np.column_stack([values, ~known]) if self.indicator else values[:, None]
        return stacked.astype(np.float32)  # (n, width)


class Categorical(msgspec.Struct, frozen=True, tag="categorical", forbid_unknown_fields=True):
    """The encoding of a categorical column: one 0/1 input per category."""

    name: str
    categories: tuple[str, ...]

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return len(self.categories)

    def encode(self, column: Column) -> NDArray[np.float32]:
        """Encode a column, (n,), as (n, width)."""
        hits: NDArray[np.bool_] = column[:, None] == np.array(self.categories, dtype=object)[None, :]
        return hits.astype(np.float32)


class Encoding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The encoding of columns as inputs and of outputs as answers; it is stored with the model.

    Attributes:
        classes: names of the outputs, empty for regression.
        several: True if a row may have any number of the classes (multilabel).
        target_mean, target_deviation: mean and deviation by which regression targets are standardised; 0
            and 1 for classification.
    """

    inputs: tuple[Numeric | Categorical, ...]
    classes: tuple[str, ...]
    several: bool = False
    target_mean: float = 0.0
    target_deviation: float = 1.0

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return sum(column.width for column in self.inputs)

    @property
    def outputs(self) -> int:
        """Number of network outputs."""
        return len(self.classes) or 1

    def encode(self, columns: Mapping[str, Column]) -> NDArray[np.float32]:
        """Encode columns as network inputs, (n, width)."""
        return np.concatenate([column.encode(columns[column.name]) for column in self.inputs], axis=1)

    def targets(self, labels: Column) -> NDArray[np.int64] | NDArray[np.float32]:
        """Encode labels as class numbers, (n,), 0/1 per class, (n, classes), or standardised values, (n,)."""
        if self.several:
            return np.array([[name in names for name in self.classes] for names in names_of(labels)], dtype=np.float32)
        if self.classes:
            number = {name: index for index, name in enumerate(self.classes)}
            return np.array([number[name] for name in class_labels(labels)], dtype=np.int64)
        return ((labels.astype(np.float64) - self.target_mean) / self.target_deviation).astype(np.float32)


class Fold(msgspec.Struct, frozen=True):
    """Inputs (n, width) and targets, (n,) or (n, classes), of one part of the split."""

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]


class Folds(msgspec.Struct, frozen=True):
    """The encoded parts of a split, and the encoding."""

    encoding: Encoding
    train: Fold
    validation: Fold
    test: Fold


def fit_encoding(manifest: Manifest, table: Table, train: NDArray[np.intp]) -> Encoding:
    """Fit an encoding; means, deviations and categories come from the training rows alone.

    Args:
        train: numbers of the training rows.
    """
    labels = table.columns[manifest.label]
    inputs = tuple(_fit_column(name, table.columns[name][train]) for name in feature_names(manifest, table))
    if manifest.task == "classification":
        return Encoding(inputs, classes=class_names(class_labels(labels)))
    if manifest.task == "multilabel":
        return Encoding(inputs, classes=class_names(set().union(*names_of(labels))), several=True)
    known = labels[train].astype(np.float64)
    return Encoding(inputs, (), target_mean=float(known.mean()), target_deviation=float(known.std()) or 1.0)


def make_folds(manifest: Manifest, table: Table) -> Folds:
    """Split and encode a table as its manifest says.

    Raises:
        ManifestRejected: a part of the split would be empty.
    """
    rows: Rows = rows_of(manifest, table)
    encoding = fit_encoding(manifest, table, rows.train)
    inputs = encoding.encode(table.columns)
    targets = encoding.targets(table.columns[manifest.label])
    parts: Sequence[NDArray[np.intp]] = (rows.train, rows.validation, rows.test)
    return Folds(encoding, *(Fold(inputs[part], targets[part]) for part in parts))


def _fit_column(name: str, column: Column) -> Numeric | Categorical:
    if column.dtype != np.float64:
        return Categorical(name, tuple(sorted({value for value in column if value})))
    known = column[np.isfinite(column.astype(np.float64))].astype(np.float64)
    if len(known) == 0:
        return Numeric(name, 0.0, 1.0, indicator=False)
    # A constant column carries nothing; a deviation of 1 keeps it at zero.
    return Numeric(name, float(known.mean()), float(known.std()) or 1.0, indicator=len(known) < len(column))
