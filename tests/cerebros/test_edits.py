import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.nets.space import cerebros_space
from cerebros.search.site_table import SiteTable
from cerebros.space.edits import Edits, sites_of, tree_of
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Ordered, Slot, Space, Tree, draw_uniform

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
    return Edits(space, SiteTable(space).scales)


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
        sites | edits.nudge(sites, 0.3, generator),
    ):
        whole = edits.complete(edited, lambda _key, rule, _position: draw_uniform(rule, generator))
        tree = tree_of(space, whole)
        assert sites_of(space, tree) == whole


@given(spaces, seeds)
def test_a_graft_keeps_the_order_of_its_donor(space, seed):
    """The order decides what is drawn next; that of a set of names differs from process to process."""
    generator = np.random.default_rng(seed)
    sites, donor = (sites_of(space, space.draw(generator)) for _ in range(2))
    new = [site for site in edits_of(space).graft(sites, donor, generator) if site not in sites]
    assert new == [site for site in donor if site in {*new}]


@given(spaces, seeds)
def test_a_nudged_tree_needs_no_completing(space, seed):
    generator = np.random.default_rng(seed)
    sites = sites_of(space, space.draw(generator))
    nudged = sites | edits_of(space).nudge(sites, 0.3, generator)
    assert sites_of(space, tree_of(space, nudged)) == nudged


def test_nudges_do_not_gather_at_the_ends_of_the_range():
    """A random walk of nudges visits every tenth of the range alike; one that stopped at the ends would not."""
    space, generator = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})}), np.random.default_rng(0)
    edits, sites, seen = edits_of(space), {("a.x", ()): 0.5}, []
    for _ in range(4000):
        sites |= edits.nudge(sites, 0.2, generator)
        seen.append(sites["a.x", ()])
    shares = np.histogram(seen, bins=10, range=(0.0, 1.0))[0] / len(seen)
    assert shares.min() > 0.06
    assert shares.max() < 0.14


@pytest.mark.parametrize("rule", [Int(1, 3), Int(1, 500, log=True), Ordered((16, 32, 64)), Choice((True, 1, "1"))])
def test_a_nudge_moves_a_listed_or_whole_number(rule):
    space, generator = Space("a", {"a": NodeType({"x": rule})}), np.random.default_rng(0)
    edits = edits_of(space)
    for _ in range(50):
        sites = sites_of(space, space.draw(generator))
        (moved,) = edits.nudge(sites, 0.001, generator).values()
        assert (type(moved), moved) != (type(sites["a.x", ()]), sites["a.x", ()])


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
    edits = edits_of(row)
    edited = edits.complete(edits.change_children(sites, generator), lambda *_: 0.99)
    after = [child.p["x"] for child in tree_of(row, edited).c]
    assert after != before
    if len(after) == count:
        assert sorted(after) == before
    else:
        longer, shorter = (after, before) if len(after) > count else (before, after)
        assert any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer)))
