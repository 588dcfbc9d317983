"""Columns of every kind become inputs, and targets of every task become outputs."""

import hashlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.data.check import check
from cerebros.data.dataset import Part, Table
from cerebros.data.features import make_folds
from cerebros.data.manifest import Manifest, Source, Split
from cerebros.errors import ManifestRejected
from cerebros.nets.model_file import Description, load_model, weights_bytes
from cerebros.nets.space import cerebros_space
from cerebros.nets.training import Recipe, Trained, evaluate, train
from cerebros.nets.wiring import wire

NAMES = ("big", "red", "round")


def shapes_table(n: int = 240, labels: list[str] | None = None) -> Table:
    """Things with a colour and two measures, one of which is missing here and there; labels follow from these."""
    generator = np.random.default_rng(1)
    size, corners = generator.normal(size=n), generator.normal(size=n)
    colour = generator.choice(["red", "green", "blue"], size=n).astype(object)
    told = [
        "|".join(name for name, holds in zip(NAMES, (s > 0, c == "red", k < 0), strict=True) if holds) or "big"
        for s, c, k in zip(size, colour, corners, strict=True)
    ]
    size = np.where(generator.random(n) < 0.05, np.nan, size)
    columns = {"size": size, "corners": corners, "colour": colour, "y": np.array(labels or told, dtype=object)}
    return Table(columns, (Part("shapes.csv", n),))


MANIFEST = Manifest(
    schema=1,
    name="shapes",
    description="things and what they are",
    task="multilabel",
    label="y",
    sources=(Source("shapes.csv", "0" * 64),),
    licence="CC0-1.0",
    purposes=("train",),
    categorical=("colour",),
    split=Split(seed=3),
)


def test_a_row_with_several_names_has_a_one_for_each():
    folds = make_folds(MANIFEST, shapes_table(labels=["red|round", "big", " round | big "] * 80))
    assert folds.encoding.classes == NAMES
    rows = {tuple(row) for row in np.concatenate([folds.train.targets, folds.test.targets]).tolist()}
    assert rows == {(0.0, 1.0, 1.0), (1.0, 0.0, 0.0), (1.0, 0.0, 1.0)}


def test_a_missing_number_an_indicator_and_a_category_make_six_inputs():
    folds = make_folds(MANIFEST, shapes_table())
    assert folds.encoding.width == 2 + 1 + 3
    assert np.isfinite(folds.train.inputs).all()


def test_the_check_counts_every_name():
    report = check(MANIFEST, shapes_table(labels=["red|round", "big", "round"] * 80))
    assert report.label_balance == {"big": 80, "red": 80, "round": 160}


def test_one_name_alone_is_refused():
    with pytest.raises(ManifestRejected, match="multilabel needs two classes"):
        check(MANIFEST, shapes_table(labels=["big"] * 240))


def test_a_network_learns_several_names_and_a_stored_model_says_them():
    folds = make_folds(MANIFEST, shapes_table())
    tree = cerebros_space(levels=1, units=2, neurons=16).draw(np.random.default_rng(4))
    recipe = Recipe(learning_rate=0.02, weight_decay=1e-4, batch_size=16, epochs=25, seed=1)
    network = msgspec.structs.replace(wire(tree, folds.encoding.width, folds.encoding.outputs), dropout=0.0)
    *_, end = train(network, recipe, folds.train, folds.validation, "multilabel")
    assert isinstance(end, Trained)
    assert evaluate(end.net, folds.test, "multilabel").accuracy > 0.85
    weights = weights_bytes(end.net)
    description = Description(1, network, folds.encoding, hashlib.sha256(weights).hexdigest())
    model = load_model(msgspec.json.encode(description), weights)
    said = model.predict(
        {
            "size": np.array([2.0, -2.0]),
            "corners": np.array([-2.0, 2.0]),
            "colour": np.array(["red", "red"], dtype=object),
        }
    )
    assert said.tolist() == ["big|red|round", "red"]


@given(st.lists(st.sampled_from(["", "a", "b", "a|b"]), min_size=30, max_size=60))
def test_what_is_encoded_names_what_was_written(cells):
    table = Table({"x": np.arange(len(cells)) * 1.0, "y": np.array(cells, dtype=object)}, (Part("t", len(cells)),))
    manifest = msgspec.structs.replace(MANIFEST, categorical=())
    encoding = make_folds(manifest, table).encoding
    rows = encoding.targets(table.columns["y"])
    named = ["|".join(name for name, on in zip(encoding.classes, row, strict=True) if on) for row in rows]
    assert named == cells
