"""Encoding of columns as network inputs, fitted on training rows only.

Numeric columns are standardised (mean 0, deviation 1 on the training rows)
and cut off at a million deviations; a missing or infinite value becomes the
mean, and a column that misses values in training gains a 0/1 indicator. No
finite number overflows on the way. Categorical columns become one 0/1 input
per category seen in training; an unseen category is all zeros.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.data.cells import name_of
from cerebros.data.dataset import Column, Rows, Table, class_labels, class_names, feature_names, names_of, rows_of
from cerebros.data.manifest import Manifest

# Deviations from the mean beyond which a number is not told from others: squares of sums of such inputs, weighted
# many times over, are still within float32, which a network computes in.
FURTHEST = 1e6


class Numeric(msgspec.Struct, frozen=True, tag="numeric", forbid_unknown_fields=True):
    """The encoding of a numeric column: standardised, with a 0/1 indicator of missing values if `indicator`.

    Raises:
        ValueError: on construction, when the column could not be scaled by these figures.
    """

    name: str
    mean: float
    deviation: float
    indicator: bool

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0.0 < self.deviation < math.inf):
            raise ValueError(f"mean {self.mean} and deviation {self.deviation} of column {self.name!r} scale nothing")

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return 2 if self.indicator else 1

    def encode(self, column: Column) -> NDArray[np.float32]:
        """Encode a column, (n,), as (n, width)."""
        known = np.isfinite(column.astype(np.float64))
        values = np.where(known, _standardised(column, self.mean, self.deviation), np.float32(0.0))
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
        """Encode a column, (n,), as (n, width); names may be in any spelling of `cerebros.data.cells`."""
        known = frozenset(self.categories)
        return _marked(([name if name in known else name_of(name)] for name in column), len(column), self.categories)


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
            return _marked(names_of(labels), len(labels), self.classes)
        if self.classes:
            number = {name: index for index, name in enumerate(self.classes)}
            return np.array([number[name] for name in class_labels(labels)], dtype=np.int64)
        return _standardised(labels, self.target_mean, self.target_deviation)


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
    mean, deviation = _mean_and_deviation(labels[train].astype(np.float64))
    return Encoding(inputs, (), target_mean=mean, target_deviation=deviation)


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
    return Numeric(name, *_mean_and_deviation(known), indicator=len(known) < len(column))


def _mean_and_deviation(known: NDArray[np.float64]) -> tuple[float, float]:
    """Compute mean and deviation of finite values, (n,) with n > 0, of any magnitude.

    A constant column carries nothing; a deviation of 1 keeps it at zero.
    """
    # By a power of two, which is exact: squares then neither overflow nor vanish.
    exponent = int(np.frexp(np.abs(known).max())[1])
    part = np.ldexp(known, -exponent)
    mean, deviation = (float(np.ldexp(figure, exponent)) for figure in (part.mean(), part.std()))
    if known.min() == known.max() or deviation == 0.0:
        return float(known[0]), 1.0
    return mean, deviation


def _standardised(column: Column, mean: float, deviation: float) -> NDArray[np.float32]:
    """Scale values, (n,), and cut them off at `FURTHEST`; what is not a number stays none."""
    with np.errstate(over="ignore"):
        scaled = (column.astype(np.float64) - mean) / deviation
    return np.clip(scaled, -FURTHEST, FURTHEST).astype(np.float32)


def _marked(rows: Iterable[Iterable[str]], n: int, names: Sequence[str]) -> NDArray[np.float32]:
    """Mark the names of each of `n` rows with a 1, (n, names); one pass, whatever their number."""
    place = {name: index for index, name in enumerate(names)}
    marks = np.zeros((n, len(names)), dtype=np.float32)
    for row, held in enumerate(rows):
        for name in held:
            if name in place:
                marks[row, place[name]] = 1.0
    return marks
