"""Successive halving spends epochs on the trials that no other trial beats."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebros.search.halving import COMPARED_AT_MOST, HalvedSearch, Standing, next_to_continue, rung_epochs
from cerebros.search.pareto import nondominated
from cerebros.space.rose_tree import Tree

pairs_of_losses = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40)


def first_rung(losses: list) -> list[Standing]:
    return [Standing(number, (tuple(loss),), True) for number, loss in enumerate(losses)]


@dataclass
class OneWorkerSearch:
    """A search by one worker, of trials whose losses halve with each rung."""

    losses: list
    rungs: int = 3
    seen: dict = field(default_factory=dict)

    def run(self) -> None:
        waiting = list(range(len(self.losses)))
        while True:
            number = next_to_continue(self.standings(), self.rungs)
            if number is None and not waiting:
                return
            number = waiting.pop(0) if number is None else number
            known = self.seen.get(number, ())
            self.seen[number] = (*known, tuple(x / 2 ** len(known) for x in self.losses[number]))

    def standings(self) -> list[Standing]:
        return [Standing(number, losses, len(losses) < self.rungs) for number, losses in self.seen.items()]


@given(pairs_of_losses)
def test_of_n_trials_a_third_reach_each_next_rung_and_no_more(losses):
    search = OneWorkerSearch(losses)
    search.run()
    reached = [sum(len(seen) > rung for seen in search.seen.values()) for rung in range(3)]
    assert reached[0] == len(losses)
    # A trial that was among the best when it went on may be overtaken by later ones.
    assert reached[1] >= reached[0] // 3
    assert reached[2] >= reached[1] // 3
    assert reached[2] <= reached[1] <= reached[0]


@given(pairs_of_losses)
def test_a_continued_trial_is_beaten_by_fewer_than_a_third(losses):
    trials = first_rung(losses)
    number = next_to_continue(trials, 3)
    if number is not None:
        table = np.array(losses)
        no_worse, better = (table <= table[number]).all(axis=1), (table < table[number]).any(axis=1)
        assert (no_worse & better).sum() < len(losses) // 3


@given(pairs_of_losses)
def test_a_pareto_set_with_room_is_continued_before_anything_it_beats(losses):
    trials = first_rung(losses)
    undominated = set(np.flatnonzero(nondominated(np.array(losses))).tolist())
    number = next_to_continue(trials, 3)
    assert (number is None) == (len(losses) < 3)
    if number is not None:
        assert number in undominated


@given(pairs_of_losses, st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_the_results(losses, random):
    trials = first_rung(losses)
    shuffled = trials.copy()
    random.shuffle(shuffled)
    assert next_to_continue(shuffled, 3) == next_to_continue(trials, 3)


def test_the_highest_rung_is_served_first():
    trials = [Standing(n, ((float(n), 0.0), (float(n), 0.0)), True) for n in range(3)]
    trials += [Standing(3 + n, ((-1.0 - n, -1.0),), True) for n in range(9)]
    assert next_to_continue(trials, 3) == 0


def test_a_trial_in_training_or_ended_is_not_continued():
    trials = [Standing(0, ((0.0, 0.0),), False), *(Standing(n, ((1.0, float(n)),), True) for n in range(1, 6))]
    assert next_to_continue(trials, 3) == 1
    assert next_to_continue(trials[:4], 3) is None


def test_a_trial_at_the_last_rung_is_done():
    trials = [Standing(n, ((float(n), 0.0),), True) for n in range(6)]
    assert next_to_continue(trials, 1) is None


class NumberingSampler:
    """A sampler of numbered trees that remembers what it was told."""

    def __init__(self) -> None:
        self.asked, self.told = 0, []

    def ask(self, n: int) -> list[Tree]:
        self.asked += n
        return [Tree("net", {"n": self.asked - k}) for k in range(n)]

    def tell(self, tree: Tree, losses, fidelity=1.0) -> None:
        self.told.append((tree.p["n"], losses, fidelity))


def steps_of_search(losses: list) -> tuple[list, NumberingSampler]:
    """The steps of a search whose trials come to these losses, and what its sampler was told."""
    sampler = NumberingSampler()
    search, steps = HalvedSearch(sampler, (1, 3, 9)), []
    while found := search.next_steps(min(1, len(losses) - sampler.asked)):
        (step,) = found
        steps.append((step.number, step.begin, step.until))
        search.tell(step, losses[step.number], ended=False)
    return steps, sampler


@given(st.lists(st.one_of(st.none(), st.tuples(st.floats(0, 1), st.floats(0, 1))), min_size=1, max_size=30))
def test_a_halved_search_trains_each_rung_once_in_order_and_tells_its_sampler_each(losses):
    steps, sampler = steps_of_search(losses)
    assert steps == steps_of_search(losses)[0]
    for number, told in enumerate(losses):
        own = [(begin, until) for n, begin, until in steps if n == number]
        assert own == [(0, 1), (1, 3), (3, 9)][: len(own)]
        assert own
        assert told is not None or len(own) == 1
        fidelities = [fidelity for name, _, fidelity in sampler.told if name == number + 1]
        assert fidelities == [1 / 9, 1 / 3, 1.0][: len(own)]


@given(st.integers(1, 500), st.integers(2, 5), st.integers(1, 5))
def test_rungs_grow_and_end_with_all_epochs(epochs, factor, rungs):
    ends = rung_epochs(epochs, factor, rungs)
    assert list(ends) == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == epochs
    assert len(ends) <= rungs


def test_three_rungs_of_twenty_seven_epochs():
    assert rung_epochs(27) == (3, 9, 27)


@pytest.mark.parametrize("wrong", [(0, 3, 3), (9, 1, 3), (9, 3, 0)])
def test_what_cannot_be_halved_is_refused(wrong):
    with pytest.raises(ValueError, match="at least"):
        rung_epochs(*wrong)


def test_ranking_looks_at_the_latest_that_reached_a_rung():
    """Ten thousand waiting trials must not cost ten thousand times ten thousand comparisons."""
    old = [Standing(n, ((0.0, 0.0),), True) for n in range(10)]
    new = [Standing(10 + n, ((1.0 + n, 1.0),), True) for n in range(COMPARED_AT_MOST)]
    assert next_to_continue(old + new[:-1], 3) == 9
    assert next_to_continue(old + new, 3) == 10
