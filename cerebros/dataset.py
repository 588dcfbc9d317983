"""Tables of rows: their digest, their split, and the report of a dataset check.

Notation: `n` rows, `d` feature columns. Numeric columns are float64 with NaN
for a missing value; categorical columns are object arrays of str, "" missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.errors import ManifestRejected
from cerebros.manifest import Manifest, Split, dataset_digest

Column = NDArray[np.float64] | NDArray[np.object_]


@dataclass(frozen=True)
class Part:
    """The rows that came from one source, in order."""

    uri: str
    rows: int


@dataclass(frozen=True)
class Table:
    """All sources of a dataset, one below the other; every column has the same length."""

    columns: dict[str, Column]
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def place(self, row: int) -> str:
        """Where row `row` (from 0) stands, as `file, row` with the row counted from 1 in its file."""
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


class DatasetReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a dataset check found. Shares are of all feature cells; `leaked_rows` are test
    rows whose features also stand in a training row."""

    name: str
    digest: str
    task: str
    label: str
    rows: int
    columns: int
    features: int
    train_rows: int
    validation_rows: int
    test_rows: int
    missing: dict[str, int]
    nan_share: float
    infinity_share: float
    label_balance: dict[str, int]
    duplicates: int
    leaked_rows: int
    warnings: tuple[str, ...]


def table_digest(columns: dict[str, Column]) -> str:
    """SHA-256 of a table's canonical bytes: per column its name, then little-endian float64 or UTF-8 cells."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        digest.update(name.encode() + b"\0")
        if column.dtype == np.float64:
            digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
        else:
            digest.update("\0".join(column).encode())
    return digest.hexdigest()


def feature_names(manifest: Manifest, table: Table) -> tuple[str, ...]:
    """The columns a model may see, in the manifest's order or else the table's."""
    return manifest.features or tuple(name for name in table.columns if name != manifest.label)


def class_labels(labels: Column) -> NDArray[np.object_]:
    """Labels as names: whole numbers lose their `.0`, so 3.0 and "3" are the same class."""
    if labels.dtype != np.float64:
        return np.asarray(labels, dtype=object)
    names = [str(int(value)) if float(value).is_integer() else repr(float(value)) for value in labels]
    return np.array(names, dtype=object)


def class_names(labels: NDArray[np.object_]) -> tuple[str, ...]:
    """The distinct classes, numbers in numeric order and before names."""

    def order(name: str) -> tuple[int, float, str]:
        try:
            return (0, float(name), name)
        except ValueError:
            return (1, 0.0, name)

    return tuple(sorted(set(labels), key=order))


def split_rows(labels: Column, split: Split, *, stratify: bool) -> Rows:
    """Divide rows at random but repeatably: the same labels and seed give the same parts.

    Args:
        labels: (n,) the label column; with `stratify` each class is divided
            by itself, so rare classes reach every part when they have rows enough.
    """
    generator = np.random.default_rng(split.seed)
    groups = [np.arange(len(labels))]
    if stratify:
        names = class_labels(labels)
        groups = [np.flatnonzero(names == name) for name in class_names(names)]
    test, validation, train = [], [], []
    for group in groups:
        shuffled = generator.permutation(group)
        n_test = round(len(group) * split.test)
        n_validation = round(len(group) * split.validation)
        test.append(shuffled[:n_test])
        validation.append(shuffled[n_test : n_test + n_validation])
        train.append(shuffled[n_test + n_validation :])
    return Rows(*(np.sort(np.concatenate(part)) for part in (train, validation, test)))


def rows_of(manifest: Manifest, table: Table) -> Rows:
    """The manifest's split of this table.

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


