"""The worker as a process beside the server: started, kept running, and given time to end cleanly."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.process.parentage import parent_environment
from bridge.process.settings import Settings
from bridge.runs.settings import RunSettings
from telemetry.logs import log_failure

# A worker that ends at once is not started again faster than this.
RESTART_PAUSE_S = 1.0

# A worker may need this beyond its trainings' time to drain; then it is killed, and its run claimed after the lease.
WORKER_GRACE_S = 2.0


@asynccontextmanager
async def worker_process(settings: Settings, url: str, program: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a worker process; at the end of the context it is given time to release its run.

    Args:
        program: module whose command `worker` the process runs; its kinds are those that the worker claims.

    Raises:
        OSError: the system has no memory, or no process id, left.
    """
    drain_s = settings[RunSettings].drain_s
    own = {"DATABASE_URL": url, "CEREBROS_HOME": str(settings.home), "CEREBROS_DRAIN_S": str(drain_s)}
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        program,
        "worker",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=2,
        env=os.environ | parent_environment() | own,
        start_new_session=True,  # Ctrl-C is ours; it would be the worker's second signal, after our SIGTERM
    )
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.terminate()
        try:
            await asyncio.wait_for(worker.wait(), drain_s + WORKER_GRACE_S)
        except TimeoutError:
            worker.kill()
            await worker.wait()


async def keep_worker(settings: Settings, url: str, program: str) -> None:
    """Keep one worker process of a program running until cancelled; then it releases its run and ends."""
    while True:
        try:
            async with worker_process(settings, url, program) as worker:
                log_failure("cerebros.worker.ended", status=await worker.wait())
        except OSError as problem:
            log_failure("cerebros.worker.not_started", reason=str(problem))
        await asyncio.sleep(RESTART_PAUSE_S)
