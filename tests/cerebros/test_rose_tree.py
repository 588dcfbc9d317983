import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.errors import SpaceRejected
from cerebros.nets.space import cerebros_space
from cerebros.space.rose_tree import (
    Choice,
    Float,
    Int,
    NodeType,
    Slot,
    Space,
    Tree,
    from_mapping,
    to_json,
    tree_hash,
)

SPACE = cerebros_space()
seeds = st.integers(0, 2**32)


def drawn_tree(seed: int, space: Space = SPACE) -> Tree:
    return space.draw(np.random.default_rng(seed))


@given(seeds)
def test_a_drawn_tree_belongs_to_its_space(seed):
    assert all(decision.key.startswith("network") for decision in SPACE.decisions(drawn_tree(seed)))


@given(seeds)
def test_json_round_trip_keeps_the_tree_and_its_hash(seed):
    tree = drawn_tree(seed)
    again = from_mapping(msgspec.json.decode(to_json(tree)))
    assert again == tree
    assert tree_hash(again) == tree_hash(tree)


@given(seeds)
def test_growing_with_a_trees_own_decisions_rebuilds_it(seed):
    tree = drawn_tree(seed)
    values = iter([decision.value for decision in SPACE.decisions(tree)])
    assert SPACE.grow(lambda _key, _rule, _position: next(values)) == tree


@given(st.integers(1, 50), st.integers(0, 50), st.booleans(), seeds)
def test_whole_numbers_stay_within_their_limits(low, width, log, seed):
    space = Space("a", {"a": NodeType({"n": Int(low, low + width, log=log)})})
    assert low <= drawn_tree(seed, space).p["n"] <= low + width


def test_a_space_with_one_choice_and_no_children_works():
    space = Space("a", {"a": NodeType({"x": Choice(("only",))}, (Slot("b", 0, 0),)), "b": NodeType()})
    assert drawn_tree(1, space) == Tree("a", {"x": "only"})


@pytest.mark.parametrize(
    ("types", "rule"),
    [
        ({"a": NodeType({}, (Slot("b", 0, 1),))}, "undefined type"),
        ({"a": NodeType({}, (Slot("a", 0, 1),))}, "contains itself"),
        ({"a": NodeType({}, (Slot("b", 2, 1),)), "b": NodeType()}, "min 2 is above max 1"),
        ({"a": NodeType({"x": Float(2.0, 1.0)})}, "not above high"),
        ({"a": NodeType({"x": Float(0.0, 1.0, log=True)})}, "log scale"),
        ({"a": NodeType({"x": Float(0.0, float("inf"))})}, "finite"),
        ({"a": NodeType({"x": Float(-1e308, 1e308)})}, "finite"),
        ({"a": NodeType({"x": Int(0, 2**63)})}, "lose digits"),
        ({"a": NodeType({"x": Choice((1, 1))})}, "twice"),
        ({"a": NodeType({"x": Int(0, 10**400)})}, "lose digits"),
        ({"b": NodeType()}, "root type 'a'"),
    ],
)
def test_a_contradictory_space_is_refused(types, rule):
    with pytest.raises(SpaceRejected, match=rule):
        Space("a", types)


def test_a_value_outside_its_rule_is_refused_with_its_key():
    space = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})})
    with pytest.raises(SpaceRejected, match=r"a\.x is 7"):
        list(space.decisions(Tree("a", {"x": 7.0})))
