"""Commands that serve until they are told to end, and the one that migrates the database."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import nullcontext
from typing import NoReturn, get_args

import click

from bridge.api.bridge import Bridge
from bridge.cli.opened import on_bridge, settings_in_force, tables_in_force
from bridge.contract.telling import fields_of
from bridge.contract.words import Queue
from bridge.process.descriptors import raise_descriptor_limit
from bridge.process.parentage import die_with_parent
from bridge.process.tasks import ask_to_end
from bridge.runs.settings import RunSettings
from bridge.runs.worker_process import OwnWorker
from bridge.service import migrated_database, serve, sweep_home, until_signalled, worker_on
from telemetry.logs import Level, write_last_lines

# Nothing of a port outlives its owner by more than a second; trainings get this much of it to keep their states.
OWNERLESS_S = 0.3

# The setting that `worker --queue` overrules.
QUEUE = next(field for field in fields_of(RunSettings) if field.name == "queue")


@click.command()
@click.option("--worker/--no-worker", default=True, help="Also run a worker process.")
def up(worker: bool) -> None:
    """Serve gRPC and HTTP until SIGTERM or Ctrl-C."""
    import uvloop

    raise_descriptor_limit()

    def announce(grpc: str, http: str) -> None:
        click.echo(f"cerebros-bridge serves gRPC on {grpc} and http://{http}", err=True)

    async def use(bridge: Bridge) -> None:
        program = tables_in_force().program if worker else None
        await until_signalled(asyncio.create_task(serve(bridge, worker_program=program, announce=announce)))

    # A connection costs half as much on it, and so the rush of a thousand delays the next caller half as long.
    on_bridge(use, loop_factory=uvloop.new_event_loop)


@click.command()
@click.option("--stdio", is_flag=True, help="Speak on standard input and output instead of descriptors 3 and 4.")
@click.option("--worker/--no-worker", default=True, help="Also run a worker process.")
@click.option(
    "--logs",
    type=click.Choice(get_args(Level)),
    help="Send the log, also that of the worker, from this level on as messages and not to stderr.",
)
def port(stdio: bool, worker: bool, logs: Level | None) -> None:
    """Speak the Erlang port protocol until the owner closes it."""
    import uvloop

    from bridge.transports.port.relay import relayed_stderr
    from bridge.transports.port.session import serve_port

    if logs is not None:
        os.environ["CEREBROS_LOG_FORMAT"] = "json"  # the log is read here, also that of the worker
    raise_descriptor_limit()

    async def use(bridge: Bridge) -> None:
        settings = bridge.deps.settings
        sweep_home(settings)
        brief = settings.changed(drain_s=min(settings[RunSettings].drain_s, OWNERLESS_S))
        keeping = bridge.deps.one(OwnWorker).keep(brief, tables_in_force().program) if worker else None
        with relayed_stderr(logs) if logs else nullcontext() as relay:
            working = asyncio.create_task(keeping) if keeping else None
            try:
                await until_signalled(asyncio.create_task(serve_port(bridge, stdio=stdio, relay=relay)))
            finally:
                if working is not None:
                    await ask_to_end(working)

    # A call that needs no database takes a third less time on it (make bench-beam).
    on_bridge(use, loop_factory=uvloop.new_event_loop)
    _leave()


@click.command()
@click.option("--until-idle", is_flag=True, help="End when no run waits.")
@click.option("--queue", type=click.Choice(QUEUE.choices), help=f"{QUEUE.description} CEREBROS_QUEUE when absent.")
def worker(until_idle: bool, queue: Queue | None) -> None:
    """Claim runs and work on them; SIGTERM gives the current run back and ends."""
    die_with_parent(signal.SIGTERM)

    async def use(bridge: Bridge) -> None:
        sweep_home(bridge.deps.settings)
        await until_signalled(asyncio.create_task(worker_on(bridge, queue=queue).work(until_idle=until_idle)))

    on_bridge(use)
    _leave()


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    with migrated_database(settings_in_force()):
        click.echo("the database has the newest schema", err=True)


def _leave() -> NoReturn:
    """End with status 0 now: everything is closed, and taking the interpreter apart would take longer than that did."""
    sys.stdout.flush()
    write_last_lines()
    os._exit(0)
