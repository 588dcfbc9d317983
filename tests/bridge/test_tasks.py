"""How tasks end: what must not be cut short is not, and no cancel is lost over it."""

import asyncio
import itertools
from contextlib import suppress
from time import monotonic

import pytest

from bridge.process import tasks
from bridge.process.tasks import end_tasks, tireless, to_its_end

STORING_S = 0.3


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A task that is being ended gets many cancels while it stores something."""
    monkeypatch.setattr(tasks, "SWALLOWED_AFTER_S", STORING_S / 10)


@pytest.fixture
def stored():
    return []


async def store(stored):
    await asyncio.sleep(STORING_S)
    stored.append("result")


async def nested(stored):
    """A search with a trial in flight, as it answers a cancel."""
    trial = asyncio.create_task(to_its_end(store(stored)))
    try:
        await trial
    finally:
        await end_tasks(trial)


async def cancelled_and_nested(stored):
    """The same, where the cancel finds somebody who is ending the search already."""
    search = asyncio.create_task(nested(stored))
    await asyncio.sleep(STORING_S / 10)
    await end_tasks(search)


@pytest.mark.parametrize("work", [nested, cancelled_and_nested])
async def test_what_must_not_be_cut_short_ends_before_those_that_wait_for_it(stored, work):
    ending = asyncio.create_task(work(stored))
    await asyncio.sleep(STORING_S / 5)
    await end_tasks(ending)
    assert ending.cancelled()
    assert stored == ["result"]


async def test_a_cancel_goes_on_in_place_of_the_works_own_error():
    async def fail():
        await asyncio.sleep(STORING_S)
        raise ValueError("no room")

    ending = asyncio.create_task(to_its_end(fail()))
    await asyncio.sleep(STORING_S / 10)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    with pytest.raises(ValueError, match="no room"):
        await to_its_end(fail())


async def test_a_task_that_loses_its_cancel_gets_another():
    async def forgetful():
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    ending = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end_tasks(ending)
    assert ending.cancelled()


async def test_a_duty_that_ends_soon_is_paused_longer_each_time_up_to_a_limit(monkeypatch):
    """Issue 11, kind 6: whatever ends it."""
    monkeypatch.setattr(tasks, "RESTART_PAUSE_S", 0.05)
    times = []

    async def short_lived():
        times.append(monotonic())
        if len(times) == 2:
            raise OSError("no process id left")
        if len(times) == 3:
            raise ValueError("a defect")

    working = asyncio.create_task(tireless(short_lived, pause_at_most_s=0.2))
    while len(times) < 5:
        await asyncio.sleep(0.01)
        assert not working.done()
    await end_tasks(working)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.2), strict=True))
