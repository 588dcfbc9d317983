"""The database itself: its launcher, its schema, its indexes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.runs import rows
from bridge.store.database import Database
from bridge.store.embedded import embedded_postgres
from bridge.store.keeper import binaries
from bridge.store.migrate import current_revision, migrate, newest_revision
from bridge.store.statements import Statements, read_statements
from cerebros.errors import InvalidArgument, Unavailable
from tests.calling import call

SCHEMA = Path(__file__).parents[2] / "priv/sql/schema.sql"
BRIDGE = Path(rows.__file__).parents[1]


def dumped(url: str) -> str:
    """The schema as pg_dump tells it, without what differs from server to server."""
    pg_dump = binaries() / "pg_dump"
    command = [str(pg_dump), "--schema-only", "--no-owner", "--schema=cerebros", "--dbname", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = [line for line in text.splitlines() if line and not line.startswith(("--", "SET ", "SELECT ", "\\"))]
    return "\n".join(kept) + "\n"


def test_the_migrations_yield_the_schema_on_file(database_url):
    assert dumped(database_url) == SCHEMA.read_text()


def test_migrating_twice_changes_nothing(database_url):
    assert current_revision(database_url) == newest_revision()
    assert migrate(database_url) is False


async def test_times_are_utc_wherever_the_server_is(database_url, bridge, start, sql):
    run = await call(bridge, "start_run", start())
    sql.execute("ALTER DATABASE postgres SET timezone = 'Europe/Berlin'")
    database = Database(database_url)
    await database.open()
    try:
        sql_of_runs = Statements(database, rows.SQL)
        row = await sql_of_runs.row("run_rows", run_id=run.run_id, pac_id=None, kind=None, state=None, limit=1)
    finally:
        await database.close()
        sql.execute("ALTER DATABASE postgres RESET timezone")
    assert row["created_at"].utcoffset() == timedelta(0)
    await call(bridge, "cancel_run", {"run_id": run.run_id})


@pytest.mark.parametrize(
    ("table", "method"), [("vcv_entries", "hnsw"), ("memory_nodes", "ivfflat")], ids=["capabilities", "memories"]
)
def test_vectors_have_their_index(sql, table, method):
    methods = sql.execute(
        "SELECT am.amname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam "
        "WHERE i.indrelid = %s::regclass",
        (table,),
    ).fetchall()
    assert (method,) in methods


@pytest.mark.parametrize("file", sorted(BRIDGE.rglob("*.sql")), ids=lambda file: file.stem)
def test_every_statement_is_named_and_described(file):
    text = file.read_text()
    names = [line.removeprefix("-- name: ") for line in text.splitlines() if line.startswith("-- name: ")]
    assert names
    assert names == list(read_statements(file))
    for name in names:
        assert f"-- name: {name}\n-- " in text, f"{name} lacks its description"


def gone_within(url: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return True
        time.sleep(0.05)
    return False


def test_a_database_survives_the_kill_of_its_only_user(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from bridge.store.embedded import embedded_postgres\n"
        f"with embedded_postgres(Path({str(tmp_path)!r})) as url:\n"
        "    import psycopg; c = psycopg.connect(url, autocommit=True)\n"
        "    c.execute('CREATE TABLE kept AS SELECT 42 AS answer'); print(url, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    url = owner.stdout.readline().strip()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert gone_within(url, 5.0)
    with embedded_postgres(tmp_path) as again, psycopg.connect(again) as connection:
        assert again == url
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_two_users_of_one_home_share_the_server(tmp_path):
    with embedded_postgres(tmp_path) as first, embedded_postgres(tmp_path) as second:
        assert first == second


def test_the_server_outlives_the_user_that_started_it_but_not_the_last_one(tmp_path):
    with ExitStack() as first:
        url = first.enter_context(embedded_postgres(tmp_path))
        with embedded_postgres(tmp_path) as same:
            first.close()
            assert not gone_within(url, 1.0)
            assert same == url
    assert gone_within(url, 5.0)


def test_a_killed_server_comes_back_at_the_same_address(tmp_path):
    with embedded_postgres(tmp_path) as url:
        pid = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        assert gone_within(url, 5.0)
        with embedded_postgres(tmp_path) as again, psycopg.connect(again) as connection:
            assert again == url
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_address_without_a_server_is_unavailable():
    with pytest.raises(Unavailable, match="check DATABASE_URL"):
        migrate("postgresql://nobody@127.0.0.1:1/none")


async def test_text_the_database_cannot_hold_is_an_invalid_argument(bridge, start):
    with pytest.raises(InvalidArgument, match="has a NUL"):
        await call(bridge, "start_run", start(task="a\0b"))
    with pytest.raises(InvalidArgument, match="change it"):  # the second wall
        await bridge.deps.database.rows("SELECT %(text)s::text", {"text": "a\0b"})


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.integers(), st.text(max_size=8))))
async def test_no_map_of_anything_passes_for_a_run(bridge, raw):
    with pytest.raises(InvalidArgument):
        await call(bridge, "start_run", raw)


async def test_trials_are_read_page_by_page(bridge, ended_with):
    run_id = await ended_with(1001)

    first = (await call(bridge, "list_trials", {"run_id": run_id})).trials
    second = (await call(bridge, "list_trials", {"run_id": run_id, "after": first[-1].number})).trials

    assert [trial.number for trial in first] == list(range(1000))
    assert [trial.number for trial in second] == [1000]
    assert [*first, *second] == await bridge.deps.trials.trials_of(run_id)  # what an export reads


@pytest.mark.parametrize(("field", "value"), [("after", -2), ("limit", 0), ("limit", 1001)])
async def test_a_page_outside_its_rules_is_refused(bridge, field, value):
    with pytest.raises(InvalidArgument, match=rf"\$\.{field}"):
        await call(bridge, "list_trials", {"run_id": "any", field: value})
