"""Puts the parts together: the database, a bridge over it, and the long-lived service."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

import msgspec

from bridge.api.procedures import Bridge
from bridge.capability.rows import Catalogue
from bridge.contract.replies import RunEvent
from bridge.jobs.executor import Executor
from bridge.jobs.pool import JobPool
from bridge.policy.rules import Seal
from bridge.process.parentage import parent_environment
from bridge.process.settings import Queue, Settings
from bridge.process.tasks import ask_to_end, end_tasks
from bridge.runs.checkpoints import Checkpoints
from bridge.runs.engine import Engine
from bridge.runs.notices import Notices
from bridge.runs.rows import RunStore
from bridge.runs.worker import Runner
from bridge.store.artifacts import ArtifactFiles
from bridge.store.database import Database
from bridge.store.embedded import embedded_postgres
from bridge.store.migrate import migrate
from bridge.studies.rows import StudyStore
from bridge.studies.studies import Studies
from cerebros.errors import FailedPrecondition, ResourceExhausted, Unavailable
from telemetry.logs import log_event, log_failure

# What ends at once, a worker or a duty, is not started again faster than this.
RESTART_PAUSE_S = 1.0

# The service clock moves, lapsed leases are noticed and overdue runs ended at most this much later.
SWEEP_PAUSE_S = 0.5

# Events are kept for days; looking for old ones reads every run.
FORGET_PAUSE_S = 3600.0

# A worker shows itself every few seconds; one unseen for a day of the service clock was killed, or lost its machine.
WORKER_KEPT_S = 86400.0

# A worker may need this beyond its trainings' time to drain; then it is killed, and its run claimed after the lease.
WORKER_GRACE_S = 2.0

# Open calls may finish within this; streams are told to reconnect.
GRACE_S = 1.0
WS_PING_S = 2.0


@contextmanager
def migrated_database(settings: Settings) -> Iterator[str]:
    """The address of a database with the newest schema: `DATABASE_URL`, or the embedded one while this lasts."""
    if settings.database_url:
        migrate(settings.database_url)
        yield settings.database_url
        return
    with embedded_postgres(settings.home_path) as url:
        migrate(url)
        yield url


@asynccontextmanager
async def open_bridge(settings: Settings, url: str) -> AsyncIterator[Bridge]:
    """Everything the procedures need, on this database."""
    database = Database(url)
    await database.open()
    notices = Notices(url)
    engine = Engine(database, _tell, notices.announce)
    bridge = Bridge(
        settings=settings,
        engine=engine,
        runs=RunStore(database),
        catalogue=Catalogue(database),
        notices=notices,
        artifacts=ArtifactFiles(settings.home_path / "artifacts"),
        jobs=_executor(settings),
        seal=Seal.at(settings.home_path / "keys" / "verdicts.ed25519"),
        draining=asyncio.Event(),
        checkpoints=Checkpoints(settings.home_path / "checkpoints", engine),
        studies=Studies(StudyStore(database)),
    )
    duties = [
        asyncio.create_task(_tireless(duty))
        for duty in (notices.listen, partial(notices.send, database), partial(_sweep, engine), partial(_forget, bridge))
    ]
    try:
        yield bridge
    finally:
        await end_tasks(*duties)
        await bridge.jobs.close()
        await notices.flush(database)
        await database.close()


def _executor(settings: Settings) -> Executor:
    limits = settings.trial_processes, settings.trial_memory_bytes, settings.trial_timeout_s
    if settings.executor == "local":
        return JobPool(*limits)
    try:
        from bridge.jobs.ray_executor import RayExecutor
    except ImportError:
        raise FailedPrecondition("CEREBROS_EXECUTOR is ray; install cerebros-bridge[ray]") from None
    return RayExecutor(settings.ray_address, *limits, gpus=int(settings.queue == "gpu"))


async def _tireless(duty: Callable[[], Awaitable[None]]) -> None:
    """Begin a duty again where a defect ended it: without its sweep the service would stand still and not say so."""
    while True:
        try:
            await duty()
        except Exception:  # noqa: BLE001 - the outermost frame of a duty
            log_failure("cerebros.service.defect", traceback=traceback.format_exc())
        await asyncio.sleep(RESTART_PAUSE_S)


async def _forget(bridge: Bridge) -> None:
    """Drop what nobody needs any more, until cancelled: old events, states of ended runs, workers that are gone.

    It pauses first: a command that asks one question and ends has no part in this.
    """
    while True:
        await asyncio.sleep(FORGET_PAUSE_S)
        with suppress(Unavailable, ResourceExhausted):
            await bridge.engine.forget_events(bridge.settings.events_kept_days * 86400)
            await bridge.checkpoints.forget_ended_runs()
            await bridge.engine.forget_workers(WORKER_KEPT_S)


async def _sweep(engine: Engine) -> None:
    """What the engine needs from time to time, until cancelled."""
    while True:
        with suppress(Unavailable, ResourceExhausted):
            await engine.sweep()
        # Not all processes at once: the first to come moves the clock for all.
        await asyncio.sleep(SWEEP_PAUSE_S * random.uniform(0.8, 1.2))  # noqa: S311


def runner_on(bridge: Bridge, only: str | None = None, queue: Queue | None = None) -> Runner:
    """A worker that shares this process and its job processes; `only` narrows it to one run."""
    settings = msgspec.structs.replace(bridge.settings, queue=queue or bridge.settings.queue)
    return Runner(msgspec.structs.replace(bridge.deps, settings=settings), only)


async def until_signalled(task: asyncio.Task[None]) -> None:
    """Await a task that SIGTERM and SIGINT cancel; a second signal ends the process at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        task.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, os._exit, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and (failure := task.exception()) is not None:
        raise failure


