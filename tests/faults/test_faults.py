"""The quick part of `make faults`: some faults, a control that needs no processes, and a short loop."""

import pytest

from tests.faults.arena import arena
from tests.faults.matrix import FAULTS, attempt, loop_of

QUICK = [fault for fault in FAULTS if fault.quick]


@pytest.fixture(scope="module")
async def ground():
    async with arena() as opened:
        yield opened


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
async def test_a_fault_breaks_no_promise(ground, fault):
    held, seen = await attempt(fault, ground, seed=7)
    assert held, seen


async def test_a_slow_watcher_without_its_guard_is_not_refused(ground):
    (fault,) = (fault for fault in FAULTS if fault.name == "slow watcher")
    held, seen = await attempt(fault, ground, 7, *fault.guards)
    assert not held, seen


async def test_a_short_loop_of_kills_and_freezes_loses_nothing_and_does_nothing_twice(ground):
    held, seen = await attempt(loop_of(30), ground, seed=7)
    assert held, seen
