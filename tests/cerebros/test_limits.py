"""Limits that a space declares on its whole trees."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.errors import SpaceRejected
from cerebros.samplers import SAMPLERS, make_sampler
from cerebros.search.parzen import shortlist
from cerebros.space.rose_tree import Choice, Float, Int, Limit, NodeType, Ordered, Slot, Space, Tree, totals
from cerebros.space.spaces import space_from_document

TYPES = {
    "net": NodeType({"x": Float(-1.0, 1.0)}, (Slot("level", 1, 3),)),
    "level": NodeType({}, (Slot("unit", 1, 4),)),
    "unit": NodeType(
        {
            "act": Choice(("relu", "gelu")),
            "neurons": Int(4, 64),
            "pool": Ordered((2, 4), when={"act": ("gelu",)}),
        }
    ),
}
LIMITS = (Limit(sum="unit.neurons", at_most=128), Limit(count="unit", at_least=3, at_most=6))
SPACE = Space("net", TYPES, LIMITS)


def units_of(tree: Tree) -> list[Tree]:
    return [unit for level in tree.c for unit in level.c]


@given(st.integers(0, 2**32))
def test_a_tree_is_admitted_when_its_counts_and_sums_are_within_the_limits(seed):
    tree = SPACE.draw(np.random.default_rng(seed))
    units = units_of(tree)
    within = 3 <= len(units) <= 6 and sum(unit.p["neurons"] for unit in units) <= 128
    assert SPACE.admits(tree) == within
    assert Space("net", TYPES).admits(tree)


def test_a_node_without_the_parameter_adds_nothing_to_its_sum():
    unit = Tree("unit", {"act": "relu", "neurons": 4})
    tree = Tree("net", {"x": 0.0}, (Tree("level", {}, (unit, Tree("unit", unit.p | {"act": "gelu", "pool": 4}))),))
    assert totals((Limit(sum="unit.pool", at_most=9), Limit(count="unit", at_most=9)), tree) == [4, 2]
    assert totals((Limit(count="net", at_most=9),), tree) == [1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_proposal_is_within_the_limits_whatever_is_asked_besides(name):
    sampler = make_sampler(name, SPACE, 0, lambda tree: len(tree.c) <= 2)
    for _ in range(14):
        (tree,) = sampler.ask(1)
        assert SPACE.admits(tree)
        assert len(tree.c) <= 2
        sampler.tell(tree, (abs(len(units_of(tree)) - 4.0), float(tree.p["x"])))


def test_a_shortlist_is_within_the_limits():
    trees = [SPACE.draw(np.random.default_rng(seed)) for seed in range(20)]
    found = shortlist(SPACE, trees[:5], trees[5:], 8, np.random.default_rng(0))
    assert found
    assert all(SPACE.admits(scored.tree) for scored in found)


def test_limits_survive_json_as_they_are_written():
    document = {"sum": "unit.neurons", "at_most": 128.0}
    assert msgspec.to_builtins(LIMITS[0]) == document
    assert space_from_document(msgspec.json.decode(msgspec.json.encode(SPACE))) == SPACE
    assert b"limits" not in msgspec.json.encode(Space("net", TYPES))


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ([{"at_most": 3}], "give one of them"),
        ([{"count": "unit", "sum": "unit.neurons", "at_most": 3}], "give one of them"),
        ([{"count": "unit"}], "give finite bounds"),
        ([{"count": "unit", "at_most": math.inf}], "give finite bounds"),
        ([{"count": "unit", "at_least": math.nan}], "give finite bounds"),
        ([{"count": "unit", "at_least": 4, "at_most": 3}], "the lower one first"),
        ([{"count": "unit", "at_most": 3}, {"count": "unit", "at_least": 4}], "bound the same"),
        ([{"count": "neuron", "at_most": 3}], "types are net, level, unit"),
        ([{"sum": "unit.weights", "at_most": 3}], "parameters with numbers are net.x, unit.neurons, unit.pool"),
        ([{"sum": "unit.act", "at_most": 3}], "parameters with numbers"),
        ([{"sum": "unit.neurons", "at_most": 3}], "lies between 4 and 768 in every tree"),
        ([{"sum": "unit.neurons", "at_least": 1000}], "lies between 4 and 768 in every tree"),
        ([{"sum": "unit.pool", "at_least": 49}], "lies between 0 and 48 in every tree"),
        ([{"sum": "net.x", "at_least": 2}], "lies between -1 and 1 in every tree"),
        ([{"count": "unit", "at_most": 0}], "lies between 1 and 12 in every tree"),
        ([{"mean": "unit.neurons", "at_most": 3}], "unknown field `mean`"),
        ({"count": "unit"}, "not readable"),
        ([{"sum": "unit.neurons", "at_most": 10**400}], "out of range"),
    ],
)
def test_limits_that_nothing_can_meet_are_refused(limits, rule):
    with pytest.raises(SpaceRejected, match=rule):
        space_from_document({"root": "net", "types": msgspec.to_builtins(TYPES), "limits": limits})


def test_limits_that_contradict_each_other_are_found_when_nothing_is_drawn():
    crowded = Space("net", TYPES, (Limit(count="unit", at_least=12), Limit(sum="unit.neurons", at_most=47)))
    with pytest.raises(SpaceRejected, match="raise the limit or narrow the space"):
        make_sampler("rose", crowded, 0).ask(1)