async def serve(bridge: Bridge, url: str, *, with_worker: bool) -> None:
    """Serve gRPC and HTTP, with a worker process beside them, until cancelled.

    Raises:
        FailedPrecondition: an address is taken.
    """
    import uvicorn

    from bridge.transports.grpc_server import start_grpc
    from bridge.transports.http.app import make_app

    settings = bridge.settings
    listener = _bind(settings.http_address)
    config = uvicorn.Config(
        make_app(bridge),
        log_config=None,  # uvicorn would log in a form of its own
        lifespan="off",
        ws_ping_interval=WS_PING_S,  # a subscriber that vanished or froze is let go within two pings
        ws_ping_timeout=WS_PING_S,
    )
    http = uvicorn.Server(config)
    http.capture_signals = _no_signals  # type: ignore[method-assign]
    grpc = await start_grpc(bridge, address=settings.grpc_address, socket_path=settings.home_path / "bridge.sock")
    worker = asyncio.create_task(keep_worker(settings, url)) if with_worker else None
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    finally:
        bridge.draining.set()  # not ready, no new runs; whoever watches hears the run go back to its queue
        if worker is not None:
            await ask_to_end(worker)
        http.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        await grpc.stop(GRACE_S)


def _bind(address: str) -> socket.socket:
    """A listening socket; uvicorn would end the process where the address is taken."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        raise FailedPrecondition(
            f"HTTP address {address} cannot be bound: {problem}; set CEREBROS_HTTP_ADDRESS"
        ) from None


@asynccontextmanager
async def worker_process(settings: Settings, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process; where it still runs at the end it is given the time to release its run.

    Raises:
        OSError: there is no memory or no process left just now.
    """
    own = {"DATABASE_URL": url, "CEREBROS_HOME": settings.home, "CEREBROS_DRAIN_S": str(settings.drain_s)}
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge",
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
            await asyncio.wait_for(worker.wait(), settings.drain_s + WORKER_GRACE_S)
        except TimeoutError:
            worker.kill()
            await worker.wait()


async def keep_worker(settings: Settings, url: str) -> None:
    """Keep one worker process running until cancelled; then it releases its run and ends."""
    while True:
        try:
            async with worker_process(settings, url) as worker:
                log_failure("cerebros.worker.ended", status=await worker.wait())
        except OSError as problem:
            log_failure("cerebros.worker.not_started", reason=str(problem))
        await asyncio.sleep(RESTART_PAUSE_S)


@contextmanager
def _no_signals() -> Iterator[None]:
    """uvicorn would take the signals for itself; `until_signalled` has them."""
    yield


def _tell(event: RunEvent) -> None:
    log_event(event.name, event.seq, event.measurements, event.metadata)
