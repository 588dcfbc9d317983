"""What durability costs: effects, claims and ends of runs against bare committed transactions, and against DBOS.

The peers of each figure are measured in the same run, on the same server: as
many bare transactions over the same driver and settings (BEGIN, one INSERT,
COMMIT), the same inserts committed by themselves without BEGIN, which is the
least a durable write can cost, and for whole runs the same number of empty
workflows through a DBOS queue.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import psycopg

from bridge.api.bridge import Bridge
from bridge.contract.nas import Nas
from bridge.contract.runs import Trial
from bridge.datasets.files import Reach
from bridge.datasets.manifests import read_dataset
from bridge.nas.goals import goals_named
from bridge.nas.payload import SearchPayload
from bridge.process.settings import read_settings
from bridge.runs.engine import Order
from bridge.service import SETTINGS, migrated_database, open_bridge
from cerebros.space.rose_tree import Tree
from telemetry.events import RunQueued, run_stop, trial_stop
from telemetry.logs import configure_logging
from tests.calling import KINDS

MANIFEST = Path(__file__).parent.parent / "examples" / "digits.toml"
EFFECTS = 2000
RUNS = 500
WORKFLOWS = 200

# Sessions at the same time; the ratio is told for each.
SESSIONS = (1, 4)


async def main(url: str, home: str) -> None:
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": home, "DATABASE_URL": url})
    ratios: dict[str, float] = {}
    async with open_bridge(settings, url) as bridge:
        for sessions in SESSIONS:
            bare = await bare_transactions(url, 2 * RUNS, sessions, begin=True)
            least = await bare_transactions(url, 2 * RUNS, sessions, begin=False)
            effects = await effects_of_a_claim(bridge, sessions)
            claims = await claims_and_ends(bridge, sessions)
            print(f"{sessions} session(s), transactions a second:")
            print(f"  bare: BEGIN, INSERT, COMMIT           {bare:7.0f}")
            print(f"  bare: INSERT alone                    {least:7.0f}")
            for name, what, ours in (
                ("effect", "effect: fence, event, trial       ", effects),
                ("claim_and_complete", "claim a run, end it with its event", claims),
            ):
                print(f"  {what}    {ours:7.0f}   {ours / bare:.2f} and {ours / least:.2f} of bare")
                ratios[f"{name}_vs_bare_transaction_{sessions}"] = round(ours / bare, 3)
                ratios[f"{name}_vs_bare_insert_{sessions}"] = round(ours / least, 3)
        ours = await whole_runs(bridge)
    dbos = await asyncio.to_thread(dbos_workflows, url)
    print(f"whole runs a second, queued, claimed, ended: ours {ours:.0f}, empty DBOS workflows {dbos:.0f}")
    ratios["whole_run_vs_dbos"] = round(ours / dbos, 2)
    print(json.dumps({"bench": "store", "ratios": ratios}))


async def rate(work: Callable[[], Awaitable[None]], times: int, sessions: int) -> float:
    """How often a second `work` is done by so many at once."""
    left = itertools.count()

    async def session() -> None:
        while next(left) < times:
            await work()

    started = time.perf_counter()
    await asyncio.gather(*(session() for _ in range(sessions)))
    return times / (time.perf_counter() - started)


async def bare_transactions(url: str, times: int, sessions: int, *, begin: bool) -> float:
    """Committed inserts of trial rows, each session on a connection of its own, with or without a BEGIN."""
    statement = "INSERT INTO bare (run_id, number, outcome, tree, tree_hash, reason) VALUES (%s, %s, %s, %s, %s, %s)"
    connections = [
        await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=1) for _ in range(sessions)
    ]
    await connections[0].execute("DROP TABLE IF EXISTS bare")
    await connections[0].execute("CREATE TABLE bare (LIKE cerebros.trials INCLUDING DEFAULTS INCLUDING INDEXES)")
    numbers, free = itertools.count(), list(connections)

    async def insert() -> None:
        connection = free.pop()
        async with connection.transaction() if begin else nullcontext():
            await connection.execute(statement, ("bench", next(numbers), "error", "{}", "0" * 16, "bench"))
        free.append(connection)

    result = await rate(insert, times, sessions)
    for connection in connections:
        await connection.close()
    return result


async def effects_of_a_claim(bridge: Bridge, sessions: int) -> float:
    """Trials finished, by as many workers as there are sessions, each with a run of its own."""
    await enqueue(bridge, f"effects{sessions}", sessions)
    claims = [await bridge.deps.engine.claim("bench", "cpu", 600.0, KINDS) for _ in range(sessions)]
    numbers, free = itertools.count(), list(claims)

    async def effect() -> None:
        claim, number = free.pop(), next(numbers)
        trial = Trial(number=number, outcome="error", tree_hash="0" * 16, tree=Tree("network"), reason="bench")
        event = trial_stop(claim.run_id, number, "error", trial.tree_hash, None, "bench")
        await bridge.deps.trials.append_trial(claim, trial, None, event)
        free.append(claim)

    return await rate(effect, EFFECTS, sessions)


async def claims_and_ends(bridge: Bridge, sessions: int) -> float:
    """Transactions a second of workers that claim a run and end it: two each."""
    await enqueue(bridge, f"claims{sessions}", RUNS)

    return 2 * await rate(lambda: claim_and_end(bridge), RUNS, sessions)


async def claim_and_end(bridge: Bridge) -> None:
    claim = await bridge.deps.engine.claim("bench", "cpu", 600.0, KINDS)
    event = run_stop(claim.run_id, claim.kind, claim.pac_id, "succeeded")
    await bridge.deps.engine.end(claim, "succeeded", None, None, event)


async def whole_runs(bridge: Bridge) -> float:
    """Runs queued one after the other, then claimed and ended by four workers, as DBOS uses its threads."""
    started = time.perf_counter()
    await enqueue(bridge, "whole", WORKFLOWS)
    await rate(lambda: claim_and_end(bridge), WORKFLOWS, 4)
    return WORKFLOWS / (time.perf_counter() - started)


async def enqueue(bridge: Bridge, name: str, runs: int) -> None:
    data = read_dataset(str(MANIFEST), Reach((str(MANIFEST.parent),)))
    spec = Nas(manifest=str(MANIFEST))
    payload = SearchPayload(spec, data.manifest, data.base, goals_named(spec.objectives, spec.limits), data.reach)
    for number in range(runs):
        run_id = f"{name}-{number}"
        event = RunQueued(
            trials=1, run_id=run_id, kind="nas", pac_id=run_id, dataset=data.manifest.name, correlation_id=None
        )
        order = Order(
            kind="nas",
            pac_id=run_id,
            dataset=data.manifest.name,
            dataset_digest="0" * 64,
            payload=payload,
            payload_digest="0" * 64,
            queue="cpu",
            priority=0,
            deadline_s=None,
        )
        await bridge.deps.engine.enqueue(order, event, 10**6)


def dbos_workflows(url: str) -> float:
    """Empty workflows a second through a DBOS queue, on the same server."""
    from dbos import DBOS

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE dbos_bench")
    DBOS(config={"name": "bench", "system_database_url": url.rpartition("/")[0] + "/dbos_bench", "log_level": "ERROR"})

    @DBOS.workflow()
    def nothing() -> None:
        return None

    DBOS.launch()
    DBOS.register_queue("bench", polling_interval_sec=0.05)
    started = time.perf_counter()
    for handle in [DBOS.enqueue_workflow("bench", nothing) for _ in range(WORKFLOWS)]:
        handle.get_result()
    result = WORKFLOWS / (time.perf_counter() - started)
    DBOS.destroy()
    return result


if __name__ == "__main__":
    configure_logging("critical")
    with (
        tempfile.TemporaryDirectory() as place,
        migrated_database(read_settings(SETTINGS, {"CEREBROS_HOME": place})) as address,
    ):
        asyncio.run(main(address, place))
