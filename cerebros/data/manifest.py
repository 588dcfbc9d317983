"""Manifests of datasets: sources with digests, columns, split, and permitted purposes."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cerebros.errors import ManifestRejected

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256, 64 lower-case hex digits.")]
Share = Annotated[float, Meta(gt=0.0, lt=0.9)]
# One class a row; any number of names a row, written `a|b`; one number a row.
Task = Literal["classification", "multilabel", "regression"]
Purpose = Literal["train", "evaluate", "share"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file, or one dataset that scikit-learn ships.

    Attributes:
        uri: `sklearn:<name>`, or a path relative to the manifest that ends in
            .csv, .parquet or .jsonl.
        sha256: of the file's bytes; for scikit-learn data, of the table's
            canonical bytes (`cerebros.data.dataset.table_digest`).
    """

    uri: Annotated[str, Meta(min_length=1)]
    sha256: Sha256


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of rows held out for the final score (`test`) and for the search (`validation`)."""

    test: Share = 0.2
    validation: Share = 0.2
    seed: Annotated[int, Meta(ge=0)] = 0
    stratify: bool = True


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset's manifest, as its TOML file states it.

    Attributes:
        schema: version of this format.
        features: columns a model may see; empty means all but the label.
        categorical: those of the features that hold names, not numbers.
        purposes: what the owner allows; a training cycle needs `train`.
        retain_until: after this day the data may no longer be trained on.
    """

    schema: Literal[1]
    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    description: Annotated[str, Meta(min_length=1)]
    task: Task
    label: str
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    licence: Annotated[str, Meta(min_length=1)]
    purposes: tuple[Purpose, ...]
    features: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    split: Split = Split()
    retain_until: date | None = None


def parse_manifest(text: str, origin: str) -> Manifest:
    """Read a manifest from TOML text; `origin` names the file in errors.

    Raises:
        ManifestRejected: not TOML, an unknown or missing key, or a value
            outside its rule. The message has the key's path.
    """
    try:
        manifest = msgspec.convert(tomllib.loads(text), Manifest)
    except tomllib.TOMLDecodeError as problem:
        raise ManifestRejected(f"{origin}: not valid TOML: {problem}") from None
    except msgspec.ValidationError as problem:
        keys = ", ".join(field.name for field in msgspec.structs.fields(Manifest))
        raise ManifestRejected(f"{origin}: {problem}; a manifest's keys are {keys}") from None
    _check_columns(manifest, origin)
    return manifest


def _check_columns(manifest: Manifest, origin: str) -> None:
    if manifest.label in manifest.features:
        raise ManifestRejected(
            f"{origin}: label {manifest.label!r} is also a feature; a model would read the answer, remove it"
        )
    strangers = [name for name in manifest.categorical if manifest.features and name not in manifest.features]
    if strangers:
        raise ManifestRejected(f"{origin}: categorical column {strangers[0]!r} is not among the features")
    if manifest.split.test + manifest.split.validation >= 0.95:
        raise ManifestRejected(
            f"{origin}: split leaves {1 - manifest.split.test - manifest.split.validation:.2f} of the rows "
            "for training; test + validation must stay below 0.95"
        )


def dataset_digest(manifest: Manifest) -> str:
    """Compute the SHA-256 of sources, columns, task and split, which together decide the numbers a model sees."""
    identity = {
        "sources": [source.sha256 for source in manifest.sources],
        "task": manifest.task,
        "label": manifest.label,
        "features": manifest.features,
        "categorical": manifest.categorical,
        "split": manifest.split,
    }
    return hashlib.sha256(msgspec.json.encode(identity, order="deterministic")).hexdigest()


def manifest_schema() -> dict[str, Any]:
    """Return the manifest format as JSON Schema (draft 2020-12)."""
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Manifest)))
    return schema
