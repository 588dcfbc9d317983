"""The worker as a process beside the server: started, kept running, and given time to end cleanly."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from bridge.process.parentage import child_environment, module_command
from bridge.process.settings import Settings
from bridge.process.tasks import GOOD_START_S, tireless
from bridge.runs.kinds import Deps
from bridge.runs.settings import RunSettings
from bridge.runs.worker import worker_id
from bridge.store.settings import StoreSettings
from telemetry.logs import log_failure

# A worker that ends again and again right after its start costs seconds of CPU each time.
RESTART_PAUSE_AT_MOST_S = 30.0

# A worker takes seconds to import its libraries, more on a busy machine.
START_AT_MOST_S = 30.0

# A worker may need this beyond its trainings' time to drain; then it is killed, and its run claimed after the lease.
WORKER_GRACE_S = 2.0


@asynccontextmanager
async def worker_process(settings: Settings, program: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a worker process; at the end of the context it is given time to release its run.

    Args:
        program: module whose command `worker` the process runs; its kinds are those that the worker claims.

    Raises:
        OSError: the system has no memory, or no process id, left.
    """
    drain_s = settings[RunSettings].drain_s
    worker = await asyncio.create_subprocess_exec(
        *module_command(program, "worker"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.stderr,  # by its descriptor: where this process was started without one, number 2 is something else
        stderr=sys.stderr,
        env=child_environment(
            # Without an address the worker finds the home's own database, also one that was started anew and moved.
            DATABASE_URL=settings[StoreSettings].database_url,
            CEREBROS_HOME=str(settings.home),
            CEREBROS_DRAIN_S=str(drain_s),
        ),
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


class OwnWorker:
    """The worker process that this server process keeps, where it shall keep one.

    Attributes:
        worker_id: the name under which the worker tells of itself; None while no process runs.
    """

    def __init__(self, _deps: Deps) -> None:
        self.worker_id: str | None = None
        self._since: float | None = None  # when a worker was first wanted
        self._started = 0.0
        self._last_end: str | None = None

    async def keep(self, settings: Settings, program: str) -> None:
        """Keep one worker process of a program running until cancelled; then it releases its run and ends."""
        self._since = monotonic()
        await tireless(lambda: self._once(settings, program), RESTART_PAUSE_AT_MOST_S)

    def at_work(self, *, seen: bool) -> bool:
        """Return True unless a worker is missing here; the first one has some seconds for its start.

        Args:
            seen: the worker gave a sign of life lately.
        """
        if self._since is None or seen:
            return True
        return self._last_end is None and monotonic() - self._since < START_AT_MOST_S

    def account(self, *, seen: bool) -> str:
        """Say how the worker is and, for some time, how the one before it ended."""
        if self._since is None:
            return "none"
        state = "alive" if seen else "starting" if self.worker_id else "ended"
        lately = monotonic() - self._started < GOOD_START_S
        return f"{state}; the one before {self._last_end}" if self._last_end and (lately or not seen) else state

    async def _once(self, settings: Settings, program: str) -> None:
        end = "could not be started: a defect, see the log"
        try:
            async with worker_process(settings, program) as worker:
                self.worker_id, self._started = worker_id(worker.pid), monotonic()
                end = f"ended with status {await worker.wait()}"
            log_failure("cerebros.worker.ended", status=worker.returncode)
        except OSError as problem:
            end = f"could not be started: {problem}"
            log_failure("cerebros.worker.not_started", reason=str(problem))
        finally:
            self.worker_id, self._last_end = None, end
