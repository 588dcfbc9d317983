"""Reads the sources a manifest names and checks their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bridge.datasets.files import Reach, Wanted, joined, read_file
from bridge.datasets.readers import READERS
from cerebros.data.dataset import Column, Table, table_digest
from cerebros.data.manifest import Manifest, Source
from cerebros.data.quoting import reject
from cerebros.data.reading import Written, table_of
from cerebros.errors import ManifestRejected


def read_table(manifest: Manifest, base: Path, reach: Reach | None = None) -> Table:
    """All sources of the manifest, one below the other; those below `base` are in reach where `reach` is None.

    Raises:
        ManifestRejected: files are out of reach, missing, unreadable or too large, their digests or their
            columns differ, or cells and labels break a rule; the message has all problems.
    """
    written, refused = [], []
    for source in manifest.sources:
        try:
            written.append(_read(source, base.absolute(), reach))
        except ManifestRejected as problem:
            refused.append(problem.message)
    reject(manifest.name, refused)
    return table_of(manifest, written)


def _read(source: Source, base: Path, reach: Reach | None) -> Written:
    if source.uri.startswith("sklearn:"):
        columns = _read_sklearn(source.uri.removeprefix("sklearn:"))
        _require_digest(source, table_digest(columns))
        cells = [[repr(value) for value in column.tolist()] for column in columns.values()]
        return Written(source.uri, tuple(columns), len(cells[0]), cells.__getitem__)
    content = _content(source.uri, joined(str(base), source.uri), reach or Reach((str(base),)))
    _require_digest(source, hashlib.sha256(content).hexdigest())
    written = READERS[Path(source.uri).suffix](source.uri, content)
    if not written.names or not written.rows:
        reject(source.uri, [fault.lstrip(",: ") for fault in written.faults] or ["has no rows"])
    return written


def _content(uri: str, path: str, reach: Reach) -> bytes:
    wanted = Wanted(uri, reach.bytes_at_most, "split it, or raise CEREBROS_SOURCE_BYTES_AT_MOST", tuple(READERS))
    try:
        return read_file(wanted, path, reach).content
    except FileNotFoundError as problem:
        raise ManifestRejected(
            f"{uri}: cannot be read ({problem.strerror}) at {path}; paths are relative to the manifest"
        ) from None


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
