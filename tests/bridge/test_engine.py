"""Queues, locks, checkpoints and ends as callers see them; the claim protocol itself is in test_claims.py."""

import asyncio
from contextlib import asynccontextmanager, contextmanager

import httpx
import psycopg
import pytest

from bridge.contract.runs import Trial
from bridge.jobs.work import Checkpoint
from bridge.process import tasks
from bridge.runs import duties, procedures
from bridge.service import open_bridge, worker_on
from bridge.transports.http.app import make_app
from cerebros.errors import ArtifactCorrupt, FailedPrecondition, ResourceExhausted, StaleWorker, Unavailable
from cerebros.metrics import Spent
from cerebros.space.rose_tree import Tree
from telemetry.events import trial_stop
from tests.calling import KINDS, call, until, watch, with_parts, with_settings
from tests.conftest import SMALL

LONG = {**SMALL, "trials": 100, "epochs": 10_000}


@pytest.fixture
async def queued(bridge, start):
    """Starts runs that nobody works on, and cancels them at the end."""
    run_ids = []

    async def begin(**fields):
        request = start(**fields)
        await call(bridge, "start_run", request)
        run_ids.append(request["run_id"])
        return request["run_id"]

    yield begin
    for run_id in run_ids:
        await call(bridge, "cancel_run", {"run_id": run_id})


@asynccontextmanager
async def working(bridge, run_id):
    """A worker on one run, drained at the end."""
    task = asyncio.create_task(worker_on(bridge, only=run_id).work())
    try:
        async with asyncio.timeout(60):
            while (await call(bridge, "get_run", {"run_id": run_id})).state != "running":
                await asyncio.sleep(0.05)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def state(bridge, run_id):
    return (await call(bridge, "get_run", {"run_id": run_id})).state


async def test_the_urgent_run_goes_first_and_a_worker_takes_only_from_its_queue(bridge, queued):
    usual, urgent = await queued(queue="gpu"), await queued(queue="gpu", priority=9)
    await queued(queue="cpu")
    claims = [await bridge.deps.engine.claim("test", "gpu", 600.0, KINDS) for _ in range(3)]
    for claim in claims[:2]:
        await bridge.deps.engine.release(claim)
    assert [claim and claim.run_id for claim in claims] == [urgent, usual, None]


async def test_a_queue_at_its_limit_gives_no_more_runs(bridge, queued):
    for _ in range(2):
        await queued(queue="gpu")
    await call(bridge, "limit_queue", {"name": "gpu", "running_at_most": 1})
    first, second = [await bridge.deps.engine.claim("test", "gpu", 600.0, KINDS) for _ in range(2)]
    limited = {queue.name: queue for queue in (await call(bridge, "list_queues", {})).queues}["gpu"]
    await bridge.deps.engine.release(first)
    await call(bridge, "limit_queue", {"name": "gpu"})
    assert second is None
    assert (limited.running, limited.queued, limited.running_at_most) == (1, 1, 1)


async def test_a_full_queue_refuses_a_new_run_and_still_knows_the_old_ones(bridge, queued, start):
    request = start(queue="gpu")
    await queued(**request)
    waiting = {queue.name: queue.queued for queue in (await call(bridge, "list_queues", {})).queues}["gpu"]
    full = with_settings(bridge, queued_at_most=waiting)
    with pytest.raises(ResourceExhausted, match="try again when some have ended"):
        await call(full, "start_run", start(queue="gpu"))
    assert (await call(full, "start_run", request)).run_id == request["run_id"]


async def test_a_pac_is_trained_by_one_run_at_a_time(bridge, queued):
    first, second = await queued(pac_id="one"), await queued(pac_id="one")
    claim = await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, first)
    assert await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, second) is None
    assert (await call(bridge, "get_training_lock", {"pac_id": "one"})).run_id == first
    await bridge.deps.engine.release(claim)
    claim = await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, second)
    await bridge.deps.engine.release(claim)


async def test_a_draining_pac_starts_no_run_and_a_stale_decision_is_refused(bridge, queued):
    run_id, pac = await queued(pac_id="drained"), {"pac_id": "drained", "holder": "zara", "reason": "release"}
    lock = await call(bridge, "set_training_lock", pac | {"state": "draining", "expected_revision": 0})
    assert (lock.state, lock.holder, lock.revision) == ("draining", "zara", 1)
    assert await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, run_id) is None
    with pytest.raises(FailedPrecondition, match="zara set it to draining"):
        await call(bridge, "set_training_lock", pac | {"state": "locked", "expected_revision": 0})
    await call(bridge, "set_training_lock", pac | {"state": "open", "expected_revision": 1})
    await bridge.deps.engine.release(await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, run_id))


