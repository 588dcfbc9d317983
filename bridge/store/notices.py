"""Wakes watchers and idle workers: one LISTEN connection per process, shared by all of them.

A topic is the id of a run that has new events, or `queue/<name>` where a run
waits or room has come; ids hold no slash.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

import psycopg

CHANNEL = "cerebros_events"

# A lost notice costs a watcher at most this long; it then looks for itself.
PATIENCE_S = 2.0
RECONNECT_PAUSE_S = 0.5


class Notices:
    """Tells those who wait for a topic that something is new."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def listen(self) -> None:
        """Forward notices until cancelled; a lost connection is opened again."""
        while True:
            with suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for notice in connection.notifies():
                        for event in self._waiting.get(notice.payload, ()):
                            event.set()
            await asyncio.sleep(RECONNECT_PAUSE_S)

    def subscribe(self, topic: str) -> asyncio.Event:
        """An event that is set whenever the topic has something new; take it before reading."""
        woken = asyncio.Event()
        self._waiting[topic].add(woken)
        return woken

    def unsubscribe(self, topic: str, woken: asyncio.Event) -> None:
        self._waiting[topic].discard(woken)
        if not self._waiting[topic]:
            del self._waiting[topic]


async def until_woken(woken: asyncio.Event) -> None:
    """Return when `woken` is set, or after a while in any case."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await woken.wait()
    woken.clear()
