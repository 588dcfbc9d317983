"""What a durable effect costs: claims and finished trials against bare committed inserts.

The peer is the same number of single-row committed INSERTs of the same trial
rows over the same connection settings, in the same run, on the same server.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

import psycopg

from bridge.messages import Trial
from bridge.procedures import call
from bridge.service import migrated_database, open_bridge
from bridge.settings import read_settings
from telemetry.events import trial_stop
from telemetry.logs import configure_logging

MANIFEST = Path(__file__).parent.parent / "examples" / "digits.toml"
EFFECTS = 2000


async def main(url: str, home: str) -> None:
    settings = read_settings({"CEREBROS_HOME": home, "DATABASE_URL": url})
    async with open_bridge(settings, url) as bridge:
        await call(bridge, "start_run", {"run_id": "bench", "pac_id": "bench", "manifest": str(MANIFEST)})
        claim = await bridge.runs.claim_run("bench", 600.0)
        started = time.perf_counter()
        for number in range(EFFECTS):
            trial = Trial(number=number, outcome="error", tree_hash="0" * 16, tree={"t": "network"}, reason="bench")
            event = trial_stop(claim.run_id, number, "error", trial.tree_hash, None, "bench")
            await bridge.runs.insert_trial(claim, trial, event)
        ours = EFFECTS / (time.perf_counter() - started)
    bare = bare_inserts(url)
    print(f"effects (fence + numbered event + trial, one transaction): {ours:.0f}/s")
    print(f"bare committed inserts of the same rows:                   {bare:.0f}/s")
    print(json.dumps({"bench": "store", "ratios": {"effect_vs_bare_commit": round(ours / bare, 3)}}))


def bare_inserts(url: str) -> float:
    with psycopg.connect(url, autocommit=True, prepare_threshold=1) as connection:
        connection.execute("CREATE TABLE bare (LIKE cerebros.trials INCLUDING DEFAULTS)")
        started = time.perf_counter()
        for number in range(EFFECTS):
            connection.execute(
                "INSERT INTO bare (run_id, number, outcome, tree, tree_hash, reason) VALUES (%s, %s, %s, %s, %s, %s)",
                ("bench", number, "error", '{"t": "network"}', "0" * 16, "bench"),
            )
        return EFFECTS / (time.perf_counter() - started)


if __name__ == "__main__":
    configure_logging("critical")
    with tempfile.TemporaryDirectory() as home:
        fresh = read_settings({"CEREBROS_HOME": home})
        with migrated_database(fresh) as address:
            asyncio.run(main(address, home))
