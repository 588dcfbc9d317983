"""Losses of any size, and spaces of any numbers: Issue 11, kind 12."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerebros.errors import SpaceRejected
from cerebros.samplers import make_sampler
from cerebros.search.hypervolume import elite, volumes
from cerebros.search.importance import importances
from cerebros.search.pareto import TAME, nondomination_ranks, pareto_set, tamed
from cerebros.search.site_table import SiteTable
from cerebros.search.summary import COORDINATES_AT_MOST, Summary
from cerebros.search.targets import Targets, reference_point
from cerebros.space.edits import sites_of
from cerebros.space.rose_tree import Choice, Float, NodeType, Ordered, Slot, Space, Tree
from cerebros.space.spaces import VALUES_AT_MOST, space_from_document

HUGE = 1.7e308
LINE = Space("a", {"a": NodeType({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})})

finite = st.floats(allow_nan=False, allow_infinity=False)
tables = st.integers(1, 4).flatmap(
    lambda m: arrays(np.float64, st.tuples(st.integers(1, 12), st.just(m)), elements=finite)
)


@given(tables)
def test_tamed_losses_are_beaten_by_the_same_trials(losses):
    calm = tamed(losses)
    with np.errstate(over="raise", invalid="raise", divide="raise"):  # a volume may underflow to nothing
        assert np.isfinite(calm.max(axis=0) - calm.min(axis=0)).all()
        assert np.isfinite(np.prod(calm.max(axis=0) - calm.min(axis=0)))
    # Two losses that differ in their last digits may become one, so order is kept, and never turned round.
    order = np.argsort(losses[:, 0], kind="stable")
    assert (np.diff(calm[order, 0]) >= 0).all()
    small = np.abs(losses) <= TAME
    assert (calm[small] == losses[small]).all()


@given(tables)
def test_ranking_losses_of_any_size_overflows_nowhere(losses):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        best = elite(losses, 5)
        reference = reference_point(losses)
        grown = volumes(losses, reference)
    assert len(best) == min(5, len(losses))
    assert nondomination_ranks(tamed(losses))[best[0]] == 0
    assert np.isfinite(reference).all()
    assert np.isfinite(grown).all()


def test_losses_that_differ_by_magnitudes_stay_apart():
    calm = tamed(np.array([-HUGE, -1e200, -1.0, 0.0, 5e-324, 1e69, 1e71, 1e200, 1.000001e200, HUGE]))
    assert (np.diff(calm) > 0).all()


LOSSES = {
    "either end": lambda x, y: (HUGE if x > 0.5 else -HUGE, HUGE * (y - 0.5)),
    "one huge": lambda x, y: (x, 1e20 if y > 0.5 else y),
    "all alike": lambda x, y: (HUGE, -HUGE),
    "subnormal": lambda x, y: (5e-324 * round(9 * x), -0.0),
    "all magnitudes": lambda x, y: (10.0 ** (600 * x - 300), -(10.0 ** (600 * y - 300))),
}


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("sampler", ["rose", "rose-parzen", "optuna-motpe", "nsga2"])
def test_losses_of_any_size_stop_no_search(sampler, losses):
    targets = Targets(at_most=(HUGE / 2, None), reference=(None, HUGE))
    search = make_sampler(sampler, LINE, 0, targets=targets)
    for _ in range(15):
        for tree in search.ask(2):
            search.tell(tree, LOSSES[losses](tree.p["x"], tree.p["y"]))


def test_a_huge_loss_here_and_there_does_not_spoil_the_search_for_small_ones():
    def found(outlier: float) -> float:
        search = make_sampler("rose", LINE, 1)
        best = math.inf
        for n in range(40):
            (tree,) = search.ask(1)
            loss = (tree.p["x"] - 0.3) ** 2 + (tree.p["y"] - 0.6) ** 2
            best = min(best, loss)
            search.tell(tree, (outlier if n % 5 == 4 else loss,))
        return best

    assert found(HUGE) < 0.01


def test_figures_of_any_size_have_an_importance():
    values = [{"x": n / 10} for n in range(10)]
    with np.errstate(over="raise", invalid="raise"):
        assert importances(values, [HUGE if n > 5 else -HUGE for n in range(10)])["x"] > 0.5


def test_a_large_pareto_set_is_found_in_little_memory():

    losses = np.random.default_rng(0).random((6000, 1))
    losses = np.hstack([losses, -losses])
    tracemalloc.start()
    assert len(pareto_set(losses)) == 6000
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


WIDE = 1e16


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({"x": {"choice": [1, WIDE]}}, "within ±2"),
        ({"x": {"choice": [1, 10**400]}}, "within ±2"),
        ({"x": {"choice": [1, math.nan]}}, "finite"),
        ({"x": [1, 2.5, 10**19]}, "within ±2"),
        ({"x": [-math.inf, 1.0]}, "finite"),
        ({"x": [0, 10**400]}, "within ±2"),
        ({"x": {"uniform": [-HUGE, HUGE]}}, "within ±2"),
        ({"x": {"type": "float", "low": -HUGE, "high": HUGE, "step": 1e300}}, "within ±2"),
        ({"x": {"type": "float", "low": math.nan, "high": 1}}, "within ±2"),
        ({"x": {"type": "int", "low": 0, "high": math.inf}}, "within ±2"),
        ({"x": {"type": "int", "low": -(10**400), "high": 1}}, "within ±2"),
        ({"x": {"type": "int", "low": 0, "high": 9, "step": 1e-320}}, "must be whole"),
        ({"x": {"type": "int", "low": 0, "high": 9, "step": math.inf}}, "must be whole"),
        ({"x": {"type": "float", "low": 0, "high": 9, "step": 5e-324}}, "above 10000 values"),
        ({"x": {"choice": list(range(VALUES_AT_MOST + 1))}}, "lists 20001 values or more, and 20000 are allowed"),
        (
            {f"x{n}": {"type": "float", "low": 0, "high": 9000, "step": 1} for n in range(500)},
            "20000 are allowed in all",
        ),
        (
            {"root": "r", "types": {"r": {"params": {"x": {"type": "ordered", "values": list(range(30000))}}}}},
            "20000 are allowed",
        ),
    ],
)
def test_a_space_beyond_its_bounds_is_refused_with_the_rule(document, rule):
    with pytest.raises(SpaceRejected, match=rule) as told:
        space_from_document(document)
    assert len(str(told.value)) < 600


def test_numbers_of_lists_within_the_bounds_are_read():
    found = space_from_document({"x": {"choice": [2**53, -(2**53), 0.5]}, "y": [1, 2.5, 7]}).rules()
    assert found == {"params.x": Choice((2**53, -(2**53), 0.5)), "params.y": Choice((1, 2.5, 7))}
    assert Space("a", {"a": NodeType({"x": Ordered((5e-324, 1e15))})}).rules()


def test_points_have_a_bounded_number_of_coordinates_whatever_the_options():

    options = Choice(tuple(range(300)))
    space = Space(
        "p",
        {"p": NodeType({f"k{n}": options for n in range(20)}, (Slot("c", 9, 9),)), "c": NodeType({"x": Float(0, 1)})},
    )
    table, generator = SiteTable(space), np.random.default_rng(0)
    rows = table.rows([sites_of(space, space.draw(generator)) for _ in range(120)])
    summary = Summary(table, rows)
    assert summary.points(rows).shape[1] == COORDINATES_AT_MOST


def test_a_candidates_new_siblings_count_in_the_sum_of_their_key():

    space = Space("p", {"p": NodeType({}, (Slot("c", 0, 9),)), "c": NodeType({"x": Float(0, 1)})})
    table = SiteTable(space)
    values = ([0.1], [0.9, 0.5], [0.2, 0.2], [0.3])
    trees = [Tree("p", {}, tuple(Tree("c", {"x": x}) for x in of)) for of in values]
    summary = Summary(table, table.rows([sites_of(space, tree) for tree in trees * 3]))
    wider = Tree("p", {}, trees[1].c + trees[1].c)
    narrow, wide = summary.points(table.rows([sites_of(space, tree) for tree in (trees[1], wider)]))
    assert (narrow != wide).sum() >= 2  # the number of children, and the sum
