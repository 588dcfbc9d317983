"""The embedded database's keeper: killed, in the wrong environment, and what is told of a start that failed.

Issue 11, kinds 7, 10, 11 and 18.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from bridge.store.database import Database
from bridge.store.embedded import embedded_postgres, present_address
from bridge.store.keeper import cause_in, environment_of_server, problem_at, published
from cerebros.errors import Unavailable

# Each breaks a connection that is left to libpq's defaults, or changes what it means.
AMBIENT = {
    "PGSSLMODE": "require",
    "PGSERVICE": "elsewhere",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGHOSTADDR": "192.0.2.1",
    "PGPASSFILE": "/nowhere",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "md5",
    "PGGSSENCMODE": "require",
    "PGDATA": "/nowhere",
    "PGTZ": "Nowhere/Else",
    "PGDATESTYLE": "nonsense",
    "PGCONNECT_TIMEOUT": "nonsense",
    "LC_ALL": "xx_YY.ISO-8859-1",
    "TZ": "Nowhere/Else",
}


def keepers(home):
    """The keeper processes of a home, one at most unless something is wrong."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-2:] == ["bridge.store.keeper", str(home)]
    ]


def until(condition, within_s=60.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def kept_by_another(home, pid):
    return any(process.pid != pid for process in keepers(home)) and problem_at(published(home)) is None


@contextmanager
def held(port):
    """A port in the hands of a program that is no PostgreSQL."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def bound():
            with suppress(OSError):
                holder.bind(("127.0.0.1", port))
                return True
            return False

        until(bound)
        holder.listen()
        yield


def test_a_killed_keeper_is_replaced_and_the_server_is_where_it_was(tmp_path):
    with embedded_postgres(tmp_path) as url:
        (keeper,) = keepers(tmp_path)
        keeper.kill()
        until(lambda: kept_by_another(tmp_path, keeper.pid))
        assert published(tmp_path) == url
        psycopg.connect(url).close()
    until(lambda: not keepers(tmp_path))


async def test_a_pool_follows_a_server_whose_port_was_taken_meanwhile(tmp_path):
    with embedded_postgres(tmp_path) as url:
        port = conninfo_to_dict(url)["port"]
        database = Database(url, lambda: present_address(tmp_path, url))
        await database.open()
        try:
            await database.rows("SELECT 1", {})
            (keeper,) = keepers(tmp_path)
            keeper.suspend()  # until the port is taken it shall not see that its server is gone
            os.kill(int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            with held(int(port)):
                keeper.kill()
                await asyncio.to_thread(until, lambda: kept_by_another(tmp_path, keeper.pid))
                assert conninfo_to_dict(published(tmp_path))["port"] != port
                async with asyncio.timeout(30):
                    while True:
                        with suppress(Unavailable):
                            assert len(await database.rows("SELECT 1", {})) == 1
                            break
        finally:
            await database.close()


def test_the_embedded_database_does_not_heed_the_environment(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from bridge.store.embedded import embedded_postgres\n"
        "from bridge.store.migrate import migrate, examine\n"
        "before = dict(os.environ)\n"
        f"with embedded_postgres(Path({str(tmp_path)!r})) as url:\n"
        "    assert migrate(url); print(examine(url))\n"
        "assert dict(os.environ) == before"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | AMBIENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PostgreSQL ")


def test_a_database_of_ones_own_heeds_the_environment_and_says_what_is_wrong(bridge_command):
    done = bridge_command("gate", "check", PGSSLMODE="require")
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "UNAVAILABLE")
    assert "SSL" in done.stderr


def test_the_server_has_none_of_the_environment_that_would_change_it():
    assert environment_of_server({**AMBIENT, "PATH": "/bin"}) == {"PATH": "/bin", "LC_ALL": "C", "TZ": "UTC"}


def test_what_a_killed_keeper_had_begun_is_swept(tmp_path):
    (tmp_path / "initdb-dead").mkdir()
    (tmp_path / "initdb-dead" / "PG_VERSION").write_text("18\n")
    with embedded_postgres(tmp_path):
        assert not list(tmp_path.glob("initdb-*"))


def test_the_fatal_line_is_the_cause_and_not_the_last():
    log = (
        "2026-12-01 LOG:  starting PostgreSQL 18.3\n"
        '2026-12-01 FATAL:  data directory "/h/postgres" has invalid permissions\n'
        "2026-12-01 DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).\n"
        "2026-12-01 LOG:  database system is shut down\n"
    )
    cause = cause_in(log, 1)
    assert 'FATAL:  data directory "/h/postgres" has invalid permissions' in cause
    assert cause.endswith("DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).")
    assert "shut down" not in cause
    assert cause_in("initdb: error: could not create directory\ninitdb: removing contents", 1) == (
        "initdb: error: could not create directory"
    )
    assert cause_in("  \n", 1) == "ended with status 1, and left no message"
    assert cause_in("", -signal.SIGXFSZ) == "ended by a signal (File size limit exceeded), and left no message"


def test_a_server_that_cannot_start_says_why_and_not_how_it_ended_before(tmp_path):
    with embedded_postgres(tmp_path):
        pass
    until(lambda: not keepers(tmp_path))
    with (tmp_path / "postgres.log").open("a") as log:
        log.write("FATAL:  of another day\n")
    (tmp_path / "postgres" / "PG_VERSION").write_text("9.6\n")
    with (
        pytest.raises(Unavailable, match=r"FATAL: .*incompatible with server.*9\.6"),
        embedded_postgres(tmp_path),
    ):
        pass
