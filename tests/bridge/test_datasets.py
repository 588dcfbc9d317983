"""Files of every format mean the same, and say all that is wrong with them (issue 11, kinds 12, 14, 18 and 19)."""

import hashlib
import json
import math
import re
import time

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.datasets.sources import read_table
from cerebros.data.check import check
from cerebros.data.features import make_folds
from cerebros.data.manifest import MISSING_WORDS, Manifest, Source
from cerebros.errors import ManifestRejected


def manifest_of(path, content: bytes, **fields) -> Manifest:
    path.write_bytes(content)
    source = Source(path.name, hashlib.sha256(content).hexdigest())
    defaults = {"task": "classification", "label": "y", "purposes": ("train",), "licence": "CC0-1.0"}
    named = {"schema": 1, "name": "t", "description": "a test", "sources": (source,)}
    return Manifest(**(defaults | named | fields))


def table_in(directory, content: bytes | str, suffix: str = ".csv", **fields):
    content = content.encode() if isinstance(content, str) else content
    return read_table(manifest_of(directory / f"rows{suffix}", content, **fields), directory)


def refusal(directory, content: bytes | str, suffix: str = ".csv", **fields) -> str:
    with pytest.raises(ManifestRejected) as refused:
        table_in(directory, content, suffix, **fields)
    return refused.value.message


def csv_of(header: str, row, n: int = 30) -> str:
    return header + "\n" + "".join(f"{row(i)},{'ab'[i % 2]}\n" for i in range(n))


# What a program has in memory: a value, and its text in a CSV file where that is not its own.
WORDS = st.sampled_from(
    [
        "red",
        " padded ",
        "NA",
        "none",
        "null",
        "nan",
        "true",
        "TRUE",
        "1",
        "1.0",
        "01",
        "1e3",
        "10_0",
        "1.10",
        "é",
        "e\u0301",
        "-999",
    ]
)
COLUMNS = st.sampled_from([st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e99, 1e99), WORDS])


@st.composite
def tables(draw):
    """Columns of one type each, some of whose cells are null, as a data frame has them; and a label."""
    n = draw(st.integers(6, 12))
    columns = {}
    for name in ("u", "v", "w"):
        cells = st.one_of(st.none(), draw(COLUMNS))
        columns[name] = draw(st.lists(cells, min_size=n, max_size=n))
    labels = draw(st.sampled_from([[1, 2], [1.0, 2.0], ["x", "none"], [True, False], [2**53 + 1, 2**53]]))
    columns["y"] = [labels[i % 2] for i in range(n)]
    return columns


def as_csv(columns) -> bytes:
    def text(cell):
        if isinstance(cell, bool):
            return str(cell)  # as Python and pandas write it
        return "" if cell is None else f'"{cell}"'

    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(text, row)) for row in rows)]).encode()


def as_jsonl(columns) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return "\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows).encode()


def as_parquet(columns) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue().to_pybytes()


FORMATS = {".csv": as_csv, ".jsonl": as_jsonl, ".parquet": as_parquet}


def told(directory, columns, suffix, **fields):
    """Return the columns of a table and the remarks on it, or the refusal, without the name of the file."""
    try:
        table = table_in(directory, FORMATS[suffix](columns), suffix, label="y", **fields)
    except ManifestRejected as problem:
        return problem.message.replace(suffix, ""), ()
    return {name: column.tolist() for name, column in table.columns.items()}, table.remarks


