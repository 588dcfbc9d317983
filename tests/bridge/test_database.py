"""The pool of connections: shared fairly, and free of lost connections (issue 11, kinds 5, 8 and 11)."""

import asyncio
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bridge.contract.procedure import Caller
from bridge.process.settings import read_settings
from bridge.service import SETTINGS, migrated_database
from bridge.store import database as pool
from bridge.store.database import POOL_SIZE, SESSION, Database
from bridge.store.turns import ASKER, Turns
from cerebros.errors import ResourceExhausted, Unavailable

TICKS = "SELECT ticks FROM service_clock"


@asynccontextmanager
async def opened(url, name):
    """A pool whose backends bear a name."""
    database = Database(f"{url}?application_name={name}")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def backends(sql, name):
    rows = sql.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name,))
    return {pid for (pid,) in rows.fetchall()}


async def test_one_wide_request_keeps_nobody_else_waiting(database_url):
    done = 0

    async def part(database):
        nonlocal done
        await database.rows("SELECT pg_sleep(1)", {})
        done += 1

    async def wide_request(database):
        ASKER.set(object())  # its parts are tasks of their own, and all of one asker
        await asyncio.gather(*(part(database) for _ in range(2 * POOL_SIZE)))

    async with opened(database_url, "wide") as database:
        wide = asyncio.create_task(wide_request(database))
        await asyncio.sleep(0.2)
        await asyncio.gather(*(database.rows(TICKS, {}) for _ in range(20)))
        assert done < POOL_SIZE
        await wide


async def test_one_asker_holds_its_share_and_the_others_come_in_turn():
    turns = Turns(places=4, share=2, waiting_at_most=20, patience_s=60.0)
    served = []

    async def ask(who):
        asker = await turns.take()
        served.append(who)
        await asyncio.sleep(0)
        turns.give(asker)

    async def request(who, times):
        ASKER.set(object())
        await asyncio.gather(*(ask(who) for _ in range(times)))

    await asyncio.gather(request("wide", 9), request("wider", 9), request("small", 1))
    assert served[:4] == ["wide", "wide", "wider", "wider"]
    assert "small" in served[4:8]
    assert len(served) == 19


async def test_who_waits_too_long_or_behind_too_many_is_told_to_come_again():
    turns = Turns(places=1, share=1, waiting_at_most=1, patience_s=0.05)
    held = await turns.take()
    waiting = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match="1 calls wait"):
        await turns.take()
    with pytest.raises(ResourceExhausted, match="in use"):
        await waiting
    turns.give(held)
    turns.give(await turns.take())


async def test_a_place_that_comes_as_its_asker_leaves_is_not_lost():
    turns = Turns(places=1, share=1, waiting_at_most=5, patience_s=60.0)
    held = await turns.take()
    leaver = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    turns.give(held)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    async with asyncio.timeout(5):
        await turns.take()


async def test_the_parts_of_one_call_are_one_asker_and_two_calls_are_two(bridge, monkeypatch):
    askers, take = [], Turns.take

    async def noted(self):
        askers.append(await take(self))
        return askers[-1]

    monkeypatch.setattr(Turns, "take", noted)
    callers = [Caller(principal="", transport="http") for _ in range(2)]
    for caller in (callers[0], callers[0], callers[1]):
        await bridge.call(caller, "list_runs", {})
    own = [asker for asker in askers if asker in map(id, callers)]
    assert list(dict.fromkeys(own)) == [id(callers[0]), id(callers[1])]


async def test_a_loop_that_stalls_does_not_take_its_own_silence_for_the_servers(database_url, sql, monkeypatch):
    monkeypatch.setattr(pool, "SILENCE_S", 1.0)
    async with opened(database_url, "stalled") as database:
        await database.rows(TICKS, {})
        before = backends(sql, "stalled")
        asked = [asyncio.create_task(database.rows("SELECT pg_sleep(0.1)", {})) for _ in range(3)]
        await asyncio.sleep(0.05)
        time.sleep(2.0)  # noqa: ASYNC251 - the answers come while nobody listens
        assert len(await asyncio.gather(*asked)) == 3
        await asyncio.gather(*(database.rows(TICKS, {}) for _ in range(3)))
        assert before <= backends(sql, "stalled")