def check(manifest: Manifest, table: Table) -> DatasetReport:
    """Report on a dataset whose sources were read and whose digests hold.

    Raises:
        ManifestRejected: a named column is missing, a label is missing or not
            finite, a class stands alone, or a part of the split is empty.
    """
    features = feature_names(manifest, table)
    _require_columns(manifest, table, features)
    _require_labels(manifest, table)
    rows = rows_of(manifest, table)
    fingerprints = _fingerprints(table, features)
    whole = _fingerprints(table, (*features, manifest.label))
    seen_in_training = set(fingerprints[rows.train])
    numeric = [table.columns[name] for name in features if table.columns[name].dtype == np.float64]
    cells = max(1, table.rows * len(features))
    report = DatasetReport(
        name=manifest.name,
        digest=dataset_digest(manifest),
        task=manifest.task,
        label=manifest.label,
        rows=table.rows,
        columns=len(table.columns),
        features=len(features),
        train_rows=len(rows.train),
        validation_rows=len(rows.validation),
        test_rows=len(rows.test),
        missing={name: n for name in features if (n := _missing(table.columns[name]))},
        nan_share=sum(int(np.isnan(column).sum()) for column in numeric) / cells,
        infinity_share=sum(int(np.isinf(column).sum()) for column in numeric) / cells,
        label_balance=_balance(manifest, table),
        duplicates=table.rows - len(set(whole)),
        leaked_rows=sum(fingerprint in seen_in_training for fingerprint in fingerprints[rows.test]),
        warnings=(),
    )
    return msgspec.structs.replace(report, warnings=_warnings(report))


def _require_columns(manifest: Manifest, table: Table, features: Sequence[str]) -> None:
    have = ", ".join(table.columns)
    if manifest.label not in table.columns:
        raise ManifestRejected(f"{manifest.name}: label column {manifest.label!r} is missing; columns are {have}")
    for name in (*features, *manifest.categorical):
        if name not in table.columns:
            raise ManifestRejected(f"{manifest.name}: feature column {name!r} is missing; columns are {have}")


def _require_labels(manifest: Manifest, table: Table) -> None:
    labels = table.columns[manifest.label]
    if manifest.task == "regression" and labels.dtype != np.float64:
        raise ManifestRejected(f"{manifest.name}: regression needs numbers in label column {manifest.label!r}")
    bad = ~np.isfinite(labels) if labels.dtype == np.float64 else labels == ""
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ManifestRejected(
            f"{table.place(row)}, column {manifest.label!r}: label is {labels[row]!s}; every row needs a label, "
            f"remove or mend the {int(bad.sum())} rows without one"
        )
    if manifest.task == "classification":
        lonely = [name for name, count in _balance(manifest, table).items() if count < 3]
        if lonely or len(set(class_labels(labels))) < 2:
            raise ManifestRejected(
                f"{manifest.name}: classification needs two classes and three rows of each; "
                f"too small: {', '.join(lonely) or 'there is one class only'}"
            )


def _missing(column: Column) -> int:
    return int(np.isnan(column).sum()) if column.dtype == np.float64 else int((column == "").sum())


def _balance(manifest: Manifest, table: Table) -> dict[str, int]:
    if manifest.task != "classification":
        return {}
    labels = class_labels(table.columns[manifest.label])
    return {name: int((labels == name).sum()) for name in class_names(labels)}


def _fingerprints(table: Table, names: Sequence[str]) -> NDArray[np.object_]:
    """(n,) bytes per row that are equal exactly when the rows are."""
    codes = [
        table.columns[name]
        if table.columns[name].dtype == np.float64
        else np.unique(table.columns[name], return_inverse=True)[1].astype(np.float64)
        for name in names
    ]
    stacked = np.ascontiguousarray(np.column_stack(codes).astype(np.float64) + 0.0)  # -0.0 equals 0.0
    return np.array([row.tobytes() for row in stacked], dtype=object)


def _warnings(report: DatasetReport) -> tuple[str, ...]:
    found = []
    if report.leaked_rows:
        found.append(f"{report.leaked_rows} test rows also stand in the training rows; the score will flatter")
    if report.infinity_share:
        found.append("infinite values are treated as missing in training")
    if report.label_balance and max(report.label_balance.values()) > 9 * min(report.label_balance.values()):
        found.append("the largest class has more than nine times the rows of the smallest; read accuracy with care")
    return tuple(found)
