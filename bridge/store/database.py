"""Connections to PostgreSQL, and the translation of its errors into ours."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from bridge.store import documents
from cerebros.errors import InvalidArgument, ResourceExhausted, Unavailable

Connection = psycopg.AsyncConnection[DictRow]

# A caller waits no longer than this for a free connection before it is told that the database is unavailable.
POOL_TIMEOUT_S = 5.0
POOL_SIZE = 8

# So many callers may wait for a connection; one more is told at once to come again.
WAITING_AT_MOST = 500

# A backend that says nothing for so long is taken for dead, however alive its socket looks.
SILENCE_S = 5.0

# Every session's settings. Times come as UTC whatever the server's zone is.
SESSION = {
    "search_path": "cerebros,public",
    "hnsw.iterative_scan": "strict_order",
    "jit": "off",
    "TimeZone": "UTC",
}

set_json_loads(msgspec.json.decode)
set_json_dumps(documents.encoded)


def jsonb(value: object) -> Jsonb | None:
    """Return a parameter for a jsonb column, from any struct; None stays NULL."""
    return None if value is None else Jsonb(value)


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=POOL_TIMEOUT_S,
            reconnect_timeout=POOL_TIMEOUT_S,  # else it backs off for minutes after the database is there again
            max_waiting=WAITING_AT_MOST,
            open=False,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 1,
                "row_factory": dict_row,
                "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
                "connect_timeout": 5,
            },
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def rows(self, statement: LiteralString, parameters: Mapping[str, Any]) -> list[DictRow]:
        """Run one statement by itself and return its rows."""
        async with self._connection() as connection:
            return await self.rows_on(connection, statement, parameters)

    async def rows_on(
        self, connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]
    ) -> list[DictRow]:
        """Run one statement within a transaction of the caller's."""
        with _hanging_up(connection):
            cursor = await connection.execute(statement, parameters)
            # `cursor.description` would say the same, and build an object a column to say it.
            return await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction: all of it is committed at the end, or none."""
        async with self._connection() as connection:
            block = connection.transaction()
            with _hanging_up(connection):
                await block.__aenter__()
            try:
                yield connection
            except BaseException:
                with _hanging_up(connection):
                    await block.__aexit__(*sys.exc_info())
                raise
            with _hanging_up(connection):
                await block.__aexit__(None, None, None)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            connection = await self._pool.getconn()
            try:
                yield connection
            finally:
                await self._pool.putconn(connection)
        except TooManyRequests:
            raise ResourceExhausted(f"{WAITING_AT_MOST} calls wait for the database already; retry later") from None
        except PoolTimeout:
            raise Unavailable(f"no database connection within {POOL_TIMEOUT_S:.0f} s; retry later") from None
        except (errors.DiskFull, errors.OutOfMemory, errors.TooManyConnections) as problem:
            raise ResourceExhausted(f"the database is out of resources: {problem}; free some and retry") from None
        except psycopg.DataError as problem:
            raise InvalidArgument(f"the database cannot hold a value of the request: {problem}; change it") from None
        # InternalError is a server that cannot, such as a standby that takes no writes.
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as problem:
            raise Unavailable(f"the database does not answer: {problem}; retry later") from None


@contextmanager
def _hanging_up(connection: Connection) -> Iterator[None]:
    """Close the connection's socket when the server takes too long; its user then sees a lost connection."""

    def hang_up() -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    watch = asyncio.get_running_loop().call_later(SILENCE_S, hang_up)
    try:
        yield
    finally:
        watch.cancel()
