"""Reads the sources a manifest names and checks their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bridge.datasets.readers import READERS
from cerebros.data.dataset import Column, Table, table_digest
from cerebros.data.manifest import Manifest, Source
from cerebros.data.quoting import reject
from cerebros.data.reading import Written, table_of
from cerebros.errors import ManifestRejected


def read_table(manifest: Manifest, base: Path) -> Table:
    """All sources of the manifest, one below the other.

    Raises:
        ManifestRejected: files are missing or unreadable, their digests or their
            columns differ, or cells and labels break a rule; the message has all problems.
    """
    written, refused = [], []
    for source in manifest.sources:
        try:
            written.append(_read(source, base))
        except ManifestRejected as problem:
            refused.append(problem.message)
    reject(manifest.name, refused)
    return table_of(manifest, written)


def _read(source: Source, base: Path) -> Written:
    if source.uri.startswith("sklearn:"):
        columns = _read_sklearn(source.uri.removeprefix("sklearn:"))
        _require_digest(source, table_digest(columns))
        cells = [[repr(value) for value in column.tolist()] for column in columns.values()]
        return Written(source.uri, tuple(columns), len(cells[0]), cells.__getitem__)
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
    written = read(source.uri, content)
    if not written.names or not written.rows:
        reject(source.uri, [fault.lstrip(",: ") for fault in written.faults] or ["has no rows"])
    return written


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
