"""Workers as real processes, ended in ways nobody asked for."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager

import psutil
import pytest

from bridge.service import worker_on
from cerebros.errors import StaleWorker
from cerebros.metrics import NOTHING
from tests.calling import KINDS, call, until, watch
from tests.conftest import SMALL

LEASE_S = 1.5


@asynccontextmanager
async def worker(bridge, database_url):
    """A worker process on the test's database, killed at the end if it still runs."""
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "CEREBROS_HOME": bridge.deps.settings.home,
        "CEREBROS_LEASE_S": str(LEASE_S),
        "CEREBROS_LOG_LEVEL": "critical",
        "CEREBROS_TRIAL_PROCESSES": "2",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bridge", "worker", env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def trials_so_far(bridge, run_id):
    return (await call(bridge, "list_trials", {"run_id": run_id})).trials


def running(processes):
    """Those of the processes that still run; a zombie only waits to be counted by its parent."""
    psutil.wait_procs(processes, timeout=1.0)
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


async def test_a_killed_workers_run_is_finished_by_the_next_with_its_trials_kept(bridge, database_url, start, sql):
    request = start(kind="nas", budget={**SMALL, "trials": 24, "epochs": 20})
    run_id = request["run_id"]
    await call(bridge, "start_run", request)

    async def some_trials() -> bool:
        return len(await trials_so_far(bridge, run_id)) >= 4

    async with worker(bridge, database_url) as first:
        await until(some_trials)
        children = psutil.Process(first.pid).children(recursive=True)
        first.kill()
        await first.wait()
    assert children
    assert running(children) == []

    before = sql.execute("SELECT number, finished_at FROM trials WHERE run_id = %s", (run_id,)).fetchall()
    async with worker(bridge, database_url):
        events = [event async for event in watch(bridge, {"run_id": run_id})]
    run = await call(bridge, "get_run", {"run_id": run_id})
    after = sql.execute("SELECT number, finished_at FROM trials WHERE run_id = %s", (run_id,)).fetchall()

    assert (run.state, run.attempt, run.trials_total) == ("succeeded", 2, 24)
    assert 4 <= len(before) < 24
    assert set(before) <= set(after)
    assert [event.seq for event in events] == list(range(1, run.last_seq + 1))
    stops = [event.metadata["number"] for event in events if event.name == "cerebros.trial.stop"]
    assert sorted(stops) == list(range(24))


async def test_sigterm_gives_the_run_back_and_leaves_no_process(bridge, database_url, start):
    request = start(kind="nas", budget={**SMALL, "trials": 200})
    await call(bridge, "start_run", request)

    async def started() -> bool:
        return len(await trials_so_far(bridge, request["run_id"])) >= 1

    async with worker(bridge, database_url) as process:
        await until(started)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    assert running(children) == []
    assert (await call(bridge, "get_run", {"run_id": request["run_id"]})).state == "queued"
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_cancelled_run_ends_within_seconds(bridge, database_url, start):
    request = start(kind="nas", budget={**SMALL, "trials": 500, "epochs": 500})
    await call(bridge, "start_run", request)

    async def started() -> bool:
        return (await call(bridge, "get_run", {"run_id": request["run_id"]})).state == "running"

    async with worker(bridge, database_url):
        await until(started)
        await call(bridge, "cancel_run", {"run_id": request["run_id"], "reason": "enough"})
        async with asyncio.timeout(5):
            events = [event async for event in watch(bridge, {"run_id": request["run_id"]})]
    run = await call(bridge, "get_run", {"run_id": request["run_id"]})
    assert (run.state, run.error.code) == ("cancelled", "CANCELLED")
    assert "enough" in run.error.message
    assert events[-1].metadata["state"] == "cancelled"


async def test_a_stale_worker_cannot_write(bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    stale = await bridge.deps.engine.claim("first", "cpu", -1.0, KINDS, request["run_id"])
    await bridge.deps.engine.sweep()
    fresh = await bridge.deps.engine.claim("second", "cpu", 60.0, KINDS, request["run_id"])
    assert (stale.attempt, fresh.attempt) == (1, 2)
    stage = {"name": "check", "result": {}, "spent": NOTHING, "wall_s": 0.0}
    from telemetry.events import StageStop

    event = StageStop(duration_s=0.0, run_id=request["run_id"], stage="check")
    with pytest.raises(StaleWorker):
        async with bridge.deps.engine.step(stale) as step:
            await step.insert_stage(**stage)
            await step.append(event)
    assert await bridge.deps.runs.stage_results(stale.run_id) == {}
    with pytest.raises(StaleWorker):
        await bridge.deps.engine.heartbeat(stale, 60.0)
    await bridge.deps.engine.release(fresh)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_trial_process_that_is_killed_costs_only_time(bridge, start):
    request = start(kind="nas", budget={**SMALL, "trials": 6, "epochs": 100})
    await call(bridge, "start_run", request)
    working = asyncio.create_task(worker_on(bridge, only=request["run_id"]).work())
    try:
        killed = False
        async for event in watch(bridge, {"run_id": request["run_id"]}):
            if event.name == "cerebros.trial.stop" and not killed:
                jobs = [c for c in psutil.Process().children() if "bridge.jobs.child" in c.cmdline()]
                jobs[0].kill()
                killed = True
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    run = await call(bridge, "get_run", {"run_id": request["run_id"]})
    assert (run.state, run.trials_ok) == ("succeeded", 6)
