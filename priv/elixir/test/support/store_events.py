"""Store a run with many events, through the store and as its worker: store_events.py RUN_ID MANIFEST N [SECONDS].

With SECONDS the events are stored over that time, in a hundred transactions,
after the run itself is there (its id is printed then).
"""

import asyncio
import sys

from bridge.contract.runs import RunError
from bridge.process.settings import read_settings
from bridge.service import SETTINGS, migrated_database, open_bridge
from cerebros.errors import Internal
from telemetry.events import StageStart, run_stop
from tests.calling import KINDS, call, start_request

BATCHES = 100


async def store(url: str, run_id: str, manifest: str, events: int, seconds: float) -> None:
    async with open_bridge(read_settings(SETTINGS), url) as bridge:
        await call(bridge, "start_run", start_request(run_id=run_id, pac_id="p", kind="cycle", manifest=manifest))
        engine = bridge.deps.engine
        claim = await engine.claim("test", "cpu", 60.0, KINDS, only=run_id)
        print(run_id, flush=True)
        # The first event is there, the last one is the end.
        for batch in range(BATCHES):
            async with engine.step(claim) as step:
                for number in range(batch, events - 2, BATCHES):
                    await step.append(StageStart(run_id=run_id, stage=f"stage-{number}"))
            await asyncio.sleep(seconds / BATCHES)
        stop = run_stop(run_id, claim.kind, claim.pac_id, "failed", error=Internal("a test ends it"))
        await engine.end(claim, "failed", None, RunError.of(Internal("a test ends it")), stop)


run_id, manifest, events, *seconds = sys.argv[1:]
with migrated_database(read_settings(SETTINGS)) as url:
    asyncio.run(store(url, run_id, manifest, int(events), float(*seconds or ["0"])))
