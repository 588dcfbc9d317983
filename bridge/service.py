"""Puts the parts together: the database, a bridge over it, and the long-lived service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from bridge.artifacts import ArtifactFiles
from bridge.jobs.pool import JobPool
from bridge.messages import RunEvent
from bridge.parentage import parent_environment
from bridge.policy import Seal
from bridge.procedures import Bridge
from bridge.runner import Runner
from bridge.settings import Settings
from bridge.store.catalogue import Catalogue
from bridge.store.database import Database
from bridge.store.embedded import embedded_postgres
from bridge.store.migrate import migrate
from bridge.store.notices import Notices
from bridge.store.runs import RunStore
from bridge.store.studies import StudyStore
from bridge.studies import Studies
from cerebros.errors import FailedPrecondition, ResourceExhausted, Unavailable
from telemetry.logs import log_event, log_failure

# A worker that ends at once is not started again faster than this.
RESTART_PAUSE_S = 1.0

# A queued run whose deadline passes is ended at most this much later.
SWEEP_PAUSE_S = 1.0

# A worker that does not end within this of its SIGTERM is killed; its run is claimed again after the lease.
WORKER_GRACE_S = 10.0

# Open calls may finish within this; streams are told to reconnect.
GRACE_S = 1.0


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
    bridge = Bridge(
        settings=settings,
        runs=RunStore(database, _tell),
        catalogue=Catalogue(database),
        notices=notices,
        artifacts=ArtifactFiles(settings.home_path / "artifacts"),
        jobs=JobPool(settings.trial_processes, settings.trial_memory_bytes, settings.trial_timeout_s),
        seal=Seal.at(settings.home_path / "keys" / "verdicts.ed25519"),
        studies=Studies(StudyStore(database)),
    )
    duties = [asyncio.create_task(notices.listen()), asyncio.create_task(_sweep(bridge.runs))]
    try:
        yield bridge
    finally:
        for duty in duties:
            duty.cancel()
        await asyncio.gather(*duties, return_exceptions=True)
        await bridge.jobs.close()
        await database.close()


async def _sweep(runs: RunStore) -> None:
    """End runs that are cancelled or overdue while no worker has them, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_PAUSE_S)
        with suppress(Unavailable, ResourceExhausted):
            while await runs.end_forsaken():
                pass


def runner_on(bridge: Bridge, only: str | None = None) -> Runner:
    """A worker that shares this process and its job processes; `only` narrows it to one run."""
    return Runner(bridge.deps, only)


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
    from grid_graphql.app import make_app

    settings = bridge.settings
    listener = _bind(settings.http_address)
    http = uvicorn.Server(uvicorn.Config(make_app(bridge), log_level="warning", lifespan="off"))
    http.capture_signals = _no_signals  # type: ignore[method-assign]
    grpc = await start_grpc(bridge, address=settings.grpc_address, socket_path=settings.home_path / "bridge.sock")
    worker = asyncio.create_task(keep_worker(settings, url)) if with_worker else None
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    finally:
        http.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        await grpc.stop(GRACE_S)
        if worker is not None:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


def _bind(address: str) -> socket.socket:
    """A listening socket; uvicorn would end the process where the address is taken."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        raise FailedPrecondition(
            f"HTTP address {address} cannot be bound: {problem}; set CEREBROS_HTTP_ADDRESS"
        ) from None


async def keep_worker(settings: Settings, url: str) -> None:
    """Keep one worker process running until cancelled; then it releases its run and ends."""
    environment = os.environ | parent_environment() | {"DATABASE_URL": url, "CEREBROS_HOME": settings.home}
    while True:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bridge",
            "worker",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,
            env=environment,
        )
        try:
            status = await worker.wait()
        except asyncio.CancelledError:
            worker.terminate()
            try:
                await asyncio.wait_for(worker.wait(), WORKER_GRACE_S)
            except TimeoutError:
                worker.kill()
                await worker.wait()
            raise
        log_failure("cerebros.worker.ended", status=status)
        await asyncio.sleep(RESTART_PAUSE_S)


@contextmanager
def _no_signals() -> Iterator[None]:
    """uvicorn would take the signals for itself; `until_signalled` has them."""
    yield


def _tell(event: RunEvent) -> None:
    log_event(event.name, event.seq, event.measurements, event.metadata)
