import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.data.check import check
from cerebros.data.dataset import Part, Table, split_rows, table_digest
from cerebros.data.features import Categorical, Numeric, make_folds
from cerebros.data.manifest import Manifest, Source, Split, dataset_digest, parse_manifest
from cerebros.errors import ManifestRejected


def toy_manifest(**fields) -> Manifest:
    defaults = {
        "schema": 1,
        "name": "toy",
        "description": "a toy",
        "task": "classification",
        "label": "y",
        "sources": (Source("toy.csv", "0" * 64),),
        "licence": "CC0-1.0",
        "purposes": ("train",),
    }
    return Manifest(**(defaults | fields))


def toy_table(n: int = 60, **columns) -> Table:
    generator = np.random.default_rng(0)
    defaults = {"a": generator.normal(size=n), "b": generator.normal(size=n), "y": np.arange(n) % 3 * 1.0}
    return Table(defaults | columns, (Part("one.csv", n // 2), Part("two.csv", n - n // 2)))


TOML = """
schema = 1
name = "toy"
description = "a toy"
task = "classification"
label = "y"
licence = "CC0-1.0"
purposes = ["train"]
[[sources]]
uri = "toy.csv"
sha256 = "{digest}"
"""


def test_a_manifest_reads_from_toml():
    assert parse_manifest(TOML.format(digest="0" * 64), "m.toml") == toy_manifest()


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("schema = ", r"m\.toml: not valid TOML"),
        (TOML.format(digest="xyz"), r"sha256|\^\[0-9a-f\]"),
        (TOML.format(digest="0" * 64) + "\n[split]\ntest = 1.5", r"\$\.split\.test"),
        ("colour = 1\n" + TOML.format(digest="0" * 64), "unknown field `colour`"),
        (TOML.format(digest="0" * 64).replace('label = "y"', 'label = "y"\nfeatures = ["y"]'), "also a feature"),
        (TOML.format(digest="0" * 64) + "\n[split]\ntest = 0.5\nvalidation = 0.5", "below 0.95"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_place(text, account):
    with pytest.raises(ManifestRejected, match=account):
        parse_manifest(text, "m.toml")


@given(st.integers(3, 200), st.integers(0, 1000), st.booleans())
def test_the_parts_of_a_split_are_disjoint_and_complete(n, seed, stratify):
    rows = split_rows(np.arange(n) % 3 * 1.0, Split(seed=seed), stratify=stratify)
    assert sorted(np.concatenate([rows.train, rows.validation, rows.test])) == list(range(n))


def test_stratifying_keeps_the_share_of_each_class():
    labels = np.repeat([0.0, 1.0], [900, 100])
    rows = split_rows(labels, Split(test=0.2, seed=1), stratify=True)
    assert labels[rows.test].mean() == pytest.approx(0.1)


def test_the_digest_sees_every_cell_and_the_split():
    columns = {"a": np.array([1.0, 2.0])}
    assert table_digest(columns) != table_digest({"a": np.array([1.0, 2.5])})
    assert table_digest(columns) != table_digest({"b": np.array([1.0, 2.0])})
    assert dataset_digest(toy_manifest()) != dataset_digest(toy_manifest(split=Split(seed=1)))


def test_a_report_counts_what_is_wrong_with_the_data():
    a = np.random.default_rng(1).normal(size=60)
    a[3], a[4] = np.nan, np.inf
    found = check(toy_manifest(), toy_table(a=a))
    assert found.missing == {"a": 1}
    assert found.nan_share == pytest.approx(1 / 120)
    assert found.infinity_share == pytest.approx(1 / 120)
    assert found.label_balance == {"0": 20, "1": 20, "2": 20}
    assert (found.rows, found.features, found.duplicates, found.leaked_rows) == (60, 2, 0, 0)


def test_test_rows_that_stand_in_training_are_counted_and_warned_about():
    same = np.zeros(60)
    found = check(toy_manifest(), toy_table(a=same, b=same))
    assert found.leaked_rows == found.test_rows
    assert found.duplicates == 57
    assert "also stand in the training rows" in found.warnings[0]


def test_a_missing_label_is_refused_with_file_row_and_column():
    y = np.arange(60) % 3 * 1.0
    y[31] = np.nan
    with pytest.raises(ManifestRejected, match=r"two\.csv, row 2, column 'y'"):
        check(toy_manifest(), toy_table(y=y))


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({"label": "z"}, "label column 'z' is missing; columns are a, b, y"),
        ({"features": ("a", "q")}, "feature column 'q' is missing"),
    ],
)
def test_a_column_that_is_not_there_is_refused(fields, account):
    with pytest.raises(ManifestRejected, match=account):
        check(toy_manifest(**fields), toy_table())


def test_a_single_class_is_refused():
    with pytest.raises(ManifestRejected, match="one class only"):
        check(toy_manifest(), toy_table(y=np.zeros(60)))


def test_the_encoding_is_fitted_on_training_rows_alone():
    a = np.random.default_rng(2).normal(size=60)
    plain = make_folds(toy_manifest(), toy_table(a=a)).encoding
    rows = make_folds(toy_manifest(), toy_table(a=np.arange(60.0))).test.inputs.shape[0]
    shifted = a.copy()
    test_rows = split_rows(np.arange(60) % 3 * 1.0, Split(), stratify=True).test
    shifted[test_rows] += 1000.0
    assert len(test_rows) == rows
    assert make_folds(toy_manifest(), toy_table(a=shifted)).encoding == plain


def test_missing_values_become_the_mean_and_raise_their_indicator():
    column = Numeric("a", mean=2.0, deviation=2.0, indicator=True)
    np.testing.assert_array_equal(column.encode(np.array([4.0, np.nan, np.inf])), [[1, 0], [0, 1], [0, 1]])


def test_an_unseen_category_is_all_zeros():
    column = Categorical("c", ("blue", "red"))
    np.testing.assert_array_equal(column.encode(np.array(["red", "green"], dtype=object)), [[0, 1], [0, 0]])


def test_regression_targets_are_standardised_and_classes_numbered():
    folds = make_folds(toy_manifest(task="regression"), toy_table(y=np.linspace(0, 100, 60)))
    assert abs(folds.train.targets.mean()) < 1e-6
    assert make_folds(toy_manifest(), toy_table()).encoding.classes == ("0", "1", "2")
