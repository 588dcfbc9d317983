"""Commands that start runs, one for each kind, those that look after runs, and the one that calls any procedure."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import msgspec

from bridge.api.bridge import Bridge, decode
from bridge.cli import show
from bridge.cli.opened import as_json, caller, on_bridge, settings_in_force, tables_in_force
from bridge.cli.options import Form
from bridge.cli.parameter_types import json_object
from bridge.cli.progress import progress
from bridge.cli.questions import question
from bridge.contract.procedure import Procedure, Stream
from bridge.contract.runs import GetRun, Run, StartRun, WatchRun
from bridge.contract.telling import summary
from bridge.process.tasks import ask_to_end
from bridge.runs.kinds import Kind
from bridge.runs.procedures import CANCEL_RUN, GET_RUN, LIST_RUNS, START_RUN, WATCH_RUN
from bridge.service import until_signalled, worker_on


def command_of(kind: Kind[Any, Any]) -> click.Command:
    """Return the command that starts a run of the kind; its options are the fields of the request."""
    spec: Any = kind.spec
    request_type = StartRun[spec]
    form: Form[StartRun[msgspec.Struct]] = Form(request_type, inside="spec")

    def start(json: bool, **given: Any) -> None:
        request = form.filled(given)
        run = on_bridge(lambda bridge: _run_to_its_end(bridge, request), log_level="error")
        show.run(run, json=json)
        if not json:
            show.next_steps(run)
        if run.state != "succeeded":
            raise SystemExit(1)

    return as_json(click.Command(kind.name, callback=start, params=form.parameters, help=summary(kind.spec)))


async def _run_to_its_end(bridge: Bridge, request: StartRun[msgspec.Struct]) -> Run:
    """Start a run and work on it in this process, until it ends or a signal gives it back to its queue."""
    run = await bridge.ask(START_RUN, caller(), request)
    await until_signalled(asyncio.create_task(_work(bridge, run)))
    return await bridge.ask(GET_RUN, caller(), GetRun(run_id=run.run_id))


async def _work(bridge: Bridge, run: Run) -> None:
    events = bridge.follow(WATCH_RUN, caller(), WatchRun(run_id=run.run_id))
    working = asyncio.create_task(worker_on(bridge, only=run.run_id, queue=run.queue).work())
    watching = asyncio.create_task(progress(events))
    try:
        # The worker works until cancelled; when it ends first it has failed, and says how.
        done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
    finally:
        await ask_to_end(working, watching)


def _watched() -> click.Command:
    form: Form[WatchRun] = Form(WatchRun)

    def follow(json: bool, **given: Any) -> None:
        request = form.filled(given)

        async def use(bridge: Bridge) -> None:
            async for event in bridge.follow(WATCH_RUN, caller(), request):
                show.event(event, json=json)

        on_bridge(use, log_level="error")

    return as_json(click.Command("watch", callback=follow, params=form.parameters, help=summary(WatchRun)))


runs = question("runs", LIST_RUNS, show.runs)
show_run = question("show", GET_RUN, show.run)
cancel = question("cancel", CANCEL_RUN, show.run)
watch = _watched()


@click.command(name="call")
@click.argument("procedure")
@click.argument("request", default="{}")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Seconds to wait for the answer, or for the end of the stream; then DEADLINE_EXCEEDED. No limit when absent.",
)
@as_json
def call_procedure(procedure: str, request: str, timeout_s: float | None, json: bool) -> None:
    """Call any procedure with a JSON object; one that streams prints an item a line.

    Answers are JSON in any case; with --json, a refusal is too.

    `drain` and `undrain` are asked of the server that `up` runs on this home.
    """
    raw = json_object(request)
    if (about := _about_the_server(procedure)) is not None:
        from bridge.transports.grpc.client import ask_server  # a tenth of a second, which no other command needs

        socket = settings_in_force().home / "bridge.sock"
        show.json_line(asyncio.run(ask_server(socket, about, decode(raw, about.request), timeout_s)))
        return

    async def use(bridge: Bridge) -> None:
        asker = caller(timeout_s)
        if isinstance(bridge.procedures.get(procedure), Stream):
            async for item in bridge.stream(asker, procedure, raw):
                show.json_line(item)
        else:
            show.json_line(await bridge.call(asker, procedure, raw))

    on_bridge(use, log_level="error")


def _about_the_server(name: str) -> Procedure[Any, Any, Any] | None:
    table = tables_in_force().procedures
    return next((one for one in table if isinstance(one, Procedure) and one.of_server and one.name == name), None)