async def test_a_locked_pacs_run_goes_back_to_its_queue_with_its_trainings_kept(bridge, queued):
    run_id = await queued(kind="nas", pac_id="locked", budget=LONG)
    pac = {"pac_id": "locked", "holder": "zara", "reason": "audit"}
    async with working(bridge, run_id):
        async with asyncio.timeout(60):  # until a trial, not a probe, is in training
            while "shortlist" not in (await call(bridge, "get_run", {"run_id": run_id})).stages_done:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        before = (await call(bridge, "get_run", {"run_id": run_id})).last_seq
        await call(bridge, "set_training_lock", pac | {"state": "locked"})
        async with asyncio.timeout(30):
            while await state(bridge, run_id) != "queued":
                await asyncio.sleep(0.1)
    kept = {event.name for event in await bridge.deps.runs.events_after(run_id, before)}
    assert kept & {"cerebros.trial.progress", "cerebros.trial.stop"}  # a state, or what it had just come to
    await call(bridge, "set_training_lock", pac | {"state": "open"})


def states(bridge, run_id: str) -> list[str]:
    return sorted(file.name for file in (bridge.deps.settings.home / "checkpoints").glob(f"{run_id}~*"))


async def test_a_run_that_could_not_be_given_back_is_given_back_before_the_next_is_claimed(bridge, queued, monkeypatch):
    run_id, release = await queued(), bridge.deps.engine.release
    troubles = [Unavailable("the database does not answer"), Unavailable("still not")]

    async def troubled(claim):
        if troubles:
            raise troubles.pop()
        await release(claim)

    async def lost(*_):
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(bridge.deps.engine, "release", troubled)
    with monkeypatch.context() as trouble:
        trouble.setattr(bridge.deps.engine, "append", lost)
        worker = asyncio.create_task(worker_on(bridge, only=run_id).work())
        await until(lambda: not troubles, within_s=30)
    async with asyncio.timeout(30):
        while "cerebros.run.start" not in [e.name for e in await bridge.deps.runs.events_after(run_id, 0)]:
            await asyncio.sleep(0.05)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert await state(bridge, run_id) == "queued"


@contextmanager
def locked(database_url, statement):
    """What a table's lock lets nobody do until this ends."""
    with psycopg.connect(database_url, options="-c search_path=cerebros,public") as connection:
        connection.execute(statement)
        yield


async def until_it_waits(sql, statement):
    """A statement that begins so waits for a lock."""
    waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    await until(lambda: bool(sql.execute(waits, (f"%{statement}%",)).fetchall()))


async def test_a_training_that_ends_in_a_drain_is_stored_however_slow_the_database_is(
    bridge, queued, sql, database_url
):
    run_id = await queued(kind="nas", budget=SMALL | {"window": 1})
    worker = asyncio.create_task(worker_on(bridge, only=run_id).work())
    with locked(database_url, "LOCK TABLE trials IN EXCLUSIVE MODE"):
        await until_it_waits(sql, "INSERT INTO trials")
        worker.cancel()
        await asyncio.sleep(2.5 * tasks.SWALLOWED_AFTER_S)
    await asyncio.gather(worker, return_exceptions=True)
    assert len((await call(bridge, "list_trials", {"run_id": run_id})).trials) == 1
    assert await state(bridge, run_id) == "queued"


async def test_a_claim_that_comes_as_its_worker_is_ended_is_given_back(bridge, queued, sql, database_url):
    run_id = await queued()
    with locked(database_url, "LOCK TABLE runs IN SHARE MODE"):
        worker = asyncio.create_task(worker_on(bridge, only=run_id).work())
        await until_it_waits(sql, "SET state = 'running'")
        worker.cancel()
        await asyncio.sleep(0.1)
    await asyncio.gather(worker, return_exceptions=True)
    run = await call(bridge, "get_run", {"run_id": run_id})
    assert (run.state, run.attempt) == ("queued", 1)


async def test_a_worker_that_comes_back_under_the_name_of_a_dead_one_has_its_own_queue(bridge, sql):
    for queue in ("cpu", "gpu"):
        await bridge.deps.engine.worker_seen("host-1", queue)
    seen = sql.execute("SELECT queue FROM workers WHERE worker_id = 'host-1'").fetchall()
    await bridge.deps.engine.worker_gone("host-1")
    assert seen == [("gpu",)]


async def test_a_stale_workers_state_leaves_the_newer_claims_state_alone(bridge, queued):
    run_id = await queued()
    stale = await bridge.deps.engine.claim("stale", "cpu", 600.0, KINDS, run_id)
    await bridge.deps.engine.release(stale)
    claim = await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, run_id)
    ours, theirs = (Checkpoint(3, (0.5,) * 3, Spent(s, s, s, s), b"state") for s in (1.0, 2.0))
    await bridge.deps.checkpoints.save(claim, 0, ours)
    with pytest.raises(StaleWorker):
        await bridge.deps.checkpoints.save(stale, 0, theirs)
    assert await bridge.deps.checkpoints.newest(run_id, 0) == ours
    await bridge.deps.engine.release(claim)


