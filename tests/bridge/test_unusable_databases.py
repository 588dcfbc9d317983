"""Databases that cannot be used, and addresses that cannot be read: refused at once, by type, without a secret.

Issue 11, kind 19.
"""

import os
import shutil
from urllib.parse import quote

import psycopg
import pytest

from bridge.cli.doctor import examine as findings_of
from bridge.process.settings import read_settings
from bridge.service import SETTINGS
from bridge.store import keeper
from bridge.store.address import check_address, masked
from bridge.store.database import Database
from bridge.store.keeper import published
from bridge.store.migrate import migrate, newest_revision
from cerebros.errors import FailedPrecondition, InvalidArgument

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}%@127.0.0.1:1/d",
        f"postgresql://u:{SECRET}%zz@127.0.0.1:1/d",
        f"postgresql://u:{SECRET}%00@127.0.0.1:1/d",
        f"postgresql://u:x/{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:5432/{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:x@{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:x?{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:1?{SECRET}@127.0.0.1:1/d",
        f"postgresql://u:{SECRET}@[::1/d",
        f"postgresql://u:{SECRET}@127.0.0.1:70000/d",
        f"postgresql://u:{SECRET}@127.0.0.1:x/d",
        f"postgresql://u:{SECRET}@127.0.0.1:1/d?nonsense={SECRET}",
        f"postgresql://u:{SECRET}@127.0.0.1:1/d?sslmode={SECRET}",
        f'"postgresql://u:{SECRET}@127.0.0.1:1/d"',
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_its_password_kept(bridge_command, url):
    done = bridge_command("gate", "check", DATABASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.split(":")[0] in ("INVALID_ARGUMENT", "UNAVAILABLE")
    assert SECRET not in done.stdout + done.stderr
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dsn_of_another_form_is_refused_and_its_password_kept(bridge_command):
    done = bridge_command("gate", "check", DATABASE_URL=f"host=127.0.0.1 password={SECRET}")
    assert done.returncode == 1
    assert done.stderr.startswith("INVALID_ARGUMENT: ")
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("postgresql://u@127.0.0.1:1/d\n", "ends with white space"),
        (" postgresql://u@127.0.0.1:1/d", "does not begin with postgresql://"),
        ("postgresql+asyncpg://u@127.0.0.1:1/d", "does not begin with postgresql://"),
        ("   ", "does not begin with postgresql://"),
    ],
)
def test_what_is_wrong_around_an_address_is_said_in_words(url, rule):
    with pytest.raises(InvalidArgument, match=f"{rule}; write it as .*; look at DATABASE_URL$"):
        check_address(url)


@pytest.mark.parametrize("password", ["a%b", "p@ss", "x", "a/b?c#d:e", "ü", "two  spaces"])
def test_no_message_about_a_database_has_its_password(password):
    url = f"postgresql://u:{quote(password, safe='')}@127.0.0.1:1/d"
    check_address(url)
    assert masked(f'FATAL: "{password}" was refused', url) == 'FATAL: "***" was refused'


@pytest.fixture
def others(database_url, sql):
    """Makes databases and roles beside the test's own, and drops them."""
    made = []

    def make(kind, name, rest=""):
        sql.execute(f"CREATE {kind} {name} {rest}")
        made.append((kind, name))

    def url_of(database, role=None):
        base, place = database_url.removeprefix("postgresql://").rsplit("@", 1)
        host = place.split("/")[0]
        return f"postgresql://{f'{role}:{SECRET}' if role else base}@{host}/{database}"

    yield make, url_of
    for kind, name in reversed(made):
        if kind == "ROLE":
            sql.execute(f"DROP OWNED BY {name}")
        sql.execute(f"DROP {kind} {name}" + (" WITH (FORCE)" if kind == "DATABASE" else ""))


LOGIN = f"LOGIN PASSWORD '{SECRET}'"


def refused(url, account):
    """The refusal of a database, in which `migrate` and the doctor must agree."""
    with pytest.raises(FailedPrecondition, match=account) as told:
        migrate(url)
    assert SECRET not in told.value.message
    settings = read_settings(SETTINGS, os.environ | {"CEREBROS_HOME": "/nowhere/at/all", "DATABASE_URL": url})
    (finding,) = (f for f in findings_of(lambda: settings) if f.subject == "database")
    assert (finding.well, finding.account) == (False, told.value.message)


