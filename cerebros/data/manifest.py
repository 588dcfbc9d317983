"""Manifests of datasets: sources with digests, columns, split, and permitted purposes."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cerebros.errors import ManifestRejected

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", extra={"rule": "64 lower-case hexadecimal digits"})]
Share = Annotated[float, Meta(gt=0.0, lt=0.9)]
# One class a row; any number of names a row, written `a|b`; one number a row.
Task = Literal["classification", "multilabel", "regression"]
Purpose = Literal["train", "evaluate", "share"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file, or one dataset that scikit-learn ships."""

    uri: Annotated[
        str,
        Meta(
            min_length=1,
            description="`sklearn:<name>`, or a path relative to the manifest that ends in .csv, .parquet or .jsonl.",
        ),
    ]
    sha256: Annotated[
        Sha256,
        Meta(
            description="SHA-256 of the file's bytes; for scikit-learn data, of the table's canonical bytes "
            "(`cerebros.data.dataset.table_digest`)."
        ),
    ]


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Division of the rows into those that train, those that choose and those that judge."""

    test: Annotated[Share, Meta(description="Share of rows held out for the final score.")] = 0.2
    validation: Annotated[Share, Meta(description="Share of rows held out for the search.")] = 0.2
    seed: Annotated[int, Meta(ge=0, description="Seed of the division.")] = 0
    stratify: Annotated[bool, Meta(description="Keep the classes' shares alike in all parts.")] = True


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset's manifest, as its TOML file states it."""

    schema: Annotated[Literal[1], Meta(description="Version of this format.")]
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
            description="Name of the dataset.",
            extra={"rule": "1 to 64 lower-case letters, digits, `_` or `-`, the first a letter or a digit"},
        ),
    ]
    description: Annotated[str, Meta(min_length=1, description="Content of the dataset, in words.")]
    task: Annotated[
        Task,
        Meta(
            description="Form of the label: `classification` has one class a row, `multilabel` any number of names a "
            "row, written `a|b`, `regression` one number a row."
        ),
    ]
    label: Annotated[str, Meta(description="Name of the column to predict.")]
    sources: Annotated[tuple[Source, ...], Meta(min_length=1, description="Files that hold the rows, in order.")]
    licence: Annotated[str, Meta(min_length=1, description="Licence of the data.")]
    purposes: Annotated[
        tuple[Purpose, ...], Meta(description="Uses that the owner allows; a training cycle needs `train`.")
    ]
    features: Annotated[
        tuple[str, ...], Meta(description="Columns that a model may see; all but the label when empty.")
    ] = ()
    categorical: Annotated[tuple[str, ...], Meta(description="Features that hold names, not numbers.")] = ()
    split: Annotated[Split, Meta(description="Shares of rows that are held out.")] = Split()
    retain_until: Annotated[
        date | None, Meta(description="Last day on which the data may be trained on; no end when absent.")
    ] = None


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
