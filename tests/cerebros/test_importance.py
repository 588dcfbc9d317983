"""Importance names the decisions that a figure depends on, and no others."""

import numpy as np
import pytest

from cerebros.search.importance import importances, key_values
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Slot, Space

SPACE = Space(
    "net",
    {
        "net": NodeType(
            {"rate": Float(0.0, 1.0), "kind": Choice(("a", "b", "c")), "idle": Int(0, 9)}, (Slot("unit", 0, 3),)
        ),
        "unit": NodeType({"size": Int(1, 64)}),
    },
)


def drawn_values(n: int) -> list[dict]:
    generator = np.random.default_rng(3)
    return [key_values(SPACE, SPACE.draw(generator)) for _ in range(n)]


@pytest.mark.parametrize(
    ("figure", "cause"),
    [
        (lambda values: (values["net.rate"] - 0.5) ** 2, "net.rate"),
        (lambda values: {"a": 1.0, "b": 5.0, "c": 2.0}[values["net.kind"]], "net.kind"),
        (lambda values: values["net#unit"], "net#unit"),
        (lambda values: values.get("net/unit.size", 200.0), "net/unit.size"),
    ],
    ids=["a hump", "an option", "a count", "siblings' mean"],
)
def test_the_cause_comes_first_and_what_is_idle_explains_little(figure, cause):
    of_trees = drawn_values(200)
    found = importances(of_trees, [figure(values) for values in of_trees])
    assert next(iter(found)) == cause
    assert found[cause] > 0.6
    assert found["net.idle"] < 0.1


def test_a_constant_figure_is_explained_by_nothing():
    assert set(importances(drawn_values(20), [1.0] * 20).values()) == {0.0}


def test_few_trees_explain_nothing():
    assert importances(drawn_values(7), range(7)) == {}
