"""The claim path under 10 to 10,000 workers: claims a second, waiting, and how often a claim came back empty.

The workers are simulated in one process: each claims a run, works for a
drawn time, ends it, and looks again. They share the connections of a pooler,
as 10,000 real workers would have to, so what is measured is the database's
side: one statement to claim, one to end, and the polls of those that find
nothing. The limit is the rate of one worker alone in the same run.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time

import msgspec
import psycopg
from bench_store import enqueue
from psycopg_pool import AsyncConnectionPool

from bridge.api.bridge import Bridge
from bridge.process.settings import read_settings
from bridge.runs.engine import Engine
from bridge.service import SETTINGS, migrated_database, open_bridge
from telemetry.events import run_stop
from telemetry.logs import configure_logging
from tests.calling import KINDS

WORKERS = (1, 10, 100, 1000, 10_000)
RUNS = 600

# Connections of the pooler in front of the database.
CONNECTIONS = 16

# A worker that found nothing looks again after this, unless it is woken; the shipped one waits 2 s.
POLL_S = 2.0


class Tally(msgspec.Struct):
    """What the workers saw: seconds of each claim, and how many claims found nothing while runs waited."""

    claim_s: list[float] = msgspec.field(default_factory=list)
    empty: int = 0
    ended: int = 0


async def main(url: str, home: str) -> None:
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": home, "DATABASE_URL": url})
    rates: dict[int, float] = {}
    async with open_bridge(settings, url) as bridge, _pooler(bridge, url):
        print(f"{RUNS} runs, {CONNECTIONS} connections")
        print("workers   claims+ends/s   claim p50 ms   p99 ms   empty claims a run")
        for workers in WORKERS:
            await enqueue(bridge, f"w{workers}", RUNS)
            tally, seconds = Tally(), time.perf_counter()
            await asyncio.gather(*(_worker(bridge.deps.engine, number, tally) for number in range(workers)))
            rates[workers] = RUNS / (time.perf_counter() - seconds)
            ordered = sorted(tally.claim_s)
            p50, p99 = (1000 * ordered[int(q * (len(ordered) - 1))] for q in (0.5, 0.99))
            print(f"{workers:7d}   {rates[workers]:13.0f}   {p50:12.1f}   {p99:6.0f}   {tally.empty / RUNS:18.2f}")
    ratios = {f"rate_of_{workers}_vs_1": round(rates[workers] / rates[1], 2) for workers in WORKERS[1:]}
    print(json.dumps({"bench": "claims", "ratios": ratios}))


def _pooler(bridge: Bridge, url: str) -> AsyncConnectionPool[psycopg.AsyncConnection]:
    """Give the engine as many connections as a pooler would have, and patience to wait for one."""
    database = bridge.deps.engine._database
    database._pool = AsyncConnectionPool(
        url,
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        timeout=600.0,
        open=False,
        kwargs=database._pool.kwargs,
    )
    return database._pool


async def _worker(engine: Engine, number: int, tally: Tally) -> None:
    dice = random.Random(number)
    await asyncio.sleep(dice.random() * 0.1)
    while tally.ended < RUNS:
        started = time.perf_counter()
        claim = await engine.claim(f"w{number}", "cpu", 600.0, KINDS)
        tally.claim_s.append(time.perf_counter() - started)
        if claim is None:
            tally.empty += 1
            if tally.ended < RUNS:
                await asyncio.sleep(POLL_S * dice.uniform(0.5, 1.0) * 0.1)
            continue
        event = run_stop(claim.run_id, claim.kind, claim.pac_id, "succeeded")
        await engine.end(claim, "succeeded", None, None, event)
        tally.ended += 1


if __name__ == "__main__":
    configure_logging("critical")
    with (
        tempfile.TemporaryDirectory() as place,
        migrated_database(read_settings(SETTINGS, {"CEREBROS_HOME": place})) as address,
    ):
        asyncio.run(main(address, place))
