"""Commands that start runs, one for each kind, and the one that calls any procedure."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import msgspec

from bridge.api.bridge import Bridge, decode
from bridge.cli import show
from bridge.cli.opened import as_json, caller, on_bridge
from bridge.cli.options import first_required, flat_fields_of, parameters_of, raw_request
from bridge.contract.procedure import Stream
from bridge.contract.runs import GetRun, Run, StartRun, WatchRun
from bridge.contract.telling import summary
from bridge.process.tasks import ask_to_end
from bridge.runs.kinds import Kind
from bridge.runs.procedures import GET_RUN, START_RUN, WATCH_RUN
from bridge.service import until_signalled, worker_on
from cerebros.errors import InvalidArgument


def command_of(kind: Kind[Any, Any]) -> click.Command:
    """Return the command that starts a run of the kind; its options are the fields of the request."""
    spec: Any = kind.spec
    request_type = StartRun[spec]
    fields = flat_fields_of(request_type)

    def start(json: bool, **given: Any) -> None:
        request = decode({"spec": {}} | raw_request(fields, given), request_type)
        run = on_bridge(lambda bridge, _: _run_to_its_end(bridge, request), log_level="error")
        show.run(run, json=json)
        if run.state != "succeeded":
            raise SystemExit(1)

    parameters = parameters_of(fields, first_required(fields, "spec"))
    return as_json(click.Command(kind.name, callback=start, params=parameters, help=summary(kind.spec)))


async def _run_to_its_end(bridge: Bridge, request: StartRun[msgspec.Struct]) -> Run:
    """Start a run and work on it in this process, until it ends or a signal gives it back to its queue."""
    run = await bridge.ask(START_RUN, caller(), request)
    await until_signalled(asyncio.create_task(_work(bridge, run)))
    return await bridge.ask(GET_RUN, caller(), GetRun(run_id=run.run_id))


async def _work(bridge: Bridge, run: Run) -> None:
    events = bridge.follow(WATCH_RUN, caller(), WatchRun(run_id=run.run_id))
    working = asyncio.create_task(worker_on(bridge, only=run.run_id, queue=run.queue).work())
    watching = asyncio.create_task(show.progress(events))
    try:
        # The worker works until cancelled; when it ends first it has failed, and says how.
        done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
    finally:
        await ask_to_end(working, watching)


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
def call_procedure(procedure: str, request: str, timeout_s: float | None) -> None:
    """Call any procedure with a JSON object; one that streams prints an item a line."""
    raw = _json_object(request)

    async def use(bridge: Bridge, _url: str) -> None:
        asker = caller(timeout_s)
        if isinstance(bridge.procedures.get(procedure), Stream):
            async for item in bridge.stream(asker, procedure, raw):
                show.json_line(item)
        else:
            show.json_line(await bridge.call(asker, procedure, raw))

    on_bridge(use, log_level="error")


def _json_object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as problem:
        raise InvalidArgument(
            f'the request is not a JSON object: {problem}; an example: \'{{"run_id": "a"}}\''
        ) from None
