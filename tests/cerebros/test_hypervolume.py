from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerebros.search.hypervolume import elite, greedy_cover, greedy_subset, hypervolume, improvements, unbeaten, volumes
from cerebros.search.pareto import nondominated

SIDE = 5


def whole_losses(objectives: int, most: int = 7):
    """Losses on a grid of whole numbers, where volumes can be counted cell by cell."""
    return st.integers(1, most).flatmap(
        lambda n: arrays(np.float64, (n, objectives), elements=st.integers(0, SIDE).map(float))
    )


any_losses = st.integers(1, 4).flatmap(whole_losses)


def grid_reference(losses: np.ndarray) -> np.ndarray:
    return np.full(losses.shape[1], float(SIDE))


def count_beaten_cells(losses: np.ndarray) -> int:
    """The volume below (5, 5, …), counted: a unit cell is beaten when a trial is at or below its lower corner."""
    corners = np.stack(np.meshgrid(*[np.arange(SIDE)] * losses.shape[1]), axis=-1).reshape(-1, losses.shape[1])
    return int((losses[:, None] <= corners[None]).all(axis=2).any(axis=0).sum())


@given(any_losses)
def test_the_volume_equals_the_cells_counted_one_by_one(losses):
    assert hypervolume(losses, grid_reference(losses)) == pytest.approx(count_beaten_cells(losses))


@given(st.integers(1, 2).flatmap(whole_losses), st.data())
def test_an_improvement_is_the_difference_of_two_volumes(pareto_losses, data):
    points = data.draw(whole_losses(pareto_losses.shape[1]))
    at = grid_reference(pareto_losses)
    expected = [hypervolume(np.vstack([pareto_losses, point]), at) - hypervolume(pareto_losses, at) for point in points]
    assert improvements(points, pareto_losses, at) == pytest.approx(expected)


def test_with_three_objectives_improvements_are_the_share_of_unbeaten_places():
    generator = np.random.default_rng(0)
    pareto_losses, points, at = generator.uniform(size=(5, 3)), generator.uniform(size=(6, 3)), np.ones(3)
    probes = unbeaten(pareto_losses, np.zeros(3), at, generator.uniform(size=(200_000, 3)))
    free = 1 - hypervolume(pareto_losses, at)
    expected = [hypervolume(np.vstack([pareto_losses, point]), at) - hypervolume(pareto_losses, at) for point in points]
    assert improvements(points, pareto_losses, at, probes) * free == pytest.approx(expected, abs=0.01)


@settings(max_examples=50)
@given(any_losses, st.integers(1, 4))
def test_each_greedy_choice_adds_as_much_as_any_other_would(losses, count):
    at, chosen = grid_reference(losses), greedy_subset(losses, count, grid_reference(losses))
    assert len(chosen) == len(set(chosen)) == min(count, len(losses))
    for n, index in enumerate(chosen):
        volumes = [hypervolume(losses[[*chosen[:n], other]], at) for other in range(len(losses))]
        assert hypervolume(losses[[*chosen[:n], index]], at) == pytest.approx(max(volumes))


@settings(max_examples=50)
@given(any_losses, st.integers(1, 3))
def test_the_greedy_subset_has_most_of_the_best_subsets_volume(losses, count):
    at = grid_reference(losses)
    best = max(
        hypervolume(losses[list(subset)], at) for subset in combinations(range(len(losses)), min(count, len(losses)))
    )
    assert hypervolume(losses[greedy_subset(losses, count, at)], at) >= (1 - 1 / np.e) * best - 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 4), st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_a_cover_told_from_places_has_nearly_the_greedy_subsets_volume(objectives, seed, count):
    losses = np.random.default_rng(seed).uniform(size=(20, objectives))
    at = np.full(objectives, 1.1)
    chosen = greedy_cover(losses, count, at)
    assert len(set(chosen)) == count
    exact = hypervolume(losses[greedy_subset(losses, count, at)], at)
    assert hypervolume(losses[chosen], at) >= 0.98 * exact


def test_a_cover_of_all_trials_holds_those_that_beat_no_place_too():
    losses = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.5, 1.0], [1.0, 1.0, 1.0]])
    assert greedy_cover(losses, 4, np.ones(3)) == [0, 1, 2, 3]


@given(st.integers(1, 2).flatmap(whole_losses))
def test_volumes_of_the_first_trials_are_exact_with_two_objectives(losses):
    at = grid_reference(losses)
    assert volumes(losses, at) == pytest.approx([hypervolume(losses[: n + 1], at) for n in range(len(losses))])


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 4), st.integers(0, 2**32 - 1))
def test_with_more_objectives_volumes_are_near_and_the_last_is_the_pareto_sets(objectives, seed):
    losses = np.random.default_rng(seed).uniform(size=(12, objectives))
    at = np.full(objectives, 1.1)
    told = volumes(losses, at)
    exact = np.array([hypervolume(losses[: n + 1], at) for n in range(len(losses))])
    assert (np.diff(told) >= 0).all()
    assert np.abs(told - exact).max() <= 0.02 * np.prod(at - losses.min(axis=0))
    assert volumes(losses[nondominated(losses)], at)[-1] == told[-1]


def test_no_trial_below_the_reference_is_no_volume():
    assert hypervolume(np.array([[2.0, 0.0]]), np.array([1.0, 1.0])) == 0.0
    assert hypervolume(np.empty((0, 2)), np.array([1.0, 1.0])) == 0.0
    assert volumes(np.array([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), np.ones(3)).tolist() == [0.0, 0.0]
    assert volumes(np.empty((0, 3)), np.ones(3)).tolist() == []


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("outlier", [1e6, 1e300])
def test_one_far_outlier_does_not_blind_the_choice_of_the_best(objectives, outlier):
    """The best trials are spread over the Pareto set, also where one trial that all others beat lies far away."""
    losses = np.random.default_rng(0).normal(size=(60, objectives)) ** 2
    spoilt = np.vstack([losses, np.full(objectives, outlier)])
    box = losses.max(axis=0)
    chosen, without = (hypervolume(all_[elite(all_, 12)], box) for all_ in (spoilt, losses))
    assert chosen > 0.99 * without


def test_an_outlier_in_the_pareto_set_overflows_nothing():
    losses = np.array([[0.0, 1e300], [1.0, 1.0], [2.0, 0.5], [1e300, 0.0], [3.0, 3.0]])
    assert sorted(elite(losses, 4)) == [0, 1, 2, 3]
