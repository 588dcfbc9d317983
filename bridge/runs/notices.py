"""Wakes watchers and idle workers: one LISTEN connection per process, shared by all of them.

A topic is the id of a run that has new events, or `queue/<name>` for a queue
in which a run waits or may start; ids hold no slash.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psycopg

from bridge.store.database import Database
from bridge.store.statements import Statements
from cerebros.errors import ResourceExhausted, Unavailable

SQL = Path(__file__).with_name("runs.sql")

CHANNEL = "cerebros_news"

# A lost notice costs a watcher at most this long; it then looks for itself.
PATIENCE_S = 2.0
RECONNECT_PAUSE_S = 0.5

# News of so long is sent in one statement: a NOTIFY in every transaction would make commits wait for each other.
GATHERED_S = 0.01


class Notices:
    """Subscribers of topics, woken when their topic has news."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Statements(database, SQL)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._news: set[str] = set()
        self._fresh = asyncio.Event()

    async def listen(self) -> None:
        """Forward notices until cancelled; a lost connection is opened again."""
        while True:
            with suppress(psycopg.OperationalError):
                async with await self._database.connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for notice in connection.notifies():
                        self._wake(notice.payload)
            await asyncio.sleep(RECONNECT_PAUSE_S)

    def announce(self, topic: str) -> None:
        """Announce committed news of a topic: to this process at once, to the others soon."""
        self._wake(topic)
        self._news.add(topic)
        self._fresh.set()

    async def send(self) -> None:
        """Send announced news to the other processes, until cancelled; lost news only delays them."""
        while True:
            await self._fresh.wait()
            await self.flush()
            await asyncio.sleep(GATHERED_S)

    async def flush(self) -> None:
        topics, self._news = sorted(self._news), set()
        self._fresh.clear()
        if topics:
            with suppress(Unavailable, ResourceExhausted):
                await self._sql.rows("notify", topics=topics)

    def _wake(self, topic: str) -> None:
        for event in self._waiting.get(topic, ()):
            event.set()

    def subscribe(self, topic: str) -> asyncio.Event:
        """Return an event that is set whenever the topic has news; subscribe before reading."""
        woken = asyncio.Event()
        self._waiting[topic].add(woken)
        return woken

    def unsubscribe(self, topic: str, woken: asyncio.Event) -> None:
        self._waiting[topic].discard(woken)
        if not self._waiting[topic]:
            del self._waiting[topic]


def queue_topic(queue: str) -> str:
    return f"queue/{queue}"


async def until_woken(woken: asyncio.Event) -> None:
    """Return when `woken` is set, or after a fixed time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await woken.wait()
    woken.clear()
