"""Readers of CSV, JSON lines and Parquet: each gives the cells as the text that a CSV file has for them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from cerebros.data.quoting import listed, quoted
from cerebros.data.reading import Written
from cerebros.errors import ManifestRejected

if TYPE_CHECKING:
    import pyarrow

# After so many rows that cannot be read the others are not looked at: the file is of another format.
FAULTS_AT_MOST = 20

# Rows that cannot be read are named up to here, and then counted.
_FAULTS_SHOWN = 3

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", None: "spaces", ":": "colons"}

# Cells are as long as their file allows, as in the other formats.
csv.field_size_limit(2**31 - 1)

# How files begin that are called by another format's name; text in UTF-16 has a NUL beside each letter.
_BEGINNINGS = {
    "UTF-16": re.compile(rb"\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0"),
    "gzip": re.compile(rb"\x1f\x8b"),
    "a ZIP archive or a workbook of a spreadsheet": re.compile(rb"PK\x03\x04"),
    "Parquet": re.compile(rb"PAR1"),
    "a web page": re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE),
    "a pointer of Git LFS, whose file was not fetched": re.compile(rb"version https://git-lfs"),
}

# Python's names of what JSON has no number for, as some programs write it.
_CONSTANTS = {"NaN": None, "Infinity": "inf", "-Infinity": "-inf"}


def read_csv(uri: str, content: bytes) -> Written:
    """Read comma-separated values with a line of names.

    Raises:
        ManifestRejected: it is another format.
    """
    # Newlines stay as they are, so that a lone carriage return ends a line too, but not within quotes.
    text = _decoded(uri, content, "CSV")
    if text.lstrip().startswith("{"):
        raise ManifestRejected(f"{uri}: is JSON lines, not CSV; name it .jsonl")
    _require_names(uri, text)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    faults: list[str] = []
    header: list[str] = []
    try:
        header = next((row for row in lines if row), [])  # as after it, lines without a cell say nothing
        for row in lines:
            if len(row) == len(header):
                rows.append(row)
            elif any(cell.strip() for cell in row):
                rows.append([""] * len(header))
                faults.append(f", row {len(rows)}: has {len(row)} cells, the header names {len(header)} columns")
            if len(faults) == FAULTS_AT_MOST:
                break
    except csv.Error as problem:
        faults.append(f", line {lines.line_num}: not CSV: {problem}; mend the quotes there")
    return Written(
        uri,
        tuple(header),
        len(rows),
        lambda place: [row[place].strip() for row in rows],
        _some(faults),
    )


def read_jsonl(uri: str, content: bytes) -> Written:
    """Read JSON lines: each is a flat object, with the keys of the first one.

    Raises:
        ManifestRejected: it is another format.
    """
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        raise ManifestRejected(f"{uri}: is one JSON array; write one object on each line instead")
    # The text of numbers is kept: 400 digits are read like any others, and 1.0 as CSV has it.
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=_CONSTANTS.get)
    names: tuple[str, ...] = ()
    rows: list[list[str]] = []
    faults: list[str] = []
    nested: dict[str, str] = {}
    for line in _decoded(uri, content, "JSON lines").encode().splitlines():  # bytes end at CR and LF alone
        if not line.strip():
            continue
        try:
            row = _row(decoder, line.decode(), names)
        except (ValueError, RecursionError) as problem:
            rows.append([""] * len(names))
            faults.append(f", row {len(rows)}: {problem}; each line is one flat JSON object")
            if len(faults) == FAULTS_AT_MOST:
                break
            continue
        names = names or tuple(row)
        rows.append([_text(row[name]) for name in names])
        for name, value in row.items():
            if isinstance(value, list | dict):
                nested.setdefault(name, f"row {len(rows)}, column {quoted(name)} is a list or an object")
    rows = [row or [""] * len(names) for row in rows]  # those before the first that could be read
    return Written(uri, names, len(rows), lambda place: [row[place] for row in rows], _some(faults), nested)


def read_parquet(uri: str, content: bytes) -> Written:
    """Read a Parquet file.

    Raises:
        ManifestRejected: it is no Parquet file.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        # `read_table` would refuse a name that stands twice with an account of its own.
        loaded = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content)).read()
    except MemoryError:  # pyarrow's is also an ArrowException
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as problem:
        raise ManifestRejected(f"{uri}: not a Parquet file: {quoted(str(problem))}") from None
    kinds = {field.name: field.type for field in loaded.schema if pyarrow.types.is_nested(field.type)}
    nested = {name: f"column {quoted(name)} holds {quoted(str(kind))}" for name, kind in kinds.items()}
    cells = partial(_column_texts, uri, loaded)
    return Written(uri, tuple(loaded.column_names), loaded.num_rows, cells, nested=nested)


