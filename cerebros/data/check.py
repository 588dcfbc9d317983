"""Check of a dataset against its manifest, with a report of its sizes and flaws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from cerebros.data.dataset import Column, Rows, Table, class_names, classes_of, feature_names, rows_of
from cerebros.data.diagnosis import ROWS_OF_AN_ID, feature_problems, header_problems, label_problems
from cerebros.data.features import FURTHEST, Encoding, fit_encoding
from cerebros.data.manifest import Manifest, dataset_digest
from cerebros.data.quoting import quoted, reject


class DatasetReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings of a dataset check; shares are of all feature cells."""

    name: Annotated[str, Meta(description="Name of the dataset.")]
    digest: Annotated[str, Meta(description="SHA-256 of its sources, columns, task and split.")]
    task: Annotated[str, Meta(description="`classification`, `multilabel` or `regression`.")]
    label: Annotated[str, Meta(description="Name of the column to predict.")]
    rows: Annotated[int, Meta(description="Number of rows.")]
    columns: Annotated[int, Meta(description="Number of columns.")]
    features: Annotated[int, Meta(description="Number of columns that a model may see.")]
    inputs: Annotated[int, Meta(description="Width of a row once it is encoded for a network.")]
    train_rows: Annotated[int, Meta(description="Number of rows that train.")]
    validation_rows: Annotated[int, Meta(description="Number of rows that choose between candidates.")]
    test_rows: Annotated[int, Meta(description="Number of rows that judge the chosen candidate.")]
    missing: Annotated[dict[str, int], Meta(description="Number of cells without a value, per column that has any.")]
    nan_share: Annotated[float, Meta(description="Share of cells that are not a number.")]
    infinity_share: Annotated[float, Meta(description="Share of cells that are infinite.")]
    label_balance: Annotated[dict[str, int], Meta(description="Number of rows per class; empty for regression.")]
    duplicates: Annotated[int, Meta(description="Number of rows that repeat an earlier row, label included.")]
    leaked_rows: Annotated[
        int, Meta(description="Number of test rows whose features also stand in a training or validation row.")
    ]
    warnings: Annotated[tuple[str, ...], Meta(description="Remarks that the owner should look at, in words.")]


def check(manifest: Manifest, table: Table) -> DatasetReport:
    """Check a dataset and report on it.

    Args:
        table: the sources, whose digests were checked when they were read.

    Raises:
        ManifestRejected: a named column is missing, a label is missing or not
            finite, or too far from the others, there is one class only or one
            of fewer than three rows, a column has too many names, or a part of
            the split is empty.
    """
    features = feature_names(manifest, table)
    reject(manifest.name, header_problems(manifest, tuple(table.columns)))
    reject(manifest.name, (*label_problems(manifest, table), *feature_problems(manifest, table)))
    rows = rows_of(manifest, table)
    encoding = fit_encoding(manifest, table, rows.train)
    _require_near_labels(manifest, table, encoding)
    report = _report(manifest, table, features, rows, encoding)
    return msgspec.structs.replace(report, warnings=(*_warnings(report), *table.remarks, *_ids(table, features)))


def _report(manifest: Manifest, table: Table, features: Sequence[str], rows: Rows, encoding: Encoding) -> DatasetReport:
    """Count everything but the warnings."""
    fingerprints = _fingerprints(table, features)
    whole = _fingerprints(table, (*features, manifest.label))
    # The final refit trains on the validation rows too.
    seen_in_training = set(fingerprints[np.concatenate([rows.train, rows.validation])])
    numeric = [table.columns[name] for name in features if table.columns[name].dtype == np.float64]
    cells = max(1, table.rows * len(features))
    return DatasetReport(
        name=manifest.name,
        digest=dataset_digest(manifest),
        task=manifest.task,
        label=manifest.label,
        rows=table.rows,
        columns=len(table.columns),
        features=len(features),
        inputs=encoding.width,
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


def _require_near_labels(manifest: Manifest, table: Table, encoding: Encoding) -> None:
    """Refuse a label to predict whose squared error would drown all others, or overflow."""
    if manifest.task != "regression":
        return
    labels = table.columns[manifest.label].astype(np.float64)
    far = np.flatnonzero(np.abs((labels - encoding.target_mean) / encoding.target_deviation) > FURTHEST)
    if len(far):
        row = int(far[0])
        problem = (
            f"{table.place(row)}, column {quoted(manifest.label)}: label {labels[row]} is more than {FURTHEST:,.0f} "
            f"deviations from the mean of the training rows, {encoding.target_mean:.6g}; mend or remove the "
            f"{len(far):,} rows like it"
        )
        reject(manifest.name, [problem])


def _missing(column: Column) -> int:
    return int(np.isnan(column).sum()) if column.dtype == np.float64 else int((column == "").sum())


def _balance(manifest: Manifest, table: Table) -> dict[str, int]:
    if manifest.task == "regression":
        return {}
    counts = classes_of(manifest, table.columns[manifest.label])
    return {name: counts[name] for name in class_names(counts)}


def _fingerprints(table: Table, names: Sequence[str]) -> NDArray[np.object_]:
    """Return bytes for each row, (n,), that are equal exactly when rows are equal."""
    codes = [
        table.columns[name]
        if table.columns[name].dtype == np.float64
        else np.unique(table.columns[name], return_inverse=True)[1].astype(np.float64)
        for name in names
    ]
    stacked = np.ascontiguousarray(np.column_stack(codes).astype(np.float64) + 0.0)  # -0.0 equals 0.0
    return np.array([row.tobytes() for row in stacked], dtype=object)


def _ids(table: Table, features: Sequence[str]) -> list[str]:
    """Warn of columns that tell rows apart and nothing else."""
    found = []
    for name in features:
        column = table.columns[name]
        if column.dtype == np.float64:
            if len(column) > 2 and (np.diff(column.astype(np.float64)) == 1.0).all():
                found.append(f"column {quoted(name)} counts the rows; leave it out of features if it is an id")
        elif len(column) > ROWS_OF_AN_ID and len(set(column)) == len(column):
            found.append(f"column {quoted(name)} has another name in every row; leave it out of features")
    return found


def _warnings(report: DatasetReport) -> tuple[str, ...]:
    found = []
    if report.leaked_rows:
        found.append(f"{report.leaked_rows} test rows also stand in the training rows; the score will flatter")
    if report.infinity_share:
        found.append("infinite values are treated as missing in training")
    if report.label_balance and max(report.label_balance.values()) > 9 * min(report.label_balance.values()):
        found.append("the largest class has more than nine times the rows of the smallest; read accuracy with care")
    return tuple(found)
