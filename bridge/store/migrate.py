"""Bring a database to the newest schema, once, however many processes start together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from bridge.process.settings import shipped
from bridge.store.address import masked, with_options
from bridge.store.refusals import database_answered
from bridge.store.statements import read_statements
from cerebros.errors import FailedPrecondition, Unavailable

SQL = Path(__file__).with_name("store.sql")

# Any number that no other program on the database uses.
MIGRATION_LOCK = 0x6365_7265_6272_6F73
LOCK_TIMEOUT_S = 60.0

OLDEST_SERVER = 16
OLDEST_VECTOR = (0, 5)  # the first with HNSW indexes

# A migration may take its time, and finds the extension's types; a role's own settings do not count.
SESSION = {"statement_timeout": "0", "search_path": "public"}

Sync = psycopg.Connection[DictRow]


def newest_revision() -> str:
    return max(path.name[:4] for path in shipped("sql").glob("[0-9]*.sql"))


def current_revision(url: str) -> str | None:
    """Return the schema's revision, or None for a database without one.

    Raises:
        CerebrosError: the database does not answer, or refuses.
    """
    with _connected(url) as connection:
        return _revision(connection)


def migrate(url: str) -> bool:
    """Migrate to the newest revision; return False when there was nothing to do.

    Raises:
        FailedPrecondition: the database cannot be used, or its schema is newer.
        Unavailable: it does not answer, or another process holds the migration lock for too long.
    """
    with _connected(url) as guard:
        if require_usable(guard) == newest_revision():
            return False
        _take_lock(guard)
        if _revision(guard) == newest_revision():
            return False
        guard.execute("CREATE SCHEMA IF NOT EXISTS cerebros")
        _upgrade(url)
    return True


def examine(url: str) -> str:
    """Return a usable database in a few words, nothing of it changed.

    Raises:
        CerebrosError: it cannot be used; the message says why.
    """
    with _connected(url) as connection:
        revision = require_usable(connection)
        server = _one(connection, "server")
    schema = "no schema yet" if revision is None else f"schema {revision}"
    newest = "" if revision == newest_revision() else f", to be migrated to {newest_revision()}"
    vector = server["vector"] or server["vector_offered"]
    return f"PostgreSQL {server['version'] // 10000}.{server['version'] % 10000}, pgvector {vector}, {schema}{newest}"


def require_usable(connection: Sync) -> str | None:
    """Return the revision of the schema of a database that this version can use; None where there is no schema.

    Raises:
        FailedPrecondition: it cannot use it.
    """
    server = _one(connection, "server")
    name, user = server["name"], server["user"]
    if server["version"] // 10000 < OLDEST_SERVER:
        raise FailedPrecondition(f"PostgreSQL {server['version'] // 10000} is too old; use {OLDEST_SERVER} or newer")
    if server["encoding"] != "UTF8":
        raise FailedPrecondition(
            f"database {name!r} has the encoding {server['encoding']}; "
            "create one with ENCODING 'UTF8' TEMPLATE template0"
        )
    if server["standby"] or server["read_only"]:
        why = "is a standby" if server["standby"] else "is read-only for this user"
        raise FailedPrecondition(f"database {name!r} {why}; name one that can be written in DATABASE_URL")
    _require_vector(server)
    revision = _revision(connection)
    if revision is not None and revision > newest_revision():
        raise FailedPrecondition(
            f"database {name!r} has schema {revision}, this version knows {newest_revision()} and older; "
            "upgrade cerebros-bridge, or name another database"
        )
    if revision != newest_revision() and not (server["may_create"] or server["has_schema"]):
        raise FailedPrecondition(
            f"user {user!r} may create nothing in database {name!r}; GRANT CREATE ON DATABASE to it for the migration"
        )
    if revision is not None and (tables := _one(connection, "refused_tables")["names"]):
        raise FailedPrecondition(f"user {user!r} may not read and write {tables}; GRANT it, or name the owner")
    return revision


def _require_vector(server: DictRow) -> None:
    version = server["vector"] or server["vector_offered"]
    if version is None:
        raise FailedPrecondition("the server has no pgvector; install its package (postgresql-NN-pgvector) there")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VECTOR:
        raise FailedPrecondition(f"pgvector {version} is too old; use {'.'.join(map(str, OLDEST_VECTOR))} or newer")
    if server["vector_schema"] not in (None, "public"):
        raise FailedPrecondition(
            f"pgvector is in schema {server['vector_schema']!r}; run ALTER EXTENSION vector SET SCHEMA public"
        )


def _revision(connection: Sync) -> str | None:
    if not _one(connection, "has_revisions")["found"]:
        return None
    row = connection.execute(read_statements(SQL)["revision"]).fetchone()
    return str(row["revision"]) if row else None


def _one(connection: Sync, statement: str) -> DictRow:
    row = connection.execute(read_statements(SQL)[statement]).fetchone()
    assert row is not None  # noqa: S101 - each of these statements has one row
    return row


@contextmanager
def _connected(url: str) -> Iterator[Sync]:
    try:
        with database_answered(url), _connect(url, autocommit=True, row_factory=dict_row) as connection:
            yield connection
    except psycopg.Error as problem:
        raise FailedPrecondition(f"the database refuses the schema: {masked(problem, url)}; mend it") from None


def _connect(url: str, **more: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(url, client_encoding="UTF8", connect_timeout=5, options=with_options(url, SESSION), **more)


def _take_lock(connection: Sync) -> None:
    # Polled: a session that blocks on an advisory lock holds a snapshot, and
    # CREATE INDEX CONCURRENTLY in a migration would wait for it for ever.
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while connection.execute("SELECT pg_try_advisory_lock(%s) AS taken", (MIGRATION_LOCK,)).fetchone() != {
        "taken": True
    }:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"another process has been migrating this database for {LOCK_TIMEOUT_S:.0f} s; wait or end it"
            )
        time.sleep(0.1)


def _upgrade(url: str) -> None:
    # Both take a third of a second to import and most starts have nothing to migrate.
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(shipped("sql")).replace("%", "%%"))  # ConfigParser's own sign
    # libpq reads the address, as everywhere else; SQLAlchemy would read some otherwise.
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: _connect(url))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as problem:
        raise problem.orig or problem from None
    finally:
        engine.dispose()