@given(tables(), st.sampled_from([MISSING_WORDS, (), ("-999", "red")]))
def test_one_table_is_the_same_in_every_format(tmp_path_factory, columns, missing):
    directory = tmp_path_factory.mktemp("same")
    fields = {"missing": missing, "categorical": ("u", "v")}
    csv, jsonl, parquet = (told(directory, columns, suffix, **fields) for suffix in FORMATS)
    assert repr(csv) == repr(jsonl) == repr(parquet)  # repr, as NaN is no equal of itself


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", ["1", "1.0", 1, 1.0, "1e0"])
def test_a_class_has_one_name_in_every_format(tmp_path, suffix, kind):
    columns = {"u": list(range(6)), "y": [kind, "2"] * 3 if isinstance(kind, str) else [kind, 2] * 3}
    assert set(told(tmp_path, columns, suffix)[0]["y"]) == {"1", "2"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_word_that_means_missing_is_named_and_can_be_kept(tmp_path, suffix):
    columns = {"u": list(range(9)), "y": ["none", "mild", "severe"] * 3}
    message = told(tmp_path, columns, suffix)[0]
    assert "row 1, column 'y': label is 'none'" in message
    assert "missing = []" in message
    assert set(told(tmp_path, columns, suffix, missing=())[0]["y"]) == {"none", "mild", "severe"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_category_that_counts_as_missing_is_remarked_on(tmp_path, suffix):
    columns = {"u": ["NA", "x", "z"] * 4, "v": list(range(0, 24, 2)), "y": ["a", "b"] * 6}
    read, remarks = told(tmp_path, columns, suffix, categorical=("u",))
    assert read["u"].count("") == 4
    assert remarks == ("column 'u': NA counts as missing, by `missing` in the manifest",)


def test_names_that_become_one_are_remarked_on(tmp_path):
    table = table_in(tmp_path, csv_of("u,y", lambda i: ["1.1", "1.10", "2.3"][i % 3]), categorical=("u",))
    assert table.remarks == ("column 'u': 1.1 and 1.10 are one name, as they are one number",)


@pytest.mark.parametrize(
    ("type_", "values", "cells"),
    [
        (pyarrow.decimal128(6, 2), ["1.50", "2.00", None], ["1.5", "2", ""]),
        (pyarrow.float32(), [0.1, 2.0, None], ["0.1", "2", ""]),
        (pyarrow.float64(), [math.nan, 2.0, None], ["", "2", ""]),
        (pyarrow.uint64(), [2**64 - 1, 0, None], ["18446744073709551615", "0", ""]),
        (pyarrow.int64(), [2**53 + 1, -(2**63), None], ["9007199254740993", "-9223372036854775808", ""]),
        (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), ["red", "blue", None], ["red", "blue", ""]),
        (pyarrow.bool_(), [True, False, None], ["true", "false", ""]),
        (pyarrow.binary(), [b"red", b"1.0", None], ["red", "1", ""]),
    ],
)
def test_each_type_of_parquet_is_what_its_text_is(tmp_path, type_, values, cells):
    from decimal import Decimal

    values = [Decimal(value) if pyarrow.types.is_decimal(type_) and value else value for value in values]
    column = pyarrow.array(values * 3, type=type_)
    columns = {"u": column, "y": ["a", "b", "c"] * 3}
    read, _ = told(tmp_path, columns, ".parquet", categorical=("u",))
    assert read["u"] == cells * 3


def test_a_list_of_parquet_is_refused_only_where_it_is_looked_at(tmp_path):
    columns = {"u": [[1, 2], [3]] * 3, "v": list(range(0, 12, 2)), "y": ["a", "b"] * 3}
    assert "column 'u' holds 'list<" in told(tmp_path, columns, ".parquet")[0]
    assert told(tmp_path, columns, ".parquet", features=("v",))[0]["v"] == [0, 2, 4, 6, 8, 10]
    assert "row 1, column 'u' is a list" in told(tmp_path, columns, ".jsonl")[0]
    assert told(tmp_path, columns, ".jsonl", features=("v",))[0]["v"] == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".csv", "u,u,y\n" + "1,2,a\n3,4,b\n" * 3),
        (".parquet", None),
    ],
)
def test_a_column_that_stands_twice_is_refused(tmp_path, suffix, content):
    if content is None:
        twice = pyarrow.table([[1, 3] * 3, [2, 4] * 3, ["a", "b"] * 3], names=["u", "u", "y"])
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(twice, sink)
        content = sink.getvalue().to_pybytes()
    assert "the header names a column twice: u" in refusal(tmp_path, content, suffix)


def test_a_key_that_stands_twice_in_a_row_of_jsonl_is_refused(tmp_path):
    rows = ['{"u": 1, "y": "a"}', '{"u": 1, "u": 2, "y": "b"}'] * 3
    assert "row 2: has the key 'u' twice" in refusal(tmp_path, "\n".join(rows), ".jsonl")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n\r\n", "\n   \n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_marks_line_ends_and_blank_lines_change_nothing(tmp_path, end, tail, start, suffix):
    columns = {"u": [0.5, 4, 2, 9, 1, 7], "y": ["a", "b"] * 3}
    lines = FORMATS[suffix](columns).decode().split("\n")
    table = table_in(tmp_path, start + end.join(lines) + tail, suffix)
    assert table.columns["u"].tolist() == columns["u"]
    assert list(table.columns) == ["u", "y"]


