"""A cell means the same however a format spells it (issue 11, kinds 12 and 14)."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.data.cells import LARGEST, missing_marks, name_of, names, numbers
from cerebros.data.dataset import class_labels, class_names
from cerebros.data.manifest import MISSING_WORDS

USUAL = missing_marks(MISSING_WORDS)


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["1", "1.0", "1.00", "1e0", "10e-1", "0.1e1"], "1"),
        (["-0", "0", "0.0", "-0.0", "0e7"], "0"),
        (["0.1", "1e-1", "0.10"], "0.1"),
        (["-2.5", "-25e-1", "-2.50"], "-2.5"),
        (["100000", "1e5", "1E+5"], "100000"),
        (["1e100", "10E99"], "1e100"),
        (["1e-7", "0.0000001"], "1e-7"),
        (["9007199254740993", "9007199254740993.0"], "9007199254740993"),
        (["true", "True", "TRUE"], "true"),
    ],
)
def test_spellings_of_one_number_are_one_name(cells, name):
    assert {name_of(cell) for cell in cells} == {name}


@pytest.mark.parametrize("cell", ["01", "+1", "1.", ".5", "1_0", "0x1F", "１２", "1,5", "tRUE", "1e", "Infinity", "é"])
def test_what_is_not_spelt_as_a_json_number_is_a_name_of_its_own(cell):
    assert name_of(cell) == cell


@given(st.integers(-(10**40), 10**40))
def test_a_whole_number_of_any_length_keeps_all_its_digits(number):
    assert Decimal(name_of(str(number))) == number


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from("eEfg"))
def test_a_name_depends_on_the_number_alone_and_keeps_it(number, form):
    name = name_of(repr(number))
    assert name == name_of(f"{Decimal(repr(number)):f}" if form == "f" else f"{Decimal(repr(number)):E}")
    assert float(name) == number
    assert name_of(name) == name


@given(st.text(max_size=30))
def test_a_canonical_name_is_its_own_name(text):
    assert name_of(name_of(text)) == name_of(text)


def test_an_exponent_of_any_length_is_taken_quickly():
    assert name_of("1e999999999") == "1e999999999"
    assert name_of("1e" + "9" * 5_000) == "1e" + "9" * 5_000


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1.0),
        ("+1", 1.0),
        ("007", 7.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("true", 1.0),
        ("FALSE", 0.0),
        ("-inf", -math.inf),
    ],
)
def test_a_column_of_numbers_takes_the_usual_spellings(cell, value):
    values, strange = numbers([cell], USUAL)
    assert (values.tolist(), strange) == ([value], [])


@pytest.mark.parametrize(
    "cell",
    ["10_0", "1_0.0", "0x10", "１２", "٣", "1,5", "1 000", "--1", "1e", "infinit", "nanny", "tRUE", "2020-01-01"],
)
def test_what_python_or_nobody_takes_for_a_number_is_none(cell):
    values, strange = numbers(["1", cell], USUAL)
    assert strange == [1]
    assert math.isnan(values[1])


@pytest.mark.parametrize("cell", ["1e400", "-1e400", "9" * 400, "9" * 5_000, "1.7976931348623157e308"])
def test_a_number_beyond_float64_is_too_large_and_not_infinite(cell):
    values, strange = numbers([cell], USUAL)
    assert strange == []
    assert LARGEST < abs(values[0]) < math.inf


def test_the_usual_words_are_missing_in_small_and_capital_letters():
    cells = ["NA", "na", "n/a", "NaN", "null", "NONE", "none", "", "no", "1"]
    assert names(cells, USUAL).tolist() == [""] * 8 + ["no", "1"]


def test_an_empty_list_keeps_every_word_but_not_an_empty_cell():
    assert names(["none", "NA", ""], missing_marks([])).tolist() == ["none", "NA", ""]


def test_a_mark_that_is_a_number_stands_for_all_its_spellings():
    marks = missing_marks(["-999", "1e200", "?"])
    values, strange = numbers(["-999", "-999.00", "-9.99e2", "1e200", "10e199", "?", "-998", "NA"], marks)
    assert np.isnan(values).tolist() == [True] * 6 + [False, True]
    assert strange == [7]  # the list takes the place of the usual words
    assert names(["-999.0", "999"], marks).tolist() == ["", "999"]


def test_classes_are_ordered_as_numbers_before_names_whatever_python_takes_for_one():
    assert class_names(["b", "10", "9", "nan", "1_0", "inf", "-1"]) == ("-1", "9", "10", "1_0", "b", "inf", "nan")


def test_labels_that_are_floats_have_the_names_of_their_text():
    assert class_labels(np.array([3.0, 0.5, -0.0, 1e22])).tolist() == ["3", "0.5", "0", "1e22"]
