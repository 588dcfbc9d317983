import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerebros.errors import SpaceRejected
from cerebros.nets.space import cerebros_space
from cerebros.search.histogram import History
from cerebros.search.parzen import KernelDensity, TreeDensity, shortlist
from cerebros.search.site_table import SiteTable
from cerebros.space.edits import sites_of
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Ordered, Param, Slot, Space, Tree, tree_hash
from cerebros.space.scale import Scale

RULES: tuple[Param, ...] = (
    Float(0.1, 10.0),
    Float(0.1, 10.0, log=True),
    Int(1, 30),
    Int(1, 30, log=True),
    Int(1, 500, log=True),
    Ordered((16, 32, 64, 512)),
    Choice(("a", "b", "c")),
    Choice((True, 1, "1")),
)
rules = st.sampled_from(RULES)
seeds = st.integers(0, 2**32)


def codes_under(rule: Param, n: int, seed: int) -> np.ndarray:
    space, scale = Space("a", {"a": NodeType({"x": rule})}), Scale(rule)
    generator = np.random.default_rng(seed)
    return np.array([scale.code(space.draw(generator).p["x"]) for _ in range(n)])


def integral_of(rule: Param, density) -> float:
    """The integral over a continuum, the sum over whole numbers and options."""
    if isinstance(rule, Float):
        grid = np.linspace(0.0, 1.0, 20_001)
        return float(np.trapezoid(density(grid), grid))
    match rule:
        case Choice(values) | Ordered(values):
            pass
        case Int(low, high):
            values = range(low, high + 1)
    return float(density(np.array([Scale(rule).code(value) for value in values])).sum())


@given(rules, seeds)
def test_a_value_survives_its_code(rule, seed):
    scale = Scale(rule)
    for code in codes_under(rule, 3, seed):
        assert scale.code(scale.value(code)) == pytest.approx(code)


@given(rules, st.integers(0, 30), seeds)
def test_kernel_densities_integrate_to_one(rule, n, seed):
    codes = codes_under(rule, n, seed)
    shared = KernelDensity(Scale(rule), codes)
    own = KernelDensity(Scale(rule), codes[: n // 3], shared, 3.0)
    for density in (shared, own):
        assert integral_of(rule, lambda at, d=density: np.exp(d.log_densities(at))) == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=40)
@given(rules, st.integers(0, 30), seeds)
def test_histogram_densities_integrate_to_one(rule, n, seed):
    space = Space("a", {"a": NodeType({}, (Slot("b", 2, 2),)), "b": NodeType({"x": rule})})
    table, generator = SiteTable(space), np.random.default_rng(seed)
    history = History(table)
    for number in range(n):
        history.add(sites_of(space, space.draw(generator)), number)
    column, other = table.column(("a/b.x", (0,))), table.column(("a/b.x", (1,)))

    def density(codes: np.ndarray) -> np.ndarray:
        rows = np.full((len(codes), len(table.keys)), np.nan)
        rows[:, column] = codes
        return np.exp(history.log_densities(rows))

    assert other != column
    # Trapezoids see a step between two bins as a slope; hence the tolerance.
    assert integral_of(rule, density) == pytest.approx(1.0, abs=2e-3)


def test_old_trials_weigh_less_than_new_ones():
    space = Space("a", {"a": NodeType({"x": Choice(("old", "new"))})})
    table = SiteTable(space)
    history = History(table)
    for number in range(20):
        history.add({("a.x", ()): "old" if number < 10 else "new"}, number)
    old, new = history.log_densities(table.rows([{("a.x", ()): "old"}, {("a.x", ()): "new"}]))
    assert new > old


def test_a_position_with_its_own_optimum_is_told_from_its_siblings():
    space = Space("a", {"a": NodeType({}, (Slot("b", 2, 2),)), "b": NodeType({"x": Float(0.0, 1.0)})})
    table = SiteTable(space)
    good = [{("a#b", ()): 2, ("a/b.x", (0,)): 0.1, ("a/b.x", (1,)): 0.9}] * 12
    density = TreeDensity(table, good)
    right, swapped = density.log_densities(
        table.rows([good[0], {("a#b", ()): 2, ("a/b.x", (0,)): 0.9, ("a/b.x", (1,)): 0.1}])
    )
    assert right > swapped + 2


def test_a_constant_parameter_has_density_one():
    density = KernelDensity(Scale(Float(2.0, 2.0)), np.array([0.5, 0.5]))
    assert density.log_densities(np.array([0.5])) == 0.0
    assert Scale(Float(2.0, 2.0)).value(density.draw(np.random.default_rng(0))) == 2.0


LINE = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})})


def trees_at(*xs: float) -> list[Tree]:
    return [Tree("a", {"x": x}) for x in xs]


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_candidates_gather_where_good_trees_are_and_the_rest_is_not(seed):
    best, *_ = shortlist(LINE, trees_at(0.8, 0.82, 0.85), trees_at(0.1, 0.2, 0.3, 0.5), 3, np.random.default_rng(seed))
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


def test_a_shortlist_without_any_history_is_drawn_from_the_prior():
    assert len(shortlist(cerebros_space(), [], [], 4, np.random.default_rng(0))) == 4


def test_limits_nothing_can_meet_are_refused():
    with pytest.raises(SpaceRejected, match="raise the limit"):
        shortlist(LINE, trees_at(0.5), trees_at(0.1), 1, np.random.default_rng(0), admissible=lambda _tree: False)