@pytest.mark.parametrize("digits", [20, 400, 5_000])
def test_a_whole_number_of_any_length_is_a_name_and_a_number_or_too_large(tmp_path, digits):
    lines = [f'{{"u": {"7" * digits if i == 3 else i * i}, "y": "{"ab"[i % 2]}"}}' for i in range(9)]
    if digits < 1_000:
        assert len(table_in(tmp_path, "\n".join(lines), ".jsonl", categorical=("u",)).columns["u"][3]) == digits
    if digits == 20:
        assert table_in(tmp_path, "\n".join(lines), ".jsonl").columns["u"][3] == float("7" * 20)
    else:
        assert "row 4, column 'u'" in refusal(tmp_path, "\n".join(lines), ".jsonl")


@pytest.mark.parametrize("cell", ["1e101", "-1e200", "1.7976931348623157e308", "1e400"])
def test_a_number_too_large_to_scale_is_refused_with_its_place_and_may_be_marked_missing(tmp_path, cell):
    content = csv_of("u,v,y", lambda i: f"{cell if i == 4 else i / 7},{i * i}")
    message = refusal(tmp_path, content)
    assert f"rows.csv, row 5, column 'u': '{cell}' is beyond ±1e100" in message
    assert "`missing`" in message
    manifest = manifest_of(tmp_path / "rows.csv", content.encode(), missing=(cell,))
    table = read_table(manifest, tmp_path)
    assert check(manifest, table).missing == {"u": 1}
    assert np.isfinite(make_folds(manifest, table).train.inputs).all()


def test_a_target_too_large_to_scale_is_refused_with_its_place(tmp_path):
    content = csv_of("u,y,z", lambda i: f"{i / 7},{'1e200' if i == 3 else i % 5}")
    message = refusal(tmp_path, content, task="regression", features=("u",))
    assert "row 4, column 'y': '1e200' is beyond" in message


def test_ten_columns_of_names_are_told_of_at_once(tmp_path):
    columns = [f"c{i}" for i in range(10)]
    message = refusal(tmp_path, csv_of(f"u,{','.join(columns)},y", lambda i: f"{i}.5," + ",".join(["red"] * 10)))
    assert f"categorical = {json.dumps(columns)}" in message


def test_all_problems_are_in_one_answer_the_likeliest_first(tmp_path):
    header = "id,day,price,colour,odd,u,Y"
    row = '"K{0}",2020-01-{1:02},"{0},5",{2},{3},{0}.5'
    content = csv_of(header, lambda i: row.format(i, i % 28 + 1, ["red", "blue"][i % 2], "?" if i == 7 else i))
    message = refusal(tmp_path, content)
    marks = (
        "label column 'y' is missing; columns are id, day, price, colour, odd, u, Y (did you mean 'Y'?)",
        "column 'price': cells such as '0,5' are numbers with commas",
        "column 'day': cells such as '2020-01-01' are dates or times",
        "column 'id': cells such as 'K0' are another name in every row, as ids are",
        "column 'colour': cells such as 'red' are names",
        "rows.csv, row 8, column 'odd': '?' is not a number",
    )
    assert "6 problems" in message
    places = [message.index(mark) for mark in marks]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("1,100", "commas"),
        ("-0,25", "commas"),
        ("1.234.567,8", "commas"),
        ("31.12.2020", "dates or times"),
        ("12/31/2020 10:00", "dates or times"),
        ("2020-12-31T10:00:00Z", "dates or times"),
        ("2020-12", "dates or times"),
        ("10:30 pm", "dates or times"),
        ("12 %", "a unit"),
        ("$1.50", "a unit"),
        ("3.5 kg", "a unit"),
        ("10_0", "names"),
        ("A-12", "names"),
        ("7b", "names"),
    ],
)
def test_a_column_that_should_hold_numbers_is_told_what_it_holds(tmp_path, cell, kind):
    message = refusal(tmp_path, csv_of("u,v,y", lambda i: f'"{cell}",{i * i}'))
    assert re.search(rf"column 'u': cells such as '{re.escape(cell)}' are .*{kind}", message)


def test_no_number_in_parquet_is_missing_whatever_the_words(tmp_path):
    columns = {"u": [math.nan, 2.0] * 3, "v": [1.5, math.nan] * 3, "y": ["a", "b"] * 3}
    read, _ = told(tmp_path, columns, ".parquet", missing=(), categorical=("u",))
    assert read["u"] == ["", "2"] * 3
    assert np.isnan(read["v"]).tolist() == [False, True] * 3


def test_a_name_with_a_nul_is_refused(tmp_path):
    assert "NUL character" in refusal(tmp_path, csv_of("u,y,z", lambda i: f"{i},a\0b"), features=("u",))


def test_an_infinite_target_is_refused_with_its_place(tmp_path):
    content = csv_of("u,y,z", lambda i: f"{i},{'inf' if i == 3 else i % 5}")
    message = refusal(tmp_path, content, task="regression", features=("u",))
    assert "row 4, column 'y': label is inf; every row needs a label" in message


