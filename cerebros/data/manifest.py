"""Manifests of datasets: sources with digests, columns, split, and permitted purposes."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from cerebros.data.quoting import listed, near, quoted, reject
from cerebros.errors import ManifestRejected

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", extra={"rule": "64 lower-case hexadecimal digits"})]
Share = Annotated[float, Meta(gt=0.0, lt=0.9)]
# One class a row; any number of names a row, written `a|b`; one number a row.
Task = Literal["classification", "multilabel", "regression"]
Purpose = Literal["train", "evaluate", "share"]

# What programs write for no value; the empty cell is one always.
MISSING_WORDS = ("NA", "N/A", "NaN", "null", "None")


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
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Seed of the division.")] = 0
    stratify: Annotated[bool, Meta(description="Keep the classes' shares alike in all parts.")] = True


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset's manifest, as its TOML file states it."""

    schema: Annotated[Literal[1], Meta(description="Version of this format.")]
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z",
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
    categorical: Annotated[
        tuple[str, ...],
        Meta(
            description="Features that hold names, not numbers. The same rules hold in every file format: a name that "
            "is spelt as a JSON number is that number, so that `1`, `1.0` and `1e0` are the name `1`, but `01` is "
            "`01`; `True` and `TRUE` are `true`."
        ),
    ] = ()
    missing: Annotated[
        tuple[str, ...],
        Meta(
            description="Words that mean a missing value, in small or capital letters and in every file format; they "
            'take the place of the usual ones. A word that is a number, such as `"-999"`, stands for each spelling '
            "of that number. Empty cells and nulls are missing always; with `missing = []` nothing else is."
        ),
    ] = MISSING_WORDS
    split: Annotated[Split, Meta(description="Shares of rows that are held out.")] = Split()
    retain_until: Annotated[
        date | None, Meta(description="Last day on which the data may be trained on; no end when absent.")
    ] = None


# A file without this line is no manifest but anybody's, and nothing of its content is told.
_SCHEMA_LINE = re.compile(r"""^\ufeff?[ \t]*(?:schema|"schema"|'schema')[ \t]*=""", re.MULTILINE)

# Strings and comments of TOML, whose dots are no dots of keys. An end may be missing: then the rest is not valid TOML,
# and a search that began anew at each quote would take the square of the text's length.
_STRINGS = re.compile(
    r"""
    \"{3} (?:\\.|[^\\])*? (?:\"{3,5}|\\?\Z)
    | '{3} .*? (?:'{3,5}|\Z)
    | \" (?:\\.|[^\"\\\n])* \"?
    | ' [^'\n]* '?
    | [#][^\n]*
    """,
    re.DOTALL | re.VERBOSE,
)

# All that is not part of a dotted key.
_BETWEEN_KEYS = re.compile(r"[^A-Za-z0-9_\-. \t]+")

# Python neither reads nor shows a decimal number of more than 4,300 digits, and hexadecimal ones grow on the way.
_LONG_NUMBER = re.compile(r"[0-9A-Fa-f_]{1000}")

# The time that tomllib takes grows with the square of the parts of a key: 11 s for 32,000 of them, 0.1 s for 8 in each
# of the keys that fit into 64 kB.
KEY_PARTS_AT_MOST = 8


def parse_manifest(text: str, origin: str) -> Manifest:
    """Read a manifest from TOML text; `origin` names the file in errors.

    Raises:
        ManifestRejected: not TOML, an unknown or missing key, or a value
            outside its rule. The message has all of them, with their paths.
    """
    if not _SCHEMA_LINE.search(text):
        raise ManifestRejected(f"{origin}: is not a manifest, which has a line `schema = 1`; name a manifest")
    bare = _STRINGS.sub("s", text)
    if max(key.count(".") for key in _BETWEEN_KEYS.split(bare)) >= KEY_PARTS_AT_MOST:
        raise ManifestRejected(f"{origin}: a key has more than {KEY_PARTS_AT_MOST} parts; a manifest's have at most 2")
    if _LONG_NUMBER.search(bare):
        raise ManifestRejected(f"{origin}: has a number of 1,000 digits or more; none of a manifest's is beyond 2^63")
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))  # a byte order mark, as some editors write it
    except (ValueError, RecursionError) as problem:  # also arrays in arrays
        raise ManifestRejected(f"{origin}: not valid TOML: {problem}") from None
    try:
        manifest = msgspec.convert(table, Manifest)
    except msgspec.ValidationError:
        reject(origin, _faults(table, Manifest, "$"))
        raise
    reject(origin, _contradictions(manifest))
    return manifest


