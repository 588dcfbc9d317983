import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cerebros.nets.space import cerebros_space
from cerebros.space.edits import sites_of, tree_of
from cerebros.space.rose_tree import Float, NodeType, Slot, Space, Tree
from cerebros.zipper import Zipper, place_of

SPACE = cerebros_space()
seeds = st.integers(0, 2**32)


def row(*xs: float) -> Tree:
    return Tree("a", {}, tuple(Tree("b", {"x": x}) for x in xs))


def drawn(seed: int) -> Tree:
    return SPACE.draw(np.random.default_rng(seed))


def nodes(tree: Tree) -> list[Tree]:
    return [tree, *(below for child in tree.c for below in nodes(child))]


@given(seeds, st.data())
def test_a_value_changed_in_its_place_is_the_tree_with_that_site_changed(seed, data):
    tree, donor = drawn(seed), drawn(seed + 1)
    sites, others = sites_of(SPACE, tree), sites_of(SPACE, donor)
    key, position = data.draw(st.sampled_from([site for site in sites if site in others and "#" not in site[0]]))
    place = place_of(tree, key, position)
    param = key.rpartition(".")[2]
    assert place.focus.p[param] == sites[key, position]
    value = others[key, position]
    edited = place.replace(msgspec.structs.replace(place.focus, p=place.focus.p | {param: value})).tree()
    assert edited == tree_of(SPACE, sites | {(key, position): value})
    # Only the nodes on the way to the root are new.
    kept = {id(node) for node in nodes(tree)}
    assert sum(id(node) not in kept for node in nodes(edited)) == len(position) + 1


@given(seeds, st.data())
def test_going_anywhere_and_back_gives_the_very_same_tree(seed, data):
    tree = drawn(seed)
    for decision in data.draw(st.permutations(list(SPACE.decisions(tree))))[:5]:
        place = place_of(tree, decision.key, decision.position)
        assert place.tree() is tree
        assert all(place.down(index).up() is place for index in range(len(place.focus.c)))


@given(seeds, st.data())
def test_what_is_inserted_and_deleted_again_was_never_there(seed, data):
    tree = drawn(seed)
    units = [d for d in SPACE.decisions(tree) if d.key == "network/level/unit.neurons"]
    assume(units)
    decision = data.draw(st.sampled_from(units))
    place = place_of(tree, decision.key, decision.position)
    new = Tree("unit", {"neurons": 7})
    for longer in (place.insert_left(new), place.insert_right(new)):
        assert longer.focus is place.focus
        assert len(nodes(longer.tree())) == len(nodes(tree)) + 1
    assert place.insert_left(new).left().delete().tree() == tree
    assert place.insert_right(new).right().delete().tree() == tree
    assert place.up().insert_below(0, new).down().delete().tree() == tree


def test_children_are_walked_inserted_and_deleted_in_order():
    place = Zipper(row(0.1, 0.2, 0.3)).down(1)
    assert place.left().focus.p["x"] == 0.1
    assert place.right().focus.p["x"] == 0.3
    assert place.insert_left(Tree("b", {"x": 0.15})).tree() == row(0.1, 0.15, 0.2, 0.3)
    assert place.insert_right(place.focus).tree() == row(0.1, 0.2, 0.2, 0.3)
    assert place.delete().tree() == row(0.1, 0.3)
    assert place.replace(Tree("b", {"x": 9.0})).right().delete().tree() == row(0.1, 9.0)
    assert Zipper(row()).insert_below(0, Tree("b", {"x": 0.5})).tree() == row(0.5)
    assert place.tree() == row(0.1, 0.2, 0.3)


def test_positions_count_the_children_of_one_type():
    space = Space(
        "a",
        {
            "a": NodeType({}, (Slot("b", 2, 2), Slot("c", 2, 2))),
            "b": NodeType({"x": Float(0.0, 1.0)}),
            "c": NodeType({"x": Float(0.0, 1.0)}, (Slot("d", 0, 2),)),
            "d": NodeType({"y": Float(0.0, 1.0)}),
        },
    )
    tree = space.draw(np.random.default_rng(0))
    for decision in space.decisions(tree):
        place = place_of(tree, decision.key, decision.position)
        assert decision.value in (*place.focus.p.values(), len(place.focus.c)) or decision.key.startswith("a#")
    assert place_of(tree, "a/c.x", (1,)).focus is tree.c[3]


@pytest.mark.parametrize(
    ("move", "rule"),
    [
        (lambda place: place.left(), "none with index -1"),
        (lambda place: place.right(), "none with index 1"),
        (lambda place: place.down(), "has 0 children"),
        (lambda place: place.insert_below(1, place.focus), "no place 1"),
        (lambda place: place.up().up(), "root"),
        (lambda place: place.up().left(), "root"),
        (lambda place: place.up().delete(), "root"),
        (lambda place: place.up().insert_right(place.focus), "root"),
        (lambda place: place_of(place.tree(), "a/b.x", (1,)), "none numbered 1"),
    ],
)
def test_a_move_to_where_nothing_is_says_so(move, rule):
    with pytest.raises(IndexError, match=rule):
        move(Zipper(row(0.5)).down())