def test_rows_that_cannot_be_read_do_not_hide_what_is_wrong_with_the_labels(tmp_path):
    content = csv_of("u,v,y", lambda i: f"{i},{i * i}" if i else "1,2,3").replace("u,v,y", "u,v,y", 1)
    message = refusal(tmp_path, content, task="regression")
    assert "row 1: has 4 cells" in message
    assert "label column 'y' holds names such as 'b', but regression needs numbers" in message


@pytest.mark.parametrize(("separator", "words"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_is_named_before_anything_else(tmp_path, separator, words):
    content = csv_of("u,v,y", lambda i: f"{i}.5,{i}").replace(",", separator).replace(".", ",")
    assert f"columns are separated by {words}" in refusal(tmp_path, content, label="Y")


@pytest.mark.parametrize(
    ("content", "suffix", "cause"),
    [
        ("".join(f"{i}.5,{i},{'ab'[i % 2]}\n" for i in range(9)), ".csv", "the first line should name the columns"),
        ('{"u": 1, "y": "a"}\n', ".csv", "name it .jsonl"),
        ('[{"u": 1, "y": "a"}]', ".jsonl", "one JSON array"),
        ("u,v,y\n1,2,a\n".encode("utf-16"), ".csv", "UTF-16"),
        (b"u,v,y\n1,2,\xe9\n", ".csv", "not CSV in UTF-8"),
        ('{"u": 1, "y": "\\ud800"}\n', ".jsonl", "lone surrogate"),
        ('{"u": ' * 100_000, ".jsonl", "row 1: "),
        (b"PAR1 no PAR1", ".parquet", "not a Parquet file"),
        (b"\n\n\n", ".csv", "has no rows"),
        (b"", ".jsonl", "has no rows"),
    ],
)
def test_a_file_of_another_form_is_refused_for_that(tmp_path, content, suffix, cause):
    assert cause in refusal(tmp_path, content, suffix)


def test_every_row_that_is_no_row_is_counted(tmp_path):
    content = csv_of("u,v,y", lambda i: f"{i},{i},{i}" if i % 3 == 0 else f"{i},{i * i}")
    message = refusal(tmp_path, content, label="Y")
    assert "did you mean 'y'" in message
    assert "row 1: has 4 cells, the header names 3 columns" in message
    assert "10 rows cannot be read" in message


def test_all_digests_that_differ_are_told_of_at_once(tmp_path):
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("u,y\n1,a\n")
    manifest = manifest_of(tmp_path / "rows.csv", b"u,y\n1,a\n")
    sources = tuple(Source(name, "0" * 64) for name in ("one.csv", "two.csv"))
    with pytest.raises(ManifestRejected, match=r"one\.csv: sha256 is .*two\.csv: sha256 is"):
        read_table(
            Manifest(**{f: getattr(manifest, f) for f in Manifest.__struct_fields__} | {"sources": sources}), tmp_path
        )


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 5_000, "__proto__", "\u202egnp", "é", "'", "\x1b[31m", "[red]"])
def test_an_odd_name_is_escaped_and_cut_and_its_column_can_be_used(tmp_path, name):
    columns = {name: ["red", "blue"] * 6, "v": list(range(0, 24, 2)), "y": ["a", "b"] * 6}
    message = refusal(tmp_path, as_jsonl(columns), ".jsonl")
    assert message.isprintable()
    assert len(message) < 1_200
    assert told(tmp_path, columns, ".jsonl", categorical=(name,))[0][name] == columns[name]


def test_a_label_of_any_length_is_cut_in_messages(tmp_path):
    message = refusal(tmp_path, csv_of("u,v,y", lambda i: f"{i},{i * i}").replace("a\n", "a" * 5_000 + "\n"))
    assert "has 5,000 characters; a name has at most 1,000" in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("row", "fields", "account"),
    [
        (lambda i: f"{i},k{i % 50_000}", {"label": "v"}, "50,000 classes in 150,000 rows"),
        (lambda i: f"{i},k{i % 50_000}", {"categorical": ("v",)}, "column 'v' holds 50,000 different names"),
    ],
)
def test_fifty_thousand_names_are_refused_in_one_pass(tmp_path, row, fields, account):
    content = csv_of("u,v,y", row, n=150_000)
    before = time.process_time()
    assert account in refusal(tmp_path, content, **fields)
    # A comparison of each class with each row is 7.5e9 comparisons: minutes.
    assert time.process_time() - before < 30