async def test_states_of_what_has_ended_are_dropped(bridge, queued):
    run_id, other = await queued(), await queued()
    for each in (run_id, other):
        claim = await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, each)
        for trial in (0, 1):
            await bridge.deps.checkpoints.save(claim, trial, Checkpoint(1, (0.5,), Spent(1.0, 1.0, 1.0, 1.0), b"state"))
        if each == run_id:
            await bridge.deps.trials.append_trial(
                claim,
                Trial(number=0, outcome="lost", tree_hash="h", tree=Tree("network")),
                None,
                trial_stop(each, 0, "lost", "h", None, None),
            )
        await bridge.deps.engine.release(claim)
    await bridge.deps.checkpoints.forget_ended_trials(run_id)
    assert [name.split("~")[1] for name in states(bridge, run_id)] == ["1"]
    await bridge.deps.engine.cancel(run_id, "enough")
    await bridge.deps.checkpoints.forget_ended_runs()
    assert (len(states(bridge, run_id)), len(states(bridge, other))) == (0, 2)


async def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_the_last_one_to_an_error(bridge, queued):
    run_id = await queued()
    claim = await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, run_id)
    kept = [Checkpoint(epoch, (0.5,) * epoch, Spent(1.0, 1.0, 1.0, 1.0), b"state" * epoch) for epoch in (1, 2, 3)]
    for checkpoint in kept:
        await bridge.deps.checkpoints.save(claim, 7, checkpoint)
    files = sorted((bridge.deps.settings.home / "checkpoints").glob(f"{run_id}~7~*"))
    assert [file.name.split("~")[2] for file in files] == ["2", "3"]
    assert await bridge.deps.checkpoints.newest(run_id, 7) == kept[2]
    files[1].write_bytes(files[1].read_bytes()[:-3])
    assert await bridge.deps.checkpoints.newest(run_id, 7) == kept[1]
    files[0].unlink()
    with pytest.raises(ArtifactCorrupt, match="no checkpoint of trial 7 is whole"):
        await bridge.deps.checkpoints.newest(run_id, 7)
    await bridge.deps.checkpoints.forget(run_id, 7)
    assert await bridge.deps.checkpoints.newest(run_id, 7) is None
    await bridge.deps.engine.release(claim)


async def test_a_watcher_that_once_caught_up_and_then_sleeps_is_told_where_to_go_on(bridge, queued, sql, monkeypatch):
    monkeypatch.setattr(procedures, "WATCHER_LAG_AT_MOST", 10)
    run_id = await queued()
    events = watch(bridge, {"run_id": run_id})
    assert (await anext(events)).seq == 1
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0.1)  # it has caught up and waits
    sql.execute(
        "WITH told AS (UPDATE runs SET last_seq = 40 WHERE run_id = %s RETURNING run_id) INSERT INTO events "
        "SELECT run_id, n, 'cerebros.stage.start', '{}', '{}' FROM told, generate_series(2, 40) n",
        (run_id,),
    )
    with pytest.raises(ResourceExhausted, match="watch again with after_seq 1"):
        await waiting
    # A replay may be as long as the run is.
    replayed = watch(bridge, {"run_id": run_id, "after_seq": 1})
    assert [(await anext(replayed)).seq for _ in range(39)] == list(range(2, 41))
    await replayed.aclose()


async def test_old_events_are_forgotten_but_the_last_and_a_watcher_is_told_so(bridge, start, sql):
    request = start()
    await call(bridge, "start_run", request)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})
    sql.execute("UPDATE runs SET finished_at = now() - interval '40 days' WHERE run_id = %s", (request["run_id"],))
    await bridge.deps.engine.forget_events(30 * 86400.0)
    with pytest.raises(FailedPrecondition, match="watch after_seq 1"):
        await anext(watch(bridge, {"run_id": request["run_id"]}))
    (last,) = [event async for event in watch(bridge, {"run_id": request["run_id"], "after_seq": 1})]
    assert last.name == "cerebros.run.stop"


async def test_a_bridge_forgets_what_is_old_after_a_pause_and_not_as_it_opens(
    bridge, settings, database_url, start, sql, monkeypatch
):
    monkeypatch.setattr(duties, "FORGET_PAUSE_S", 1.0)
    request = start()
    await call(bridge, "start_run", request)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})
    sql.execute("UPDATE runs SET finished_at = now() - interval '40 days' WHERE run_id = %s", (request["run_id"],))
    sql.execute("INSERT INTO workers SELECT 'killed', 'cpu', seconds - 90000 FROM service_clock")

    def kept():
        workers = sql.execute("SELECT FROM workers WHERE worker_id = 'killed'").fetchall()
        events = sql.execute("SELECT FROM events WHERE run_id = %s", (request["run_id"],)).fetchall()
        return len(events), len(workers)

    async with open_bridge(settings, database_url):
        await asyncio.sleep(0.5)
        at_first = kept()
        await until(lambda: kept() != at_first, within_s=10)
        await asyncio.sleep(0.2)
        assert (at_first, kept()) == ((2, 1), (1, 0))


async def test_a_draining_server_is_not_ready_and_starts_no_run(bridge, start):
    server = with_parts(bridge, draining=asyncio.Event())
    assert (await call(server, "drain", {})).status == "draining"
    with pytest.raises(Unavailable, match="call another one"):
        await call(server, "start_run", start())
    transport = httpx.ASGITransport(app=make_app(server))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
