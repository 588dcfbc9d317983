"""Check of a dataset against its manifest, with a report of its sizes and flaws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from cerebros.data.dataset import Column, Table, class_labels, class_names, feature_names, names_of, rows_of
from cerebros.data.features import fit_encoding
from cerebros.data.manifest import Manifest, dataset_digest
from cerebros.errors import ManifestRejected


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
            finite, there is one class only or one of fewer than three rows,
            or a part of the split is empty.
    """
    features = feature_names(manifest, table)
    _require_columns(manifest, table, features)
    _require_labels(manifest, table)
    report = _report(manifest, table, features)
    return msgspec.structs.replace(report, warnings=_warnings(report))


def _report(manifest: Manifest, table: Table, features: Sequence[str]) -> DatasetReport:
    """Count everything but the warnings."""
    rows = rows_of(manifest, table)
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
        inputs=fit_encoding(manifest, table, rows.train).width,
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


def _require_columns(manifest: Manifest, table: Table, features: Sequence[str]) -> None:
    have = ", ".join(table.columns)
    if manifest.label not in table.columns:
        raise ManifestRejected(f"{manifest.name}: label column {manifest.label!r} is missing; columns are {have}")
    if not features:
        raise ManifestRejected(f"{manifest.name}: there is no column beside the label {manifest.label!r} to learn from")
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
    if manifest.task != "regression":
        lonely = [name for name, count in _balance(manifest, table).items() if count < 3]
        if lonely or len(_balance(manifest, table)) < 2:
            raise ManifestRejected(
                f"{manifest.name}: {manifest.task} needs two classes and three rows of each; "
                f"too small: {', '.join(lonely) or 'there is one class only'}"
            )


def _missing(column: Column) -> int:
    return int(np.isnan(column).sum()) if column.dtype == np.float64 else int((column == "").sum())


def _balance(manifest: Manifest, table: Table) -> dict[str, int]:
    if manifest.task == "regression":
        return {}
    if manifest.task == "multilabel":
        counts = Counter(name for names in names_of(table.columns[manifest.label]) for name in names)
        return {name: counts[name] for name in class_names(counts)}
    labels = class_labels(table.columns[manifest.label])
    return {name: int((labels == name).sum()) for name in class_names(labels)}


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


def _warnings(report: DatasetReport) -> tuple[str, ...]:
    found = []
    if report.leaked_rows:
        found.append(f"{report.leaked_rows} test rows also stand in the training rows; the score will flatter")
    if report.infinity_share:
        found.append("infinite values are treated as missing in training")
    if report.label_balance and max(report.label_balance.values()) > 9 * min(report.label_balance.values()):
        found.append("the largest class has more than nine times the rows of the smallest; read accuracy with care")
    return tuple(found)
