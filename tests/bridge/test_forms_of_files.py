"""Files that are no comma-separated values are told what they are: Issue 11, kinds 14 and 18."""

import gzip
import io
import re

import pyarrow
import pyarrow.parquet
import pytest

from tests.bridge.test_datasets import csv_of, refusal, table_in

ROWS = csv_of("u,v,y", lambda i: f"{i}.5,{i * i}")


@pytest.mark.parametrize(
    ("separator", "words"), [(";", "semicolons"), ("\t", "tabs"), (" ", "spaces"), ("   ", "spaces"), (":", "colons")]
)
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_another_separator_is_the_cause_with_quotes_or_decimal_commas_too(tmp_path, separator, words, quote, end):
    content = re.sub(r"[^,\n]+", lambda cell: f"{quote}{cell[0]}{quote}", ROWS).replace(",", separator)
    message = refusal(tmp_path, content.replace(".", ",").replace("\n", end))
    header = separator.join(f"{quote}{name}{quote}" for name in "uvy").replace("\t", "\\t")
    assert f"columns are separated by {words}, CSV is separated by commas" in message
    assert f"(its first line is '{header}')" in message


@pytest.mark.parametrize("above", ["# made by a program", "sep=,", "Report", '"a title"'])
def test_a_line_above_the_names_is_the_cause(tmp_path, above):
    message = refusal(tmp_path, f"{above}\n{ROWS}")
    assert re.search(r"the first line should name the columns, but is .*; remove what is above the names", message)


def test_names_of_several_words_and_blank_lines_above_them_are_no_cause(tmp_path):
    read = table_in(tmp_path, "\n\n" + csv_of('"my great\nlong: name",v w,y', lambda i: f"{i}.5,{i * i}"))
    assert list(read.columns) == ["my great\nlong: name", "v w", "y"]
    assert read.rows == 30


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("content", "form"),
    [
        (gzip.compress(ROWS.encode()), "gzip"),
        (b"PK\x03\x04\x14\x00\x06\x00", "a workbook of a spreadsheet"),
        (b"PAR1\x15\x04\x15", "Parquet"),
        (b"<!DOCTYPE html>\n<p>404</p>\n", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "a pointer of Git LFS"),
        (ROWS.encode("utf-16"), "UTF-16"),
        (ROWS.encode("utf-16-le"), "UTF-16"),
        (ROWS.encode("utf-16-be"), "UTF-16"),
    ],
)
def test_a_file_of_another_format_is_called_by_it(tmp_path, content, suffix, form):
    assert re.search(rf"in UTF-8: .*{form}.*; convert the file", refusal(tmp_path, content, suffix))


def test_bytes_in_parquet_that_are_no_text_are_no_names(tmp_path):
    content = io.BytesIO()
    labels = pyarrow.array([b"a", b"\xff\xfe"] * 15)
    pyarrow.parquet.write_table(pyarrow.table({"u": list(range(30)), "y": labels}), content)
    assert "column 'y': not text in UTF-8" in refusal(tmp_path, content.getvalue(), ".parquet")


def test_a_cell_may_be_as_long_in_csv_as_in_the_other_formats(tmp_path):
    rows = csv_of("u,text,y", lambda i: f"{i},{'x' * 200_000 if i == 3 else ''}")
    assert table_in(tmp_path, rows, features=("u",)).rows == 30


@pytest.mark.parametrize(
    "cell",
    [
        "Jan 31 2024",
        "January 31st, 2024",
        "31-Dec-24 10:00",
        "Wed, 31 January 2024 10:00:00 +0000",
        "Mar 2024",
        "20240131T101500Z",
        "2024.01.31",
        "2024-W05",
        "2024Q1",
        "10:30 p.m.",
    ],
)
def test_dates_in_words_and_without_dashes_are_dates(tmp_path, cell):
    assert "are dates or times" in refusal(tmp_path, csv_of("u,v,y", lambda i: f'"{cell}",{i * i}'))


@pytest.mark.parametrize("cell", ["may", "march 5", "junior 12 1990", "Maria 5, 2024", "Q1", "mayor"])
def test_names_that_begin_like_a_month_are_names(tmp_path, cell):
    assert "are names" in refusal(tmp_path, csv_of("u,v,y", lambda i: f'"{cell}",{i * i}'))
