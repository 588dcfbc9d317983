"""Figures are shown with the digits that they have, and trials with how they ended (issue 11, kind 16)."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract.figures import dollars, measured, significant, trials
from bridge.contract.runs import Run

SIZES = {"": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}
figures = st.floats(1e-300, 1e15)


def run(state: str = "succeeded", ok: int = 0, pruned: int = 0, failed: int = 0) -> Run:
    return Run(
        run_id="run-1",
        kind="nas",
        pac_id="pac-1",
        state=state,
        dataset="digits",
        stages_done=(),
        last_seq=1,
        attempt=0,
        queue="cpu",
        priority=0,
        trials_total=ok + pruned + failed,
        trials_ok=ok,
        trials_failed=failed,
        trials_pruned=pruned,
        created_at=datetime.now(UTC),
    )


@given(figures)
def test_a_number_is_read_back_within_half_of_its_third_digit(value):
    shown = float(significant(value).replace(",", ""))

    assert math.isclose(shown, value, rel_tol=0.0051)


@given(figures)
def test_a_measurement_is_read_back_in_its_unit(value):
    shown, unit = measured(value, "s").split(" ")

    assert math.isclose(float(shown.replace(",", "")) * SIZES[unit.removesuffix("s")], value, rel_tol=0.0051)


@given(st.floats(1e-9, 1e9))
def test_a_number_of_everyday_size_has_no_exponent(value):
    assert "e" not in significant(value)


def test_a_cost_that_is_not_nothing_is_not_shown_as_nothing():
    assert dollars(4.1666e-7) == "$0.000000417"
    assert dollars(0.0) == "$0"


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0 s"), (0.9996, "1.00 s"), (0.00099999, "1.00 ms"), (999.96, "1,000 s"), (math.inf, "inf s")],
)
def test_a_measurement_at_the_edge_of_its_unit(value, told):
    assert measured(value, "s") == told


def test_pruned_trials_are_told_apart_from_failed_ones():
    assert trials(run(ok=56, pruned=140, failed=4)) == "56 ok, 140 pruned, 4 failed"


def test_the_trials_of_a_run_at_work_are_those_so_far():
    assert trials(run("running", ok=3, pruned=1)) == "3 ok, 1 pruned so far"
    assert trials(run("queued")) == ""
