"""Store a run that succeeded and a verdict on it: store_verdict.py RUN_ID MANIFEST allow|deny AGE_S."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from bridge.contract.policy import Verdict
from bridge.policy.rows import VerdictRows
from bridge.process.settings import read_settings
from bridge.service import SETTINGS, migrated_database, open_bridge
from cerebros.metrics import Spent
from telemetry.events import run_stop
from tests.calling import KINDS, call, start_request


async def store(url: str, run_id: str, manifest: str, decision: str, age: timedelta) -> None:
    async with open_bridge(read_settings(SETTINGS), url) as bridge:
        await call(bridge, "start_run", start_request(run_id=run_id, pac_id="p", kind="cycle", manifest=manifest))
        engine = bridge.deps.engine
        claim = await engine.claim("test", "cpu", 60.0, KINDS, only=run_id)
        stop = run_stop(run_id, claim.kind, "p", "succeeded", duration_s=1.0, spent=Spent(1.0, 1.0, 10.0, 0.01))
        await engine.end(claim, "succeeded", None, None, stop)
        issued_at = datetime.now(UTC) - age
        verdict = Verdict(
            verdict_id=run_id,
            run_id=run_id,
            pac_id="p",
            decision=decision,
            reasons=(),
            artifact_digest="0" * 64,
            description_digest="0" * 64,
            dataset_digest="0" * 64,
            policy_digest="0" * 64,
            inputs_digest="0" * 64,
            issued_at=issued_at,
            expires_at=issued_at + timedelta(days=7),
        )
        async with bridge.deps.database.transaction() as connection:
            await VerdictRows(bridge.deps).insert_verdict(connection, verdict)


run_id, manifest, decision, age_s = sys.argv[1:]
with migrated_database(read_settings(SETTINGS)) as url:
    asyncio.run(store(url, run_id, manifest, decision, timedelta(seconds=float(age_s))))
