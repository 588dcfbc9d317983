"""Columns of numbers and names from the cells of files, with all that is wrong with them in one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from cerebros.data.cells import LARGEST, Missing, missing_marks, name_of, names, numbers
from cerebros.data.dataset import Column, Part, Table
from cerebros.data.diagnosis import (
    feature_problems,
    header_problems,
    kind_of,
    label_problems,
    names_problems,
    unlabelled,
    with_meant_names,
    without_header,
)
from cerebros.data.manifest import Manifest
from cerebros.data.quoting import listed, quoted, reject

# A longer cell of a column of names is a text and not a name; each name becomes a part of the model's description.
NAME_CHARACTERS_AT_MOST = 1_000


@dataclass(frozen=True)
class Written:
    """The cells of one source, as its reader gives them.

    Attributes:
        names: names of the columns, as they are written.
        cells: gives the cells of the column at a place, as text without spaces around it, "" for a null.
        faults: rows that could not be read, in words; their cells are empty.
        nested: for each column of lists or maps, that it is one, in words; such cells are empty.
    """

    uri: str
    names: tuple[str, ...]
    rows: int
    cells: Callable[[int], Sequence[str]]
    faults: tuple[str, ...] = ()
    nested: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Read:
    """A column, with what is wrong with it.

    Attributes:
        kind, example: kind of a column that should hold numbers and holds something else, and a cell of it.
        faults: problems of single cells.
        remarks: what the owner should know of it, in words.
    """

    values: Column
    kind: str = ""
    example: str = ""
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def table_of(manifest: Manifest, sources: Sequence[Written]) -> Table:
    """Join the sources, one below the other, and read their cells as the manifest says.

    Raises:
        ManifestRejected: names, cells or labels break a rule. The message has the problems of all columns,
            the likeliest cause first.
    """
    first = sources[0]
    reject(manifest.name, [without_header(manifest, source.names, source.uri) for source in sources])
    alike = [source for source in sources if source.names == first.names]
    parts = tuple(Part(source.uri, source.rows) for source in alike)
    meant = with_meant_names(manifest, first.names)
    read = dict(zip(first.names, _read_columns(meant, alike, Table({}, parts)), strict=False))
    columns = {name: column.values for name, column in read.items()}
    table = Table(columns, parts, tuple(chain.from_iterable(column.remarks for column in read.values())))
    faults = [f"{source.uri}{fault}" for source in sources for fault in source.faults]
    kinds = {name: column.kind for name, column in read.items() if column.kind}
    problems = (
        *header_problems(manifest, first.names),
        *(_other_columns(source, first) for source in sources if source not in alike),
        *faults,
        *names_problems(kinds, {name: read[name].example for name in kinds}),
        *chain.from_iterable(column.faults for column in read.values()),
        *feature_problems(meant, table),
    )
    readable = meant.label in read and not faults and not read[meant.label].faults and meant.label not in kinds
    reject(manifest.name, (*problems, *(label_problems(meant, table) if readable else ())))
    return table


def _read_columns(manifest: Manifest, sources: Sequence[Written], places: Table) -> Iterator[_Read]:
    """Read the columns of sources that have the same ones."""
    missing = missing_marks(manifest.missing)
    whole = not any(source.faults for source in sources)
    for place, name in enumerate(sources[0].names):
        label = name == manifest.label
        seen = label or name in manifest.features or not manifest.features
        nested = [f"{source.uri}, {source.nested[name]}" for source in sources if name in source.nested]
        if nested and seen:
            fault = f"{nested[0]}; write a column for each of its parts, or leave it out of features"
            yield _Read(np.full(places.rows, "", dtype=object), faults=(fault,))
            continue
        cells = [cell for source in sources for cell in source.cells(place)]
        if not seen:
            yield _Read(names(cells, missing))
            continue
        if name in manifest.categorical or (label and manifest.task != "regression"):
            column = _read_names(name, cells, missing, places)
        else:
            column = _read_numbers(name, cells, missing, places, label=label)
        if label and whole and not column.faults and not column.kind:  # else rows are without a label for a reason
            column = replace(column, faults=_unlabelled(name, cells, column.values, places))
        yield column


def _read_names(name: str, cells: Sequence[str], missing: Missing, places: Table) -> _Read:
    values = names(cells, missing)
    faults = []
    long = [row for row, cell in enumerate(cells) if len(cell) > NAME_CHARACTERS_AT_MOST]
    if long:
        faults.append(
            f"{places.place(long[0])}, column {quoted(name)}: {quoted(cells[long[0]])} has {len(cells[long[0]]):,} "
            f"characters; a name has at most {NAME_CHARACTERS_AT_MOST:,}, shorten it or leave the column out"
        )
    if any("\0" in cell for cell in set(cells)):
        faults.append(f"column {quoted(name)} has a cell with a NUL character, which no database keeps; remove it")
    words = {cell: None for cell, value in zip(cells, values, strict=True) if value == "" != cell}
    remarks = _spellings(name, cells)
    if words:
        remarks += (f"column {quoted(name)}: {listed(words)} counts as missing, by `missing` in the manifest",)
    return _Read(values, faults=tuple(faults), remarks=remarks)


def _read_numbers(name: str, cells: Sequence[str], missing: Missing, places: Table, *, label: bool) -> _Read:
    values, strange = numbers(cells, missing)
    column, faults = quoted(name), []
    if strange:
        odd = [cells[row] for row in strange]
        known = len(strange) + int((~np.isnan(values)).sum())
        if 2 * len(strange) > known and label:
            fault = f"label column {column} holds names such as {quoted(odd[0])}, but regression needs numbers"
            return _Read(values, faults=(fault,))
        if 2 * len(strange) > known:
            return _Read(values, kind_of(odd, known), odd[0])
        others = f" (nor are {len(strange) - 1:,} more: {listed(dict.fromkeys(odd[1:]))})" if odd[1:] else ""
        faults.append(
            f"{places.place(strange[0])}, column {column}: {quoted(odd[0])} is not a number{others}; mend it, list "
            "the word in the manifest's `missing`, or the column in `categorical`"
        )
    huge = np.flatnonzero(np.isfinite(values) & (np.abs(values) > LARGEST)).tolist()
    if huge:
        others = f" (as by {len(huge) - 1:,} more)" if huge[1:] else ""
        move = "mend it, or remove the row" if label else "list it in `missing` if it marks a missing value, or mend it"
        faults.append(
            f"{places.place(huge[0])}, column {column}: {quoted(cells[huge[0]])} is beyond ±1e100, so that a variance "
            f"would overflow{others}; {move}"
        )
    return _Read(values, faults=tuple(faults))


def _unlabelled(name: str, cells: Sequence[str], labels: Column, places: Table) -> tuple[str, ...]:
    rows = np.flatnonzero(np.isnan(labels) if labels.dtype == np.float64 else labels == "").tolist()
    if not rows:
        return ()
    cell = cells[rows[0]]
    cause = "label is empty"
    if cell:
        cause = f"label is {quoted(cell)}, a word that the manifest's `missing` lists (missing = [] keeps it)"
    return (unlabelled(places.place(rows[0]), name, cause, len(rows)),)


def _spellings(name: str, cells: Sequence[str]) -> tuple[str, ...]:
    """Tell of fractions that are one name in several spellings, which versions and codes do not mean: 1.1 and 1.10."""
    first: dict[str, str] = {}
    for cell in dict.fromkeys(cells):
        other = first.setdefault(name_of(cell), cell)
        if other != cell and "." in name_of(cell):
            return (f"column {quoted(name)}: {other} and {cell} are one name, as they are one number",)
    return ()


def _other_columns(source: Written, first: Written) -> str:
    lacks = [name for name in first.names if name not in source.names]
    extra = [name for name in source.names if name not in first.names]
    told = [f"{source.uri}: columns are {listed(source.names)}, but {first.uri} has {listed(first.names)}"]
    told += [f"it lacks {listed(lacks)}"] if lacks else []
    told += [f"it adds {listed(extra)}"] if extra else []
    return f"{', '.join(told)}: all sources need the same columns in the same order"
