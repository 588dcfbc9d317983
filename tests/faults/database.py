"""Faults of the database: killed, cut off, frozen, full, and with a clock that is wrong."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from time import monotonic

import psycopg

from bridge.service import migrated_database, open_bridge
from bridge.store.database import POOL_SIZE, SILENCE_S, Database
from cerebros.errors import CerebrosError, ResourceExhausted, Unavailable
from tests.calling import call
from tests.faults.arena import LEASE_S, Arena, arranged, promise, settings_at, until
from tests.faults.unguarded import changed

# The latest answer to a call, whatever state the database is in.
ANSWER_S = 10.0


async def answer(asked: Awaitable[object]) -> tuple[str, float]:
    """OK or the error's code, and the seconds it took.

    Raises:
        Broken: it took too long, or its error has no type.
    """
    began = monotonic()
    try:
        async with asyncio.timeout(ANSWER_S):
            await asked
    except CerebrosError as error:
        return error.code.name, monotonic() - began
    except TimeoutError:
        promise(False, f"no answer within {ANSWER_S:.0f} s")
    except psycopg.Error as problem:
        promise(False, f"the answer is a bare {type(problem).__name__}")
    return "OK", monotonic() - began


async def killed_postgres(arena: Arena, _dice: Random, *guards: str) -> str:
    """kill -9 of the postmaster in the middle of a search; the keeper starts it again at its address."""

    async def strike() -> None:
        kill_postmaster(arena)

    return await _search_through(arena, guards, strike)


async def terminated_backends(arena: Arena, dice: Random, *guards: str) -> str:
    """Twelve connections are cut, one after the other."""

    async def terminate() -> None:
        for _ in range(12):
            others = (
                "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            arena.rows("SELECT pg_terminate_backend(%s)", dice.choice(arena.rows(others))["pid"])
            await asyncio.sleep(0.2)

    return await _search_through(arena, guards, terminate)


def kill_postmaster(arena: Arena) -> None:
    os.kill(int((arena.home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


async def _search_through(arena: Arena, guards: tuple[str, ...], strike: Callable[[], Awaitable[None]]) -> str:
    run_id = await arena.start(budget={"trials": 40})
    async with arena.worker(*guards) as worker:
        await arranged(lambda: len(arena.trials(run_id)) >= 3, "no trials")
        await strike()
        with changed(*guards):
            code, after_s = await answer(call(arena.bridge, "get_run", {"run_id": run_id}))
        promise(code in ("OK", "UNAVAILABLE"), f"the answer is {code}")
        ended = lambda: arena.run(run_id)["finished_at"] is not None  # noqa: E731
        await until(lambda: worker.returncode is not None or ended(), "the run does not end", 180.0)
        run = arena.run(run_id)
        promise(worker.returncode is None, f"the worker ended with status {worker.returncode}")
        promise(run["state"] == "succeeded", f"the run is {run['state']}: {run['error']}")
    return f"{code} after {after_s:.1f} s, run succeeded, same worker; {arena.effects(run_id)}"


async def frozen_backend(arena: Arena, _dice: Random, *guards: str) -> str:
    """The server processes behind a pool's connections are stopped: the sockets live, no answer comes."""
    database = Database(f"{arena.url}?application_name=frozen")
    await database.open()
    backends = []
    try:
        await database.rows("SELECT ticks FROM service_clock", {})
        backends = [r["pid"] for r in arena.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'frozen'")]
        for backend in backends:
            os.kill(backend, signal.SIGSTOP)
        with changed(*guards):
            answers = [
                await answer(database.rows("SELECT ticks FROM service_clock", {})) for _ in range(len(backends) + 1)
            ]
        codes = [code for code, _ in answers]
        promise(codes[0] == "UNAVAILABLE", f"the first answer is {codes[0]}")
        promise(set(codes[1:]) <= {"UNAVAILABLE", "OK"} and codes[-1] == "OK", f"the answers are {codes}")
    finally:
        for backend in backends:
            os.kill(backend, signal.SIGCONT)
        await database.close()
    return f"{codes[0]} after {answers[0][1]:.1f} s; call {len(codes)} OK, {len(backends)} backends still frozen"


async def locked_table(arena: Arena, _dice: Random, *guards: str) -> str:
    """A table is locked for three rounds of as many calls as the pool has connections."""
    with changed(*guards):
        database = Database(f"{arena.url}?application_name=locked")
    await database.open()
    lock = await psycopg.AsyncConnection.connect(arena.url)
    counts, answers = [], []
    try:
        await lock.execute("LOCK TABLE cerebros.queues IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            asked = (answer(database.rows("SELECT name FROM queues", {})) for _ in range(POOL_SIZE))
            answers += await asyncio.gather(*asked)
            counts.append(len(_backends(arena, "locked")))
        await lock.rollback()
        codes = {code for code, _ in answers}
        promise(codes == {"UNAVAILABLE"}, f"the answers are {codes}")
        promise(counts[-1] <= POOL_SIZE, f"{counts} backends after each round")
        code, _ = await answer(database.rows("SELECT name FROM queues", {}))
        promise(code == "OK", f"without the lock the answer is {code}")
    finally:
        await lock.close()
        await database.close()
    return f"UNAVAILABLE after {max(s for _, s in answers):.1f} s at most, {counts} backends; OK without the lock"


async def stalled_loop(arena: Arena, _dice: Random, *guards: str) -> str:
    """The event loop stands still for longer than a silent server is waited for, with statements on their way."""
    database = Database(f"{arena.url}?application_name=stalled")
    await database.open()
    try:
        with changed(*guards):
            ask = "SELECT pg_sleep(0.5)"
            await asyncio.gather(*(database.rows(ask, {}) for _ in range(POOL_SIZE)))
            before = _backends(arena, "stalled")
            asked = [asyncio.create_task(answer(database.rows(ask, {}))) for _ in range(POOL_SIZE)]
            await asyncio.sleep(0.2)
            time.sleep(SILENCE_S + 1.0)  # noqa: ASYNC251 - that is the fault
            codes = {code for code, _ in await asyncio.gather(*asked)}
        promise(codes == {"OK"}, f"the answers are {codes}")
        lost = before - _backends(arena, "stalled")
        promise(not lost, f"{len(lost)} of {len(before)} connections are lost")
    finally:
        await database.close()
    return f"all answers OK, {len(before)} connections as before"


def _backends(arena: Arena, name: str) -> set[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
    return {row["pid"] for row in arena.rows(query, name)}


@asynccontextmanager
async def small_disk() -> AsyncIterator[Path]:
    """A home whose PostgreSQL sees a disk of 24 MB of its own, in a mount namespace that ends with it."""
    with tempfile.TemporaryDirectory(prefix="faults-disk-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        (home / "small").mkdir()
        users = os.open(home / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)  # the keeper ends when nobody uses its database
        mount = f"mount -t tmpfs -o size=24m none {home}/small && mkdir {home}/small/events"
        keeper = await asyncio.create_subprocess_exec(
            *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
            f"{mount} && exec {sys.executable} -P -m bridge.store.keeper {home}",
        )
        try:
            await arranged(lambda: keeper.returncode is not None or (home / "postgres.url").exists(), "no database")
            promise(keeper.returncode is None, "a user and a mount namespace are needed for a small disk")
            yield home
        finally:
            os.close(users)
            async with asyncio.timeout(30):
                await keeper.wait()


async def full_disk(_arena: Arena, _dice: Random, *guards: str) -> str:
    """The disk that holds the events is filled up, and emptied again."""
    async with small_disk() as home:
        settings = settings_at(home)
        with migrated_database(settings) as url:
            async with open_bridge(settings, url) as bridge:
                arena = Arena(home, url, bridge)
                arena.rows(f"CREATE TABLESPACE small LOCATION '{home}/small/events'")
                arena.rows("ALTER TABLE events SET TABLESPACE small")
                arena.rows("CREATE TABLE filler (bytes text) TABLESPACE small")
                accepted = [await arena.start() for _ in range(3)]
                _fill(arena)
                with changed(*guards):
                    refusal, after_s = "OK", 0.0
                    while refusal == "OK" and len(accepted) < 500:  # the last page of the events has room for some
                        run_id = f"run-{len(accepted)}"
                        refusal, after_s = await answer(arena.start(run_id=run_id))
                        accepted += [run_id] * (refusal == "OK")
                    promise(refusal == "RESOURCE_EXHAUSTED", f"the answer is {refusal}")
                arena.rows("DROP TABLE filler")
                recovered_s = await until(lambda: _starts(arena, accepted), "starts are still refused", 30.0)
                events = {row["run_id"] for row in arena.rows("SELECT run_id FROM events WHERE seq = 1")}
                runs = {row["run_id"] for row in arena.rows("SELECT run_id FROM runs")}
                promise(events == runs == set(accepted), "acknowledged runs and stored rows differ")
    return f"{refusal} after {after_s:.2f} s; room again, accepted after {recovered_s:.1f} s; {len(runs)} runs intact"


def _fill(arena: Arena) -> None:
    """Rows until no page is left: what fails is rolled back, the pages it took stay the filler's."""
    try:
        arena.rows("INSERT INTO filler SELECT md5(n::text) FROM generate_series(1, 1000000) n")
    except psycopg.errors.DiskFull:
        return
    promise(False, "the disk does not fill up")


async def _starts(arena: Arena, accepted: list[str]) -> bool:
    try:
        accepted.append(await arena.start())
    except (ResourceExhausted, Unavailable):
        return False
    return True


async def wrong_clocks(arena: Arena, _dice: Random, *guards: str) -> str:
    """One worker's and its connections' clocks are an hour behind, another's an hour ahead, the server's right."""
    deadline_s = 4 * LEASE_S
    async with arena.worker("clock_back", "long", *guards), arena.worker("clock_ahead", "long", *guards):
        await arranged(lambda: len(arena.rows("SELECT worker_id FROM workers")) == 2, "two workers did not come")
        run_id = await arena.start(budget={"epochs": 10_000}, deadline_s=deadline_s)
        began = monotonic()
        run = await arena.until_ended(run_id, within_s=60.0)
        took_s = monotonic() - began
    promise(run["state"] == "timed_out", f"the run is {run['state']}")
    promise(run["lost_workers"] == 0, f"{run['lost_workers']} leases were lost")
    promise(deadline_s - 1 < took_s < deadline_s + 5, f"a deadline of {deadline_s:.0f} s came after {took_s:.1f} s")
    return f"one claim for {took_s:.1f} s of a {LEASE_S:.0f} s lease, its deadline was at {deadline_s:.0f} s"
