"""Bring a database to the newest schema, once, however many processes start together."""

from __future__ import annotations

import re
import time

import psycopg

from bridge.process.settings import shipped
from cerebros.errors import Unavailable

# Any number that no other program on the database uses.
MIGRATION_LOCK = 0x6365_7265_6272_6F73
LOCK_TIMEOUT_S = 60.0


def newest_revision() -> str:
    return max(path.name[:4] for path in shipped("sql").glob("[0-9]*.sql"))


def current_revision(url: str) -> str | None:
    """Return the schema's revision, or None for a database without one."""
    with _connection(url) as connection:
        if connection.execute("SELECT to_regclass('cerebros.schema_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM cerebros.schema_version").fetchone()
        return str(row[0]) if row else None


def migrate(url: str) -> bool:
    """Migrate to the newest revision; return False when there was nothing to do.

    Raises:
        Unavailable: another process holds the migration lock for too long.
    """
    if current_revision(url) == newest_revision():
        return False
    with _connection(url) as guard:
        _take_lock(guard)
        if current_revision(url) == newest_revision():
            return False
        guard.execute("CREATE SCHEMA IF NOT EXISTS cerebros")
        _upgrade(url)
    return True


def _connection(url: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as problem:
        raise Unavailable(f"the database does not answer: {problem}; check DATABASE_URL") from None


def _take_lock(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    # Polled: a session that blocks on an advisory lock holds a snapshot, and
    # CREATE INDEX CONCURRENTLY in a migration would wait for it for ever.
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (MIGRATION_LOCK,)).fetchone() != (True,):
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
    config.set_main_option("script_location", str(shipped("sql")))
    engine = sqlalchemy.create_engine(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
