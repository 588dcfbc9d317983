"""Puts the parts together: the rooms, a bridge over a database, and the long-lived service."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import msgspec

from bridge.api.bridge import Bridge
from bridge.capability import procedures as capability
from bridge.contract.procedure import AnyProcedure
from bridge.contract.runs import RunEvent
from bridge.contract.words import Queue
from bridge.datasets import checks as datasets
from bridge.datasets.settings import DatasetSettings
from bridge.jobs.executors import executor_of
from bridge.jobs.settings import JobSettings
from bridge.nas import kinds as nas
from bridge.nas import procedures as nas_procedures
from bridge.operator import procedures as operator
from bridge.operator.settings import GateSettings, OperatorSettings
from bridge.policy import verdicts as policy
from bridge.policy.settings import PolicySettings
from bridge.process.home import prepare_home, served_home
from bridge.process.settings import HomeSettings, Settings
from bridge.process.tables import by_name
from bridge.process.tasks import ask_to_end
from bridge.runs.checkpoints import Checkpoints
from bridge.runs.duties import duties
from bridge.runs.engine import Engine
from bridge.runs.kinds import Deps, Kind
from bridge.runs.notices import Notices
from bridge.runs.procedures import procedures as run_procedures
from bridge.runs.rows import RunStore
from bridge.runs.settings import RunSettings
from bridge.runs.trials import TrialStore
from bridge.runs.worker import Worker
from bridge.runs.worker_process import OwnWorker
from bridge.store.address import OVERRULING, check_address, without_variables
from bridge.store.artifacts import ArtifactFiles, sweep_drafts
from bridge.store.database import Database
from bridge.store.embedded import embedded_postgres, present_address
from bridge.store.migrate import migrate
from bridge.store.settings import StoreSettings
from bridge.studies import procedures as studies
from bridge.transports.addresses import with_port
from bridge.transports.settings import GrpcSettings, HttpSettings
from telemetry.logs import LogSettings, log_event

# Open calls may finish within this; streams are told to reconnect.
GRACE_S = 1.0


# Directories of the home.
ARTIFACTS, CHECKPOINTS = "artifacts", "checkpoints"

# Every room's settings; `read_settings` reads them.
SETTINGS: tuple[type[msgspec.Struct], ...] = (
    HomeSettings,
    StoreSettings,
    GrpcSettings,
    HttpSettings,
    JobSettings,
    DatasetSettings,
    RunSettings,
    PolicySettings,
    OperatorSettings,
    GateSettings,
    LogSettings,
)

# The rooms' kinds of runs, and their procedures besides those of runs.
KINDS: tuple[Kind[Any, Any], ...] = nas.KINDS
PROCEDURES: tuple[AnyProcedure, ...] = (
    *nas_procedures.PROCEDURES,
    *datasets.PROCEDURES,
    *capability.PROCEDURES,
    *policy.PROCEDURES,
    *studies.PROCEDURES,
    *operator.PROCEDURES,
)


@contextmanager
def migrated_database(settings: Settings) -> Iterator[str]:
    """The address of a database with the newest schema: `DATABASE_URL`, or the embedded one while this lasts."""
    if own := settings[StoreSettings].database_url:
        check_address(own)
        with without_variables(OVERRULING):
            migrate(own)
            yield own
        return
    with embedded_postgres(settings.home) as url:
        migrate(url)
        yield url


@asynccontextmanager
async def open_bridge(
    settings: Settings,
    url: str,
    *,
    kinds: Sequence[Kind[Any, Any]] = KINDS,
    procedures: Sequence[AnyProcedure] = PROCEDURES,
) -> AsyncIterator[Bridge]:
    """Everything the procedures need, on this database; `kinds` and `procedures` are those of the rooms."""
    prepare_home(settings.home)
    embedded = not settings[StoreSettings].database_url
    database = Database(url, partial(present_address, settings.home, url) if embedded else None)
    notices = Notices(database)
    engine = Engine(database, _tell, notices.announce)
    trials = TrialStore(database, engine)
    deps = Deps(
        settings=settings,
        database=database,
        engine=engine,
        runs=RunStore(database, trials),
        trials=trials,
        notices=notices,
        artifacts=ArtifactFiles(settings.home / ARTIFACTS),
        checkpoints=Checkpoints(settings.home / CHECKPOINTS, trials),
        jobs=executor_of(settings[JobSettings], on_gpu=settings[RunSettings].queue == "gpu"),
        draining=asyncio.Event(),
        ending=asyncio.Event(),
        kinds=by_name("kinds", kinds),
    )
    await database.open()  # and nothing may go wrong between this and its close, or its tasks never end
    try:
        async with duties(deps):
            yield Bridge.of(deps, (*run_procedures(kinds), *procedures))
    finally:
        await deps.jobs.close()
        await notices.flush()
        await database.close()


async def serve(
    bridge: Bridge, *, worker_program: str | None, announce: Callable[[str, str], None] = lambda *_: None
) -> None:
    """Serve gRPC and HTTP until cancelled, with a worker process of a program beside them, if one is named.

    Args:
        announce: called once both are bound, with their addresses, in which port 0 has become the one that was free.

    Raises:
        FailedPrecondition: an address is taken, or another process serves from this home.
    """
    from bridge.transports.grpc.server import start_grpc
    from bridge.transports.http.server import http_server

    settings = bridge.deps.settings
    grpc_address, http_address = settings[GrpcSettings].grpc_address, settings[HttpSettings].http_address
    async with AsyncExitStack() as servers:
        await asyncio.to_thread(sweep_home, settings)
        ours = servers.enter_context(served_home(settings.home, f"gRPC {grpc_address}, http://{http_address}"))
        grpc = await start_grpc(
            bridge, address=grpc_address, socket_path=settings.home / "bridge.sock" if ours else None
        )
        servers.push_async_callback(grpc.stop, GRACE_S)
        http = await servers.enter_async_context(http_server(bridge))
        announce(
            with_port(grpc_address, grpc.port),
            with_port(http_address, http.port),
        )
        gc.freeze()  # the modules and the schema stay; to go through them in every full collection takes 0.2 s
        keeping = bridge.deps.one(OwnWorker).keep(settings, worker_program) if worker_program else None
        worker = asyncio.create_task(keeping) if keeping else None
        try:
            await asyncio.shield(http.serving)
        finally:
            bridge.deps.ending.set()
            bridge.deps.draining.set()  # not ready, no new runs; whoever watches hears the run go back to its queue
            if worker is not None:
                await ask_to_end(worker)


def sweep_home(settings: Settings) -> None:
    """Delete what writers that were killed had begun; for commands that stay, since it reads whole directories."""
    for directory in (ARTIFACTS, CHECKPOINTS, "keys"):
        sweep_drafts(settings.home / directory)


def worker_on(bridge: Bridge, only: str | None = None, queue: Queue | None = None) -> Worker:
    """A worker that shares this process and its job processes; `only` narrows it to one run."""
    settings = bridge.deps.settings
    chosen = settings.changed(queue=queue) if queue else settings
    return Worker(msgspec.structs.replace(bridge.deps, settings=chosen), only)


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


def _tell(event: RunEvent) -> None:
    log_event(event.name, event.seq, event.measurements, event.metadata)
