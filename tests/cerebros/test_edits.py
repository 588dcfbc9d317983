import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cerebros.edits import Edits, complete, sites_of, tree_of
from cerebros.nets.space import cerebros_space
from cerebros.rose_tree import Choice, Float, NodeType, Slot, Space, Tree, draw_uniform
from cerebros.site_table import SiteTable

NETWORKS = cerebros_space()
LONE = Space("a", {"a": NodeType({"x": Choice(("only",))}, (Slot("b", 0, 0),)), "b": NodeType()})
ROW = Space(
    "a",
    {
        "a": NodeType({}, (Slot("b", 0, 5),)),
        "b": NodeType({"x": Float(0.0, 1.0)}, (Slot("c", 0, 2),)),
        "c": NodeType({"y": Float(0.0, 1.0)}),
    },
)
spaces = st.sampled_from((NETWORKS, LONE, ROW))
seeds = st.integers(0, 2**32)


def edits_of(space: Space) -> Edits:
    return Edits(SiteTable(space).scales)


@given(spaces, seeds)
def test_every_edited_tree_belongs_to_its_space(space, seed):
    generator = np.random.default_rng(seed)
    sites, donor = (sites_of(space, space.draw(generator)) for _ in range(2))
    edits = edits_of(space)
    for edited in (
        edits.redraw(sites, generator),
        edits.redraw_siblings(sites, generator),
        edits.change_children(sites, generator),
        edits.graft(sites, donor, generator),
        edits.nudge(sites, 0.3, generator),
    ):
        whole = complete(space, edited, lambda _key, rule, _position: draw_uniform(rule, generator))
        tree = tree_of(space, whole)
        assert sites_of(space, tree) == whole


@given(spaces, seeds)
def test_a_nudged_tree_needs_no_completing(space, seed):
    generator = np.random.default_rng(seed)
    nudged = edits_of(space).nudge(sites_of(space, space.draw(generator)), 0.3, generator)
    assert sites_of(space, tree_of(space, nudged)) == nudged


@given(seeds)
def test_a_tree_is_its_sites(seed):
    tree = NETWORKS.draw(np.random.default_rng(seed))
    assert tree_of(NETWORKS, sites_of(NETWORKS, tree)) == tree


@given(seeds, st.integers(1, 4))
def test_an_edit_of_the_children_inserts_deletes_repeats_or_swaps_one(seed, count):
    row = Space("a", {"a": NodeType({}, (Slot("b", 0, 5),)), "b": NodeType({"x": Float(0.0, 1.0)})})
    before = [n / 10 for n in range(count)]
    generator = np.random.default_rng(seed)
    sites = sites_of(row, Tree("a", {}, tuple(Tree("b", {"x": x}) for x in before)))
    edited = complete(row, edits_of(row).change_children(sites, generator), lambda *_: 0.99)
    after = [child.p["x"] for child in tree_of(row, edited).c]
    assert after != before
    if len(after) == count:
        assert sorted(after) == before
    else:
        longer, shorter = (after, before) if len(after) > count else (before, after)
        assert any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer)))
