"""A study's work takes turns with other studies' and ends with its caller: Issue 11, kind 9."""

import asyncio
import threading
import time

import msgspec
import numpy as np
import pytest

from bridge.studies import studies
from bridge.studies.studies import SIZE_AT_MOST, SPACE_BYTES, Resident, Studies, read_space
from cerebros.errors import DeadlineExceeded, SpaceRejected
from cerebros.samplers import make_sampler
from cerebros.search.admission import ADMISSION_ATTEMPTS, DECISIONS_DRAWN
from cerebros.search.motpe import Motpe
from cerebros.space.rose_tree import Choice, NodeType, Space
from tests.bridge.asking import ask, tell, work
from tests.calling import TESTER, call

FOUR = [{"name": name, "direction": "minimize"} for name in "abcd"]
# The dearest space that is allowed, or nearly.
WIDEST = {f"k{n}": {"choice": list(range(18))} for n in range(1000)}


def within_s(seconds: float):
    return msgspec.structs.replace(TESTER, deadline=time.monotonic() + seconds)


@pytest.fixture
def proposed(monkeypatch):
    """Counts the proposals of large spaces."""
    made, note = [], Motpe._note

    def noted(self, tree):
        if len(tree.p) > 500:
            made.append(tree)
        return note(self, tree)

    monkeypatch.setattr(Motpe, "_note", noted)
    return made


@pytest.fixture
async def dear(bridge, study):
    """A study of the dearest space that knows enough trials to model them."""
    study_id = await study(space=WIDEST, objectives=FOUR)
    generator = np.random.default_rng(0)
    for trial in await ask(bridge, study_id, 10):
        await tell(bridge, trial, values=dict(zip("abcd", generator.random(4).tolist(), strict=True)))
    return study_id


async def test_a_suggest_whose_caller_left_ends_after_the_proposal_that_it_is_at(bridge, study, dear, proposed):
    other = await study()
    with pytest.raises(DeadlineExceeded):
        await call(bridge, "suggest", {"study_id": dear, "count": 64}, within_s(1.0))
    left_at = len(proposed)
    assert left_at < 64

    await work(bridge, other, 2)  # is served

    assert len(proposed) == left_at
    while any(thread.name == "studies" for thread in threading.enumerate()):
        await asyncio.sleep(0.01)
    (found,) = [s for s in (await call(bridge, "list_studies", {"limit": 1000})).studies if s.study_id == dear]
    assert found.trials_total == 10


async def test_another_study_is_served_while_a_dear_one_is_at_work(bridge, study, dear, proposed):
    other = await study()
    dear_one = asyncio.create_task(ask(bridge, dear, 8))
    while not proposed:
        await asyncio.sleep(0.01)
    await work(bridge, other, 1)
    assert not dear_one.done()
    assert len(await dear_one) == 8


async def test_the_shared_threads_stay_free_of_studies(bridge, dear, monkeypatch):
    def none_of_it(*_):
        raise AssertionError("the pool that all procedures share")

    monkeypatch.setattr(asyncio, "to_thread", none_of_it)
    assert len(await ask(bridge, dear)) == 1
    assert (await call(bridge, "best_trials", {"study_id": dear})).trials


async def test_a_replay_goes_on_from_where_a_caller_left_it(bridge, study, monkeypatch):
    study_id = await study()
    await work(bridge, study_id, 15)
    served = bridge.deps.one(Studies)
    served._residents.clear()
    monkeypatch.setattr(studies, "LOG_PAGE", 5)
    pages, replay = [], Resident.replay
    loop = asyncio.get_running_loop()

    def replayed_and_left(self, entries, up_to_seq):
        replay(self, entries, up_to_seq)
        pages.append(up_to_seq)
        if up_to_seq == 15:
            loop.call_soon_threadsafe(leaving.cancel)
            time.sleep(0.05)  # the cancel comes before the page's end

    monkeypatch.setattr(Resident, "replay", replayed_and_left)
    leaving = asyncio.create_task(ask(bridge, study_id))
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert pages == [5, 10, 15]

    (after,) = await ask(bridge, study_id)

    assert pages == [5, 10, 15, 20, 25, 30]
    served._residents.clear()
    assert after.number == 15


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"x": {"choice": list(range(30_000))}}, "lists 30000 values or more, and 20000 are allowed.*let an int be"),
        ({"x": {"choice": ["y" * 100 + str(n) for n in range(5000)]}}, rf"bytes, and {SPACE_BYTES} are allowed"),
        ({f"x{n}": [0, 9] for n in range(SIZE_AT_MOST)}, f"1025 nodes, .* {SIZE_AT_MOST} are allowed; lower"),
        (
            {"a": {"int": [1, 2000]}, "b": {"int": [1, 2], "when": {"a": list(range(1, 1500))}}},
            "1502 nodes, decisions and conditions' values",
        ),
    ],
)
def test_a_space_that_would_cost_too_much_is_refused_with_value_rule_and_next_move(space, told):
    with pytest.raises(SpaceRejected, match=told):
        read_space(space)


async def test_a_choice_of_thousands_of_options_is_searched(bridge, study):
    study_id = await study(space={"x": {"choice": list(range(15_000))}}, objectives=FOUR[:1])
    for _ in range(12):
        (trial,) = await ask(bridge, study_id)
        await tell(bridge, trial, values={"a": float(trial.tree.p["x"])})


def test_limits_that_hardly_any_tree_meets_are_given_up_on_after_a_bounded_number_of_draws():
    drawn = []

    class Counted(Space, frozen=True):
        def draw(self, generator):
            drawn.append(1)
            return super().draw(generator)

    def space(parameters: int) -> Space:
        types = {"a": NodeType({f"x{n}": Choice((0, 1)) for n in range(parameters)})}
        return Counted("a", types)

    for parameters in (1, 1000):
        drawn.clear()
        with pytest.raises(SpaceRejected, match="within the limits"):
            make_sampler("rose", space(parameters), 0, lambda _tree: False).ask(1)
        assert len(drawn) == min(ADMISSION_ATTEMPTS, DECISIONS_DRAWN // (parameters + 1))


def test_a_known_tree_is_redrawn_a_bounded_number_of_times_even_where_few_are_admitted():
    space = Space("a", {"a": NodeType({f"x{n}": Choice((0, 1)) for n in range(12)})})
    only = space.draw(np.random.default_rng(0))
    tried = []

    def admissible(tree):
        tried.append(tree)
        return len(tried) % 100 == 0 or tree == only

    sampler = make_sampler("rose", space, 0, admissible)
    sampler.ask(1)
    for _ in range(5):
        tried.clear()
        sampler.ask(1)
        assert len(tried) <= ADMISSION_ATTEMPTS