async def test_a_socket_that_was_shut_is_never_lent_again(database_url, sql, monkeypatch):
    monkeypatch.setattr(pool, "SILENCE_S", 0.3)
    async with opened(database_url, "shut") as database:
        with pytest.raises(Unavailable):
            await database.rows("SELECT pg_sleep(60)", {})
        for _ in range(POOL_SIZE):
            await database.rows(TICKS, {})


async def test_connections_that_were_cut_while_idle_are_not_lent(database_url, sql):
    async with opened(database_url, "cut") as database:
        await asyncio.gather(*(database.rows("SELECT pg_sleep(0.1)", {}) for _ in range(POOL_SIZE)))
        cut = backends(sql, "cut")
        for pid in cut:
            sql.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        assert len(await asyncio.gather(*(database.rows(TICKS, {}) for _ in range(2 * POOL_SIZE)))) == 2 * POOL_SIZE
        assert not cut & backends(sql, "cut")


async def test_statements_under_a_lock_are_ended_by_the_server_and_leave_no_backends(database_url, sql, monkeypatch):
    monkeypatch.setitem(SESSION, "statement_timeout", "300ms")
    async with opened(database_url, "locked") as database:
        with sql.transaction():
            sql.execute("LOCK TABLE queues IN ACCESS EXCLUSIVE MODE")
            for _ in range(3):
                asked = (database.rows("SELECT * FROM queues", {}) for _ in range(POOL_SIZE))
                answers = await asyncio.gather(*asked, return_exceptions=True)
                assert {type(answer) for answer in answers} == {Unavailable}
            assert len(backends(sql, "locked")) <= POOL_SIZE
        await database.rows("SELECT * FROM queues", {})


async def test_a_statement_whose_caller_hung_up_is_ended_by_the_server(database_url, sql, monkeypatch):
    monkeypatch.setattr(pool, "SILENCE_S", 0.3)
    async with opened(database_url, "hung-up") as database:
        with pytest.raises(Unavailable):
            await database.rows("SELECT pg_sleep(4.4), 1 AS hung_up", {})
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hung-up' AND query LIKE '%hung_up%'"
        end = time.monotonic() + 3.5  # the server looks every second; by itself the statement would take longer
        while sql.execute(left).fetchone() != (0,):
            assert time.monotonic() < end
            await asyncio.sleep(0.1)


async def test_every_session_speaks_utf8_and_its_own_options_win(database_url, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGOPTIONS", "-c TimeZone=Europe/Berlin -c work_mem=5MB")
    async with opened(database_url, "ambient") as database:
        statement = "SELECT current_setting(%(name)s) AS value"
        found = {
            name: (await database.rows(statement, {"name": name}))[0]["value"]
            for name in ("client_encoding", "TimeZone", "work_mem")
        }
    assert found == {"client_encoding": "UTF8", "TimeZone": "UTC", "work_mem": "5MB"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGDATESTYLE", "SQL, DMY"),
        ("PGTZ", "Asia/Kolkata"),
        ("PGTZ", "Nowhere/Else"),
        ("PGOPTIONS", "-c DateStyle=German"),
        ("PGOPTIONS", "-c IntervalStyle=sql_standard"),
        ("PGOPTIONS", "-c extra_float_digits=-15"),
        ("PGOPTIONS", "-c standard_conforming_strings=off"),
    ],
)
async def test_values_are_the_same_whatever_form_the_environment_asks_for(
    database_url, tmp_path, monkeypatch, variable, value
):
    """Issue 11, kind 11: times that cannot be read are a defect, and shortened floats are wrong ones."""
    monkeypatch.setenv(variable, value)
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path), "DATABASE_URL": database_url})
    statement = (
        r"SELECT now() - now() + '26 hours' AS span, 0.1::float8 + 0.2 AS sum, 'a\b' AS text, "
        "'2026-01-02T03:04:05Z'::timestamptz AS time"
    )
    with migrated_database(settings) as url:
        async with opened(url, "ambient") as database:
            (row,) = await database.rows(statement, {})
    expected = {
        "span": timedelta(hours=26),
        "sum": 0.1 + 0.2,
        "text": r"a\b",
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    assert row == expected
    assert row["time"].utcoffset() == timedelta(0)
    assert os.environ[variable] == value