def test_a_database_of_another_encoding_is_refused(others):
    make, url_of = others
    make("DATABASE", "latin", "ENCODING 'LATIN1' TEMPLATE template0")
    refused(url_of("latin"), "LATIN1; create one with ENCODING 'UTF8'")


def test_a_user_who_may_create_nothing_is_refused(others):
    make, url_of = others
    make("DATABASE", "fresh")
    make("ROLE", "poor", LOGIN)
    refused(url_of("fresh", "poor"), "'poor' may create nothing in database 'fresh'; GRANT CREATE")


def test_a_user_who_may_not_create_the_extension_is_refused(others):
    make, url_of = others
    make("ROLE", "owner_of_one", LOGIN)
    make("DATABASE", "owned", "OWNER owner_of_one")
    with pytest.raises(FailedPrecondition, match="lacks a right"):
        migrate(url_of("owned", "owner_of_one"))


def test_a_user_who_may_not_write_is_refused(others, sql):
    make, url_of = others
    make("ROLE", "reader", LOGIN)
    refused(url_of("postgres", "reader"), "lacks a right: permission denied for schema cerebros")
    sql.execute("GRANT USAGE ON SCHEMA cerebros TO reader")
    sql.execute("GRANT SELECT ON ALL TABLES IN SCHEMA cerebros TO reader")
    refused(url_of("postgres", "reader"), "'reader' may not read and write artifacts, checkpoints, events")


def test_a_read_only_user_is_refused(others, sql):
    make, url_of = others
    make("ROLE", "quiet", LOGIN)
    sql.execute("ALTER ROLE quiet SET default_transaction_read_only = on")
    refused(url_of("postgres", "quiet"), "is read-only for this user; name one that can be written")


def test_a_newer_schema_is_refused(others):
    make, url_of = others
    make("DATABASE", "newer")
    migrate(url_of("newer"))
    with psycopg.connect(url_of("newer"), autocommit=True) as connection:
        connection.execute("UPDATE cerebros.schema_version SET version_num = '9999'")
    refused(url_of("newer"), f"has schema 9999, this version knows {newest_revision()} and older; upgrade")


def test_an_extension_in_another_schema_is_refused(others):
    make, url_of = others
    make("DATABASE", "elsewhere")
    with psycopg.connect(url_of("elsewhere"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA extensions")
        connection.execute("CREATE EXTENSION vector WITH SCHEMA extensions")
    refused(url_of("elsewhere"), "pgvector is in schema 'extensions'; run ALTER EXTENSION")


async def test_a_call_without_the_right_or_the_schema_is_typed(others, sql):
    make, url_of = others
    make("ROLE", "stranger", LOGIN)
    make("DATABASE", "empty")
    for url, account in (
        (url_of("postgres", "stranger"), "lacks a right"),
        (url_of("empty"), "has not the schema of this version"),
    ):
        database = Database(url)
        await database.open()
        try:
            with pytest.raises(FailedPrecondition, match=account):
                await database.rows("SELECT ticks FROM cerebros.service_clock", {})
        finally:
            await database.close()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Starts a server of the wheel's programs, changed before; its address."""
    running = []

    def start(change):
        change(tmp_path)
        running.append(keeper._start(tmp_path))
        return published(tmp_path)

    yield start
    for process in running:
        keeper._stop(process)


def test_a_server_without_pgvector_is_refused(server, monkeypatch):
    def without_pgvector(home):
        package = keeper.binaries().parents[1]
        programs = home / package.name / "pginstall"
        shutil.copytree(package / "pginstall", programs, symlinks=True)
        (home / f"{package.name}.libs").symlink_to(f"{package}.libs")  # found from where the programs are
        for file in programs.rglob("vector*.control"):
            file.unlink()
        monkeypatch.setattr(keeper, "binaries", lambda: programs / "bin")

    refused(server(without_pgvector), "the server has no pgvector; install its package")


def test_a_standby_is_refused(server):
    def stands_by(home):
        keeper._initialise(home, home / "postgres")
        (home / "postgres" / "standby.signal").touch()

    refused(server(stands_by), "database 'postgres' is a standby; name one that can be written")