def _faults(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """Yield every part of a value that breaks its type's rules; msgspec tells of the first only."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    if isinstance(value, dict) and isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        yield from _key_faults(value, bare, path)
        return
    if isinstance(value, list) and get_origin(bare) is tuple:
        parts = (fault for n, part in enumerate(value) for fault in _faults(part, get_args(bare)[0], f"{path}[{n}]"))
        if (first := next(parts, None)) is not None:
            yield first
            yield from parts
            return
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as problem:
        told, _, place = str(problem).partition(" - at `$")
        yield f"{told} - at `{path}{place.removesuffix('`')}`"


def _key_faults(table: dict[str, Any], wanted: type[msgspec.Struct], path: str) -> Iterator[str]:
    """Yield the keys that a table should not have, lacks, or has with a value that breaks a rule."""
    fields = {field.name: field for field in msgspec.structs.fields(wanted)}
    for key in table:
        if key not in fields:
            meant = f" (did you mean {quoted(near(key, fields)[0])}?)" if near(key, fields) else ""
            # Names beyond our own may be anything.
            shown = key if key.isidentifier() and len(key) < 60 else quoted(key)
            yield f"unknown field `{shown}` at `{path}`{meant}; a manifest's keys here are {', '.join(fields)}"
    for name, field in fields.items():
        if name in table:
            yield from _faults(table[name], field.type, f"{path}.{name}")
        elif field.required:
            yield f"required field `{name}` is missing at `{path}`"


def _contradictions(manifest: Manifest) -> list[str]:
    """Find parts of a manifest that contradict each other."""
    features, label = manifest.features, manifest.label
    found = []
    if b"\\u0000" in msgspec.json.encode(manifest):
        found.append("a text has a NUL character, which no database keeps; remove it")
    if label in features:
        found.append(f"label {quoted(label)} is also a feature; a model would read the answer, remove it")
    for key, names in (("features", features), ("categorical", manifest.categorical)):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            found.append(f"{key} names a column twice: {listed(twice)}")
    known = set(features)
    strangers = [name for name in manifest.categorical if features and name not in known]
    if strangers:
        plural = "s" if strangers[1:] else ""
        verb = "are" if strangers[1:] else "is"
        found.append(
            f"categorical column{plural} {', '.join(map(quoted, strangers[:8]))} {verb} not among the features, "
            f"{listed(features)}"
        )
    if manifest.split.test + manifest.split.validation >= 0.95:
        found.append(
            f"split leaves {1 - manifest.split.test - manifest.split.validation:.2f} of the rows for training; "
            "test + validation must stay below 0.95"
        )
    return found


def dataset_digest(manifest: Manifest) -> str:
    """Compute the SHA-256 of sources, columns, task and split, which together decide the numbers a model sees."""
    identity: dict[str, Any] = {
        "sources": [source.sha256 for source in manifest.sources],
        "task": manifest.task,
        "label": manifest.label,
        "features": manifest.features,
        "categorical": manifest.categorical,
        "split": manifest.split,
    }
    if manifest.missing != MISSING_WORDS:  # the usual ones were there before the key was, and digests stay
        identity["missing"] = manifest.missing
    return hashlib.sha256(msgspec.json.encode(identity, order="deterministic")).hexdigest()


def manifest_schema() -> dict[str, Any]:
    """Return the manifest format as JSON Schema (draft 2020-12)."""
    # The end of a text is `\Z` in Python, where `$` also stands before a last line's end, and `$` in JSON Schema.
    text = msgspec.json.encode(msgspec.json.schema(Manifest)).replace(rb"\\Z", b"$")
    schema: dict[str, Any] = msgspec.json.decode(text)
    return schema
