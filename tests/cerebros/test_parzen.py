import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerebros.errors import SpaceRejected
from cerebros.nets.space import cerebros_space
from cerebros.parzen import CategoricalDensity, NumericDensity, shortlist
from cerebros.rose_tree import Choice, Float, Int, NodeType, Space, Tree, tree_hash

values_in = st.lists(st.floats(0.1, 9.9), max_size=12)


@given(values_in, st.booleans())
def test_a_real_density_integrates_to_one(values, log):
    density = NumericDensity(Float(0.1, 10.0, log=log), values)
    ends = (math.log(0.1), math.log(10.0)) if log else (0.1, 10.0)
    scaled = np.linspace(*ends, 2001)
    at = np.exp(scaled) if log else scaled
    heights = [math.exp(density.log_density(float(np.clip(x, 0.1, 10.0)))) for x in at]
    assert np.trapezoid(heights, scaled) == pytest.approx(1.0, abs=0.01)


@given(st.lists(st.integers(1, 30), max_size=12), st.booleans())
def test_masses_of_whole_numbers_sum_to_one(values, log):
    density = NumericDensity(Int(1, 30, log=log), values)
    assert sum(math.exp(density.log_density(n)) for n in range(1, 31)) == pytest.approx(1.0, abs=1e-9)


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_shares_of_options_sum_to_one(values):
    density = CategoricalDensity(Choice(("a", "b", "c")), values)
    assert sum(math.exp(density.log_density(option)) for option in "abc") == pytest.approx(1.0)


def test_a_constant_parameter_has_density_one():
    density = NumericDensity(Float(2.0, 2.0), [2.0, 2.0])
    assert density.log_density(2.0) == 0.0
    assert density.draw(np.random.default_rng(0)) == 2.0


LINE = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})})


def at(*xs: float) -> list[Tree]:
    return [Tree("a", {"x": x}) for x in xs]


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_candidates_gather_where_good_trees_are_and_the_rest_is_not(seed):
    best, *_ = shortlist(LINE, at(0.8, 0.82, 0.85), at(0.1, 0.2, 0.3, 0.5), 3, np.random.default_rng(seed))
    assert best.tree.p["x"] > 0.6


def test_a_shortlist_is_ordered_distinct_and_spares_the_known():
    space = cerebros_space()
    trees = [space.draw(np.random.default_rng(seed)) for seed in range(20)]
    found = shortlist(space, trees[:5], trees[5:], 8, np.random.default_rng(0))
    known = frozenset(tree_hash(scored.tree) for scored in found[:4])
    again = shortlist(space, trees[:5], trees[5:], 8, np.random.default_rng(0), known=known)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    assert len({tree_hash(s.tree) for s in found}) == len(found) == 8
    assert known.isdisjoint(tree_hash(s.tree) for s in again)


def test_limits_nothing_can_meet_are_refused():
    with pytest.raises(SpaceRejected, match="raise the limit"):
        shortlist(LINE, at(0.5), at(0.1), 1, np.random.default_rng(0), admissible=lambda _tree: False)