READERS: dict[str, Callable[[str, bytes], Written]] = {
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}


def _decoded(uri: str, content: bytes, form: str) -> str:
    found = next((name for name, beginning in _BEGINNINGS.items() if beginning.match(content)), "")
    try:
        if not found:
            return content.decode("utf-8-sig")  # a byte order mark is no part of the first name
    except UnicodeDecodeError as problem:
        found = str(problem)
    raise ManifestRejected(f"{uri}: not {form} in UTF-8: {found}; convert the file") from None


def _require_names(uri: str, text: str) -> None:
    """Refuse a file whose first line is one cell by commas, and more by another separator or in the next line."""
    first, *rest = list(islice(filter(any, csv.reader(io.StringIO(text, newline=""))), 2)) or [[]]
    line = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    if len(first) != 1 and not line.startswith("sep="):
        return
    for separator, words in _OTHER_SEPARATORS.items():
        if all(len(",".join(row).split(separator)) > 1 for row in (first, *rest)):
            raise ManifestRejected(
                f"{uri}: columns are separated by {words}, CSV is separated by commas; convert the file "
                f"(its first line is {quoted(line)})"
            )
    if rest and len(rest[0]) > 1:
        raise ManifestRejected(
            f"{uri}: the first line should name the columns, but is {quoted(line)}; remove what is above the names"
        )


def _some(faults: Sequence[str]) -> tuple[str, ...]:
    if len(faults) <= _FAULTS_SHOWN:
        return tuple(faults)
    some = f"at least {FAULTS_AT_MOST}" if len(faults) >= FAULTS_AT_MOST else str(len(faults))
    return (*faults[:_FAULTS_SHOWN], f": {some} rows cannot be read")


def _row(decoder: json.JSONDecoder, line: str, names: Sequence[str]) -> dict[str, Any]:
    """Decode a line.

    Raises:
        ValueError: it is no object, has other keys than the first one, or text that is no Unicode.
    """
    row = decoder.decode(line)
    if not isinstance(row, dict):
        raise ValueError(f"{quoted(line)} is no object")
    if names and set(row) != set(names):
        raise ValueError(f"has keys {listed(sorted(row))}, row 1 has {listed(sorted(names))}")
    if "\\u" in line:  # an escape may be half of a character
        for part in (*row, *(value for value in row.values() if isinstance(value, str))):
            if not part.isascii() and any("\ud800" <= character <= "\udfff" for character in part):
                raise ValueError(f"{quoted(part)} has half a character, a lone surrogate")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values.

    Raises:
        ValueError: a key stands twice, and one of its values would be lost.
    """
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"has the key {quoted(next(key for key in keys if keys.count(key) > 1))} twice")
    return row


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value).lower() if isinstance(value, bool) else ""  # null, and a list or an object, told of apart


def _column_texts(uri: str, table: pyarrow.Table, place: int) -> list[str]:
    """Return a column's cells as text, made when asked for: all columns at once would take the memory of many.

    Raises:
        ManifestRejected: they are no Unicode.
    """
    try:
        return [text.strip() for text in _cast(table.column(place))]
    except UnicodeDecodeError as problem:
        name = quoted(table.column_names[place])
        raise ManifestRejected(f"{uri}, column {name}: not text in UTF-8: {problem}; convert the file") from None


def _cast(column: pyarrow.ChunkedArray) -> Iterator[str]:
    import pyarrow
    import pyarrow.compute

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pyarrow.types.is_nested(kind):
        return ("" for _ in range(len(column)))
    if pyarrow.types.is_floating(kind):
        column = pyarrow.compute.if_else(pyarrow.compute.is_nan(column), pyarrow.scalar(None, kind), column)
    try:
        column = column.cast(pyarrow.string())
    except pyarrow.ArrowException:  # there is no cast of a few types, such as intervals, and of bytes that are no text
        cells = column.to_pylist()
        return ("" if cell is None else cell.decode() if isinstance(cell, bytes) else str(cell) for cell in cells)
    return ("" if cell is None else cell for cell in column.to_pylist())
