"""A model is kept only if its files answer as it was scored (issue 11, kind 12)."""

import hashlib
import math

import msgspec
import numpy as np
import pytest

from bridge.datasets.sources import read_table
from bridge.datasets.work import Data
from bridge.jobs.pool import JobPool
from bridge.nas.jobs import require_same_answers
from bridge.nas.work import SCORE_MODEL, ScoreJob
from cerebros.data.dataset import Part, Table, names_of, rows_of
from cerebros.data.features import make_folds
from cerebros.data.manifest import Manifest, Source
from cerebros.errors import ArtifactCorrupt
from cerebros.metrics import PriceTable
from cerebros.nets.model_file import Description, Model, load_model, weights_bytes
from cerebros.nets.space import cerebros_space
from cerebros.nets.training import Recipe, train
from cerebros.nets.wiring import wire

PRICES = PriceTable(usd_per_cpu_hour=0.04, watts_per_cpu=10.0)
TREE = cerebros_space().draw(np.random.default_rng(0))


@pytest.fixture
async def pool():
    opened = JobPool(1, memory_bytes=4 * 2**30, timeout_s=600.0)
    yield opened
    await opened.close()


def manifest(uri: str, content: bytes, **fields) -> Manifest:
    source = Source(uri, hashlib.sha256(content).hexdigest())
    usual = {
        "schema": 1,
        "name": "t",
        "description": "a test",
        "label": "y",
        "licence": "CC0-1.0",
        "purposes": ("train",),
    }
    return Manifest(**(usual | {"task": "classification", "sources": (source,)} | fields))


MIXED = {
    "classification": lambda n: "none" if n % 3 else "1.0",
    "multilabel": lambda n: "1.0|b" if n % 3 else "b|c",
    "regression": lambda n: str(n % 7 * 1e90),
}


@pytest.mark.parametrize("task", MIXED)
async def test_a_stored_model_answers_the_held_out_rows_as_it_was_scored(pool, tmp_path, task):
    rows = [f"{'?' if n % 9 == 0 else n * 1e95},{['red', '1.0', 'NA'][n % 3]},{MIXED[task](n)}\n" for n in range(90)]
    content = ("size,kind,y\n" + "".join(rows)).encode()
    (tmp_path / "rows.csv").write_bytes(content)
    named = manifest("rows.csv", content, task=task, categorical=("kind",), missing=("?",))
    found = await pool.run(SCORE_MODEL, ScoreJob(Data(named, str(tmp_path)), TREE, 3, 1, PRICES))
    model = load_model(found.description, found.weights)
    table = read_table(named, tmp_path)
    test = rows_of(named, table).test
    said = model.predict({name: column[test] for name, column in table.columns.items()})
    labels = table.columns["y"][test]
    if task == "classification":
        assert (said == labels).mean() == pytest.approx(found.metrics.accuracy)
    elif task == "regression":
        r2 = 1 - ((said / 1e90 - labels / 1e90) ** 2).mean() / (labels / 1e90).var()
        assert r2 == pytest.approx(found.metrics.accuracy, abs=1e-4)
    else:
        right, told = names_of(labels), names_of(said)
        hits = sum(len(one & other) for one, other in zip(right, told, strict=True))
        assert 2 * hits / (sum(map(len, right)) + sum(map(len, told))) == pytest.approx(found.metrics.accuracy)


@pytest.mark.parametrize("spoilt", ["mean", "categories", "classes", "null"])
def test_a_model_that_answers_otherwise_than_it_was_scored_is_not_kept(spoilt):
    generator = np.random.default_rng(1)
    size = generator.normal(size=200)
    colour = generator.choice(["red", "blue"], size=200).astype(object)
    label = np.where((size > 0) ^ (colour == "red"), "a", "b").astype(object)
    table = Table({"size": size, "colour": colour, "y": label}, (Part("t", 200),))
    named = manifest("t", b"", categorical=("colour",))
    folds = make_folds(named, table)
    architecture = wire(TREE, folds.encoding.width, folds.encoding.outputs)
    recipe = Recipe(learning_rate=0.02, weight_decay=0.0, batch_size=16, epochs=10, seed=1)
    *_, end = train(architecture, recipe, folds.train, None, "classification")
    weights = weights_bytes(end.net)
    told = msgspec.to_builtins(Description(1, architecture, folds.encoding, hashlib.sha256(weights).hexdigest()))
    held_out = {name: column[rows_of(named, table).test] for name, column in table.columns.items()}
    scored = Model(end.net, folds.encoding)
    require_same_answers(scored, msgspec.json.encode(told), weights, folds.test, held_out)
    numeric, categorical = told["encoding"]["inputs"]
    match spoilt:
        case "mean":
            numeric["mean"] += 1.0
        case "categories":
            categorical["categories"] = categorical["categories"][::-1]
        case "classes":
            told["encoding"]["classes"] = told["encoding"]["classes"][::-1]
        case _:
            numeric["mean"] = math.inf  # which JSON has no number for
    with pytest.raises(ArtifactCorrupt, match="unreadable" if spoilt == "null" else "held-out rows otherwise"):
        require_same_answers(scored, msgspec.json.encode(told), weights, folds.test, held_out)
