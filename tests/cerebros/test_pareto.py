import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerebros.search.pareto import BLOCK, nondominated, nondomination_ranks, pareto_set

loss_tables = st.integers(1, 20).flatmap(lambda n: arrays(np.float64, (n, 3), elements=st.integers(0, 4).map(float)))


def beats(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(loss_tables)
def test_every_dropped_trial_is_beaten_by_a_kept_one(values):
    kept = nondominated(values)
    for row in values[~kept]:
        assert any(beats(k, row) for k in values[kept])


@given(loss_tables)
def test_no_kept_trial_beats_another(values):
    kept = values[nondominated(values)]
    assert not any(beats(a, b) for a in kept for b in kept)


@given(st.integers(0, 3), st.integers(1, 4), st.integers(0, 2**32))
def test_the_pareto_set_found_block_by_block_is_the_pareto_set(blocks, objectives, seed):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 12, (blocks * BLOCK // 2 + 5, objectives)).astype(float)
    assert pareto_set(values).tolist() == np.flatnonzero(nondominated(values)).tolist()


@given(loss_tables)
def test_a_trial_of_rank_n_is_beaten_by_one_of_rank_n_minus_1(values):
    ranks = nondomination_ranks(values)
    for row, rank in zip(values, ranks, strict=True):
        if rank > 0:
            assert any(beats(other, row) for other in values[ranks == rank - 1])


def test_a_nan_loss_is_refused_with_its_row():
    with pytest.raises(ValueError, match=r"losses\[1\]"):
        nondominated(np.array([[1.0, 2.0], [np.nan, 0.0]]))
