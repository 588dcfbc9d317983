"""A tree that carries its links gives one network, whatever becomes of the code that draws them."""

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cerebros.errors import SpaceRejected
from cerebros.nets import wiring
from cerebros.nets.space import cerebros_space
from cerebros.nets.training import fresh_net
from cerebros.nets.wiring import LINKS, wire, with_links, without_links
from cerebros.space.rose_tree import Tree, from_mapping, to_json, tree_hash

SPACE = cerebros_space(levels=4, units=5, neurons=16)
seeds = st.integers(0, 2**32)


def drawn_tree(seed: int) -> Tree:
    return SPACE.draw(np.random.default_rng(seed))


def tree_through_json(tree: Tree) -> Tree:
    return from_mapping(msgspec.json.decode(to_json(tree)))


@given(seeds)
def test_a_tree_with_links_gives_the_network_it_was_drawn_as(seed):
    tree = drawn_tree(seed)
    assert wire(tree_through_json(with_links(tree)), 6, 3) == wire(tree, 6, 3)


@given(seeds)
def test_without_its_links_it_is_the_tree_the_search_knows(seed):
    tree = drawn_tree(seed)
    assert without_links(with_links(tree)) == tree
    assert tree_hash(without_links(with_links(tree))) == tree_hash(tree)


@pytest.mark.parametrize("seed", range(5))
def test_a_stored_network_answers_bit_equal_after_the_generator_has_changed(seed, monkeypatch):
    stored = to_json(with_links(drawn_tree(seed)))
    rows = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    before = fresh_net(wire(drawn_tree(seed), 6, 3), 5).eval()(rows)
    other = np.random.Generator(np.random.MT19937(99))
    monkeypatch.setattr(wiring.np.random, "default_rng", lambda *_: other)
    after = fresh_net(wire(from_mapping(msgspec.json.decode(stored)), 6, 3), 5).eval()(rows)
    assert torch.equal(before, after)


@pytest.mark.parametrize(
    "links",
    [
        "nonsense",
        "[[],[]]",
        "[[[[[0,0]],[]]],[]]",
        "[[[[],[]]],[[1,0]]]",
        "[[[[[1,0]],[]]],[[1,0]]]",
        "[[[[[0,0]],[[1,0]]]],[[1,0]]]",
        "[[[[[0,0]],[]]],[[7,0]]]",
    ],
    ids=[
        "not JSON",
        "too few units",
        "no output",
        "reads nothing",
        "reads itself",
        "lateral to itself",
        "output reads nothing known",
    ],
)
def test_links_that_are_none_are_refused(links):
    tree = next(tree for tree in map(drawn_tree, range(100)) if len(wire(tree, 6, 3).units) == 1)
    spoilt = msgspec.structs.replace(tree, p=tree.p | {LINKS: links})
    with pytest.raises(SpaceRejected):
        wire(spoilt, 6, 3)


@given(seeds, st.sampled_from(["learning_rate", "batch_size", "weight_decay", "dropout", "activation", "merge"]))
def test_what_does_not_wire_leaves_the_links_as_they_are(seed, name):
    tree = SPACE.draw(np.random.default_rng(seed))
    other = msgspec.structs.replace(tree, p=tree.p | {name: SPACE.draw(np.random.default_rng(seed + 1)).p[name]})
    assert with_links(other).p["links"] == with_links(tree).p["links"]
