"""Reads the sources a manifest names, checks their digests, and names the place of every bad cell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cerebros.data.dataset import Column, Part, Table, table_digest
from cerebros.data.manifest import Manifest, Source
from cerebros.errors import ManifestRejected

# What a missing value may be written as in CSV, in small or capital letters.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})

Raw = dict[str, list[Any]]


def read_table(manifest: Manifest, base: Path) -> Table:
    """All sources of the manifest, one below the other.

    Raises:
        ManifestRejected: a file is missing or unreadable, its digest or its
            columns differ, or a numeric column holds something else.
    """
    tables = [_read(source, manifest, base) for source in manifest.sources]
    first = tables[0]
    for source, table in zip(manifest.sources, tables, strict=True):
        if list(table) != list(first):
            raise ManifestRejected(
                f"{source.uri}: columns are {', '.join(table)}, but {manifest.sources[0].uri} has {', '.join(first)}; "
                "all sources need the same columns in the same order"
            )
    parts = tuple(
        Part(source.uri, len(next(iter(table.values()))))
        for source, table in zip(manifest.sources, tables, strict=True)
    )
    joined: dict[str, Column] = {name: np.concatenate([table[name] for table in tables]) for name in first}
    return Table(joined, parts)


def _read(source: Source, manifest: Manifest, base: Path) -> dict[str, Column]:
    if source.uri.startswith("sklearn:"):
        columns = _read_sklearn(source.uri.removeprefix("sklearn:"))
        _require_digest(source, table_digest(columns))
        return columns
    path = base / source.uri
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ManifestRejected(
            f"{source.uri}: cannot be read ({problem.strerror}) at {path}; paths are relative to the manifest"
        ) from None
    _require_digest(source, hashlib.sha256(content).hexdigest())
    read = READERS.get(path.suffix)
    if read is None:
        raise ManifestRejected(f"{source.uri}: format {path.suffix!r} is not read; use {', '.join(READERS)}")
    raw = read(source.uri, content)
    if not raw or not next(iter(raw.values())):
        raise ManifestRejected(f"{source.uri}: has no rows")
    return {name: _column(source.uri, name, cells, manifest) for name, cells in raw.items()}


def _require_digest(source: Source, actual: str) -> None:
    if actual != source.sha256:
        raise ManifestRejected(
            f"{source.uri}: sha256 is {actual}, the manifest says {source.sha256}; "
            "the data has changed, or the manifest names other data"
        )


def _read_sklearn(name: str) -> dict[str, Column]:
    from sklearn import datasets

    loaders = {
        "digits": datasets.load_digits,
        "breast_cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
    }
    if name not in loaders:
        raise ManifestRejected(f"sklearn:{name}: scikit-learn ships {', '.join(loaders)}")
    bunch = loaders[name]()
    columns: dict[str, Column] = {
        str(feature): bunch.data[:, index].astype(np.float64) for index, feature in enumerate(bunch.feature_names)
    }
    return columns | {"target": bunch.target.astype(np.float64)}


def _read_csv(uri: str, content: bytes) -> Raw:
    import csv
    import io

    try:
        text = content.decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text), strict=True) if text else [[]]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise ManifestRejected(f"{uri}: not CSV in UTF-8: {problem}; convert the file") from None
    if len(set(header)) != len(header):
        raise ManifestRejected(f"{uri}: the header names a column twice: {', '.join(header)}")
    table: Raw = {name: [] for name in header}
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ManifestRejected(f"{uri}, row {number}: has {len(row)} cells, the header names {len(header)} columns")
        for name, cell in zip(header, row, strict=True):
            table[name].append(None if cell.strip().lower() in MISSING else cell.strip())
    return table


def _read_jsonl(uri: str, content: bytes) -> Raw:
    table: Raw = {}
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            row = msgspec.json.decode(line, type=dict[str, str | int | float | bool | None])
        except msgspec.DecodeError as problem:
            raise ManifestRejected(f"{uri}, row {number}: {problem}; each line is one flat JSON object") from None
        if number == 1:
            table = {name: [] for name in row}
        if set(row) != set(table):
            raise ManifestRejected(f"{uri}, row {number}: has keys {sorted(row)}, row 1 has {sorted(table)}")
        for name, value in row.items():
            table[name].append(value)
    return table


def _read_parquet(uri: str, content: bytes) -> Raw:
    import pyarrow
    import pyarrow.parquet

    try:
        loaded = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
    except pyarrow.ArrowException as problem:
        raise ManifestRejected(f"{uri}: not a Parquet file: {problem}") from None
    raw: Raw = loaded.to_pydict()
    return raw


READERS: dict[str, Callable[[str, bytes], Raw]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}


def _column(uri: str, name: str, cells: Iterable[Any], manifest: Manifest) -> Column:
    """Numbers as float64, names as text; which one a column is, the manifest says."""
    wanted = name in manifest.features or not manifest.features
    label = name == manifest.label
    if name in manifest.categorical or (label and manifest.task != "regression") or not (wanted or label):
        return np.array([_name(cell) for cell in cells], dtype=object)
    return np.array([_number(uri, name, row, cell) for row, cell in enumerate(cells, start=1)], dtype=np.float64)


def _name(cell: Any) -> str:
    """A cell as a name, "" where it is missing; 3.0 and 3 are one name, however a format spells them."""
    if cell is None or cell != cell:  # NaN is not itself
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _number(uri: str, name: str, row: int, cell: Any) -> float:
    if cell is None:
        return float("nan")
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise ManifestRejected(
            f"{uri}, row {row}, column {name!r}: {cell!r} is not a number; mend it, or list the column as categorical"
        ) from None
