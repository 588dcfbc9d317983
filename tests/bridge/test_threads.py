"""Work that callers can make long has threads of its own (Issue 11, kind 9)."""

import asyncio
import subprocess
import sys
import threading

import pytest

from bridge.process.threads import Threads, require_awaited
from cerebros.errors import Cancelled, ResourceExhausted


@pytest.fixture
def held():
    """Work that holds its thread until the test is over."""
    event = threading.Event()
    yield event
    event.set()


async def begun(threads, work):
    """The task of a call whose work has begun."""
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def telling():
        loop.call_soon_threadsafe(started.set)
        return work()

    task = asyncio.create_task(threads.run(telling))
    await started.wait()
    return task


async def test_work_gives_its_result_or_raises_its_error():
    threads = Threads("tests", 1)
    assert await threads.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 7, 0)
    assert await threads.run(divmod, 8, 2) == (4, 0)


async def test_work_that_never_ends_holds_its_own_threads_and_no_others(held):
    threads = Threads("tests", 2)
    stuck = [await begun(threads, held.wait) for _ in range(2)]
    assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    assert await Threads("others", 1).run(divmod, 7, 2) == (3, 1)
    held.set()
    assert await asyncio.gather(*stuck) == [True, True]


async def test_a_caller_that_leaves_while_it_waits_leaves_nothing_behind(held):
    threads = Threads("tests", 1)
    stuck = await begun(threads, held.wait)
    done = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await threads.run(done.append, "late")
    held.set()
    await stuck
    assert await threads.run(divmod, 7, 2) == (3, 1)
    assert done == []


async def test_a_place_is_free_only_when_its_work_has_ended(held):
    threads = Threads("tests", 1)
    stuck = await begun(threads, held.wait)
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await threads.run(divmod, 7, 2)
    held.set()
    assert await threads.run(divmod, 7, 2) == (3, 1)


async def test_long_work_hears_that_its_caller_has_left():
    threads, heard = Threads("tests", 1), threading.Event()

    def steps():
        try:
            while True:
                require_awaited()
        except Cancelled:
            heard.set()

    working = await begun(threads, steps)
    assert not heard.is_set()
    working.cancel()
    assert await asyncio.to_thread(heard.wait, 30)


async def test_more_calls_than_may_wait_are_refused_at_once(held):
    threads = Threads("tests", 1, waiting_at_most=1)
    stuck = await begun(threads, held.wait)
    waits = asyncio.create_task(threads.run(divmod, 7, 2))
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match="tests"):
        await threads.run(divmod, 7, 2)
    held.set()
    await stuck
    assert await waits == (3, 1)


def test_work_that_never_ends_does_not_keep_the_process():
    program = (
        "import asyncio, threading\n"
        "from bridge.process.threads import Threads\n"
        "async def main():\n"
        "    try:\n"
        "        await asyncio.wait_for(Threads('tests', 1).run(threading.Event().wait), 0.1)\n"
        "    except TimeoutError:\n"
        "        print('left')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")
