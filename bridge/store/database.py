"""Connections to PostgreSQL: a pool that is shared fairly, and given no connection that is lost."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from bridge.store import documents
from bridge.store.address import with_options
from bridge.store.refusals import database_answered
from bridge.store.turns import Turns
from cerebros.errors import Unavailable

Connection = psycopg.AsyncConnection[DictRow]

# A caller whose turn it is waits no longer than this for a connection: the database cannot be reached.
POOL_TIMEOUT_S = 5.0
POOL_SIZE = 8

# One request, however much it asks for, leaves half of the connections to others.
SHARE = POOL_SIZE // 2

# So many callers may wait for their turn; one more is told at once to come again.
WAITING_AT_MOST = 500

# Every statement is ended by the server within `SILENCE_S`, so turns come while anything moves.
PATIENCE_S = 30.0

# A backend that says nothing for so long is taken for dead, however alive its socket looks. Counted in so
# many turns of the event loop: one that stalled has itself not listened, which is no silence of the server's.
SILENCE_S = 5.0
LOOKS = 5

# Every session's settings.
SESSION = {
    "search_path": "cerebros,public",
    "hnsw.iterative_scan": "strict_order",
    "jit": "off",
    # A statement that waits for a lock is ended by the server before we hang up, and its connection stays good.
    "statement_timeout": f"{SILENCE_S * 900:.0f}ms",
    # The server notices within a second that we hung up, and ends a statement that nobody waits for.
    "client_connection_check_interval": "1s",
    # A process that froze in a transaction keeps its locks no longer than this.
    "idle_in_transaction_session_timeout": "60s",
}

set_json_loads(msgspec.json.decode)
set_json_dumps(documents.encoded)


def jsonb(value: object) -> Jsonb | None:
    """Return a parameter for a jsonb column, from any struct; None stays NULL."""
    return None if value is None else Jsonb(value)


class Database:
    """A pool of connections to one PostgreSQL.

    Args:
        url: its address.
        present_address: gives the address anew for each connection; for a server that may move.
    """

    def __init__(self, url: str, present_address: Callable[[], str] | None = None) -> None:
        self._url = url
        self._address = present_address or (lambda: url)
        self._turns = Turns(places=POOL_SIZE, share=SHARE, waiting_at_most=WAITING_AT_MOST, patience_s=PATIENCE_S)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._address,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=POOL_TIMEOUT_S,
            reconnect_timeout=POOL_TIMEOUT_S,  # else it backs off for minutes after the database is there again
            open=False,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 1,
                "row_factory": dict_row,
                "client_encoding": "UTF8",
                "options": with_options(url, SESSION),
                "connect_timeout": 5,
            },
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def connect(self) -> Connection:
        """Return a connection of the caller's own, beside the pool."""
        return await Connection.connect(self._address(), autocommit=True, client_encoding="UTF8", connect_timeout=5)

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
        asker = await self._turns.take()
        try:
            with database_answered(self._url):
                connection = await self._good_connection()
                try:
                    yield connection
                finally:
                    await self._pool.putconn(connection)
        finally:
            self._turns.give(asker)

    async def _good_connection(self) -> Connection:
        """Return a pooled connection whose server is there; those that lost it are thrown away."""
        try:
            while not _lives(connection := await self._pool.getconn()):
                await self._pool.putconn(connection)
        except PoolTimeout:
            gone = Unavailable(f"no database connection within {POOL_TIMEOUT_S:.0f} s; retry later")
            self._turns.refuse_all(gone)  # else each would wait as long again when its turn comes
            raise gone from None
        return connection


def _lives(connection: Connection) -> bool:
    """Return True for an idle connection that is good; one whose server ended it has something to read, and is closed.

    A system call, where asking the server would cost every statement a second round trip.
    """
    if not connection.closed:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            connection.pgconn.finish()
    return not connection.closed


@contextmanager
def _hanging_up(connection: Connection) -> Iterator[None]:
    """Close the connection's socket when the server takes too long; its user then sees a lost connection."""
    loop, looks = asyncio.get_running_loop(), 0
    watch: asyncio.TimerHandle

    def look_again() -> None:
        nonlocal watch
        watch = loop.call_later(SILENCE_S / LOOKS, look)

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks < LOOKS:
            look_again()
            return
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    look_again()
    try:
        yield
    finally:
        watch.cancel()
        if looks == LOOKS:  # also where the answer came with the last look: nobody may be lent a shut socket
            connection.pgconn.finish()
