"""The command line. Answers go to stdout, everything else to stderr.

Exit status: 0 done, 1 refused or failed with a typed error, 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, get_args

import click
import msgspec

from bridge.api.procedures import STREAM, Bridge, call, watch
from bridge.cli import show
from bridge.cli.doctor import examine
from bridge.contract.capability import GetCapability
from bridge.contract.datasets import CheckDataset
from bridge.contract.nas import Budget, Shortlist, StartRun
from bridge.contract.operator import CheckGate
from bridge.contract.runs import ListArtifacts, WatchRun
from bridge.contract.words import Sampler
from bridge.jobs.work import Exported, ExportJob
from bridge.process.parentage import die_with_parent
from bridge.process.settings import Queue, read_settings
from bridge.process.tasks import ask_to_end
from bridge.service import keep_worker, migrated_database, open_bridge, runner_on, serve, until_signalled
from cerebros.data.manifest import manifest_schema
from cerebros.errors import CerebrosError, FailedPrecondition, InvalidArgument
from telemetry.logs import configure_logging

# Nothing of a port outlives its owner by more than a second; trainings get this much of it to keep their states.
OWNERLESS_S = 0.3

as_json = click.option("--json", "json", is_flag=True, help="Print one JSON object on stdout.")


class Refusals(click.Group):
    """Typed errors end a command with status 1 and one line, or one JSON object with --json."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CerebrosError as error:
            show.refusal(error, json="--json" in sys.argv)
            ctx.exit(1)


@click.group(cls=Refusals, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Neural architecture search and capability vectors for PACs, as a service."""


def on_bridge(
    use: Callable[[Bridge, str], Awaitable[Any]],
    *,
    log_level: str | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Any:
    """Run a coroutine function on an open bridge and its database's address."""
    settings = read_settings()
    configure_logging(log_level or settings.log_level)

    async def opened(url: str) -> Any:
        async with open_bridge(settings, url) as bridge:
            return await use(bridge, url)

    with migrated_database(settings) as url, asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(opened(url))


@main.command()
@click.option("--worker/--no-worker", default=True, help="Also run a worker process.")
def up(worker: bool) -> None:
    """Serve gRPC and HTTP until SIGTERM or Ctrl-C."""

    async def use(bridge: Bridge, url: str) -> None:
        settings = bridge.settings
        click.echo(
            f"cerebros-bridge serves gRPC on {settings.grpc_address} and http://{settings.http_address}",
            err=True,
        )
        await until_signalled(asyncio.create_task(serve(bridge, url, with_worker=worker)))

    on_bridge(use)


@main.command()
@click.option("--stdio", is_flag=True, help="Speak on standard input and output instead of descriptors 3 and 4.")
@click.option("--worker/--no-worker", default=True, help="Also run a worker process.")
def port(stdio: bool, worker: bool) -> None:
    """Speak the Erlang port protocol until the owner closes it."""
    import uvloop

    from bridge.transports.port.session import serve_port

    async def use(bridge: Bridge, url: str) -> None:
        settings = msgspec.structs.replace(bridge.settings, drain_s=min(bridge.settings.drain_s, OWNERLESS_S))
        working = asyncio.create_task(keep_worker(settings, url)) if worker else None
        try:
            await until_signalled(asyncio.create_task(serve_port(bridge, stdio=stdio)))
        finally:
            if working is not None:
                await ask_to_end(working)

    # A call that needs no database takes a third less time on it (make bench-beam).
    on_bridge(use, loop_factory=uvloop.new_event_loop)
    _leave()


@main.command()
@click.option("--until-idle", is_flag=True, help="End when no run waits.")
@click.option("--queue", type=click.Choice(get_args(Queue)), help="Take runs from this queue; CEREBROS_QUEUE else.")
def worker(until_idle: bool, queue: Queue | None) -> None:
    """Claim runs and work on them; SIGTERM gives the current run back and ends."""
    die_with_parent(signal.SIGTERM)

    async def use(bridge: Bridge, _url: str) -> None:
        await until_signalled(asyncio.create_task(runner_on(bridge, queue=queue).work(until_idle=until_idle)))

    on_bridge(use)
    _leave()


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    with migrated_database(read_settings()):
        click.echo("the database has the newest schema", err=True)


@main.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--pac", required=True, help="The PAC the capability is for.")
@click.option("--trials", type=int, help="Candidates to train.")
@click.option("--epochs", type=int, help="Passes over the training rows per candidate, at most.")
@click.option("--rungs", type=int, help="More than 1: only the best third of the candidates goes on from each rung.")
@click.option("--repeats", type=int, help="Seeds that each finalist is trained with before one is chosen.")
@click.option("--population", type=int, help="New candidates that one process trains side by side.")
@click.option("--parameters", type=int, help="Trainable weights a candidate may have.")
@click.option("--flops", type=int, help="Operations that one prediction of a candidate may take.")
@click.option("--wall-s", type=float, help="Seconds the search may take.")
@click.option("--task", default="", help="What the PAC shall be able to do, in words.")
@click.option("--objectives", help="What to search for: names with commas between, or one set, such as edge.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A hard limit: latency=0.001.")
@click.option("--sampler", type=click.Choice(get_args(Sampler)), help="What proposes candidates.")
@click.option("--warm-start", metavar="RUN", help="An ended run on the same dataset whose trials are known already.")
@click.option("--candidates", type=click.File("rb"), help="A shortlist, as `call shortlist` prints it, to try first.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option("--run-id", help="Resume or repeat this run.")
@as_json
def cycle(
    manifest: Path,
    pac: str,
    objectives: str | None,
    limits: tuple[str, ...],
    candidates: BinaryIO | None,
    json: bool,
    **given: Any,
) -> None:
    """Run a whole training cycle for a PAC and show its front and its new capability version."""
    spend = {name: given.pop(name) for name in Budget.__struct_fields__ if name in given}
    budget = msgspec.structs.replace(Budget(), **_given(spend))
    request = StartRun(
        pac_id=pac,
        manifest=str(manifest),
        budget=budget,
        limits=dict(map(_limit, limits)),
        candidates=_reviewed(candidates) if candidates else (),
        **_given(given | {"objectives": tuple(objectives.split(",")) if objectives else None}),
    )

    async def work(bridge: Bridge, run_id: str) -> None:
        events = watch(bridge, _raw(WatchRun(run_id=run_id)))
        working = asyncio.create_task(runner_on(bridge, only=run_id).work())
        watching = asyncio.create_task(show.progress(events, budget.trials))
        try:
            # The worker works until cancelled; when it ends first it has failed, and says how.
            done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            await ask_to_end(working, watching)

    async def use(bridge: Bridge, _url: str) -> bool:
        run_id = (await call(bridge, "start_run", _raw(request))).run_id  # type: ignore[attr-defined]
        await until_signalled(asyncio.create_task(work(bridge, run_id)))
        ended = await call(bridge, "get_run", {"run_id": run_id})
        show.cycle(ended, json=json)  # type: ignore[arg-type]
        succeeded: bool = ended.state == "succeeded"  # type: ignore[attr-defined]
        return succeeded

    if not on_bridge(use, log_level="error"):
        raise SystemExit(1)


@main.command(name="call")
@click.argument("procedure")
@click.argument("request", default="{}")
def call_procedure(procedure: str, request: str) -> None:
    """Call any procedure with a JSON object; watch_run prints one event a line."""
    raw = _json_object(request)

    async def use(bridge: Bridge, _url: str) -> None:
        if procedure == STREAM:
            async for event in watch(bridge, raw):
                show.json_line(event)
        else:
            show.json_line(await call(bridge, procedure, raw))

    on_bridge(use, log_level="error")


@main.group()
def dataset() -> None:
    """Check datasets against their manifests."""


@dataset.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@as_json
def check(manifest: Path, json: bool) -> None:
    """Read a dataset, check it and report."""
    request = _raw(CheckDataset(manifest=str(manifest)))
    show.report(on_bridge(lambda bridge, _: call(bridge, "check_dataset", request), log_level="error"), json=json)


@dataset.command()
def schema() -> None:
    """Print the manifest format as JSON Schema."""
    show.json_line(manifest_schema())


@main.group()
def gate() -> None:
    """Ask the Balance Readiness Gate."""


@gate.command(name="check")
@click.option("--pac", help="Only this PAC's runs and verdicts.")
@as_json
def check_gate(pac: str | None, json: bool) -> None:
    """Show the gate's findings; exit status 1 when one is critical."""
    request = _raw(CheckGate(pac_id=pac))
    report = on_bridge(lambda bridge, _: call(bridge, "check_gate", request), log_level="error")
    show.gate(report, json=json)
    if report.overall_status == "critical":
        raise SystemExit(1)


@main.command()
@click.argument("pac")
@as_json
def vcv(pac: str, json: bool) -> None:
    """Show a PAC's current capability vector."""
    request = _raw(GetCapability(pac_id=pac))
    show.vcv(on_bridge(lambda bridge, _: call(bridge, "get_capability", request), log_level="error"), json=json)


@main.command()
@click.argument("run_id")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export(run_id: str, file: Path) -> None:
    """Write a run's model as ONNX; where FILE ends with .db, its trials as a study for Optuna and its dashboard."""
    if file.suffix == ".db":
        _needing("optuna", "optuna")
        from bridge.nas.optuna_export import export_trials  # 0.3 s

        on_bridge(lambda bridge, _: export_trials(bridge, run_id, file), log_level="error")
        click.echo(f"wrote {file}; open it with storage sqlite:///{file}", err=True)
        return
    _needing("onnx", "onnx", "onnxscript")

    async def use(bridge: Bridge, _url: str) -> bytes:
        listed = await call(bridge, "list_artifacts", _raw(ListArtifacts(run_id=run_id)))
        digests = {artifact.kind: artifact.digest for artifact in listed.artifacts}  # type: ignore[attr-defined]
        if not {"weights", "description"} <= digests.keys():
            raise FailedPrecondition(f"run {run_id!r} has no model yet; wait until its score stage is done")
        job = ExportJob(bridge.artifacts.read(digests["description"]), bridge.artifacts.read(digests["weights"]))
        return (await bridge.jobs.run(job, Exported)).onnx

    file.write_bytes(on_bridge(use, log_level="error"))
    click.echo(f"wrote {file}", err=True)


@main.command()
@click.argument("run_id")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def report(run_id: str, file: Path) -> None:
    """Write a run's fronts, curves and winning network as one HTML page that works offline."""
    _needing("report", "plotly")
    from bridge.cli.report import architecture_of, page

    async def use(bridge: Bridge, _url: str) -> str:
        run = await call(bridge, "get_run", {"run_id": run_id})
        trials, payload = await bridge.runs.trials_of(run_id), await bridge.runs.payload_of(run_id)
        listed = await call(bridge, "list_artifacts", _raw(ListArtifacts(run_id=run_id)))
        model = [one.digest for one in listed.artifacts if one.kind == "description"]  # type: ignore[attr-defined]
        drawn = architecture_of(bridge.artifacts.read(model[0])) if model else None
        return page(run, trials, payload.goals, drawn)  # type: ignore[arg-type]

    file.write_text(on_bridge(use, log_level="error"))
    click.echo(f"wrote {file}", err=True)


@main.command()
@as_json
def doctor(json: bool) -> None:
    """Find out what would keep the bridge from working here."""
    findings = examine(read_settings())
    show.findings(findings, json=json)
    if not all(finding.well for finding in findings):
        raise SystemExit(1)


def _needing(extra: str, *modules: str) -> None:
    """Refuse, before anything is begun, what an extra that is not installed would be needed for."""
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise FailedPrecondition(f"this needs {', '.join(absent)}; pip install 'cerebros-bridge[{extra}]'")


def _leave() -> NoReturn:
    """End with status 0 now: everything is closed, and taking the interpreter apart would take longer than that did."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _raw(request: msgspec.Struct) -> dict[str, Any]:
    raw: dict[str, Any] = msgspec.to_builtins(request)
    return raw


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _limit(given: str) -> tuple[str, float]:
    name, _, value = given.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise InvalidArgument(f"limit {given!r} is not NAME=VALUE; an example: latency=0.001") from None


def _reviewed(shortlist: BinaryIO) -> tuple[dict[str, Any], ...]:
    try:
        return tuple(one.tree for one in msgspec.json.decode(shortlist.read(), type=Shortlist).candidates)
    except msgspec.DecodeError as problem:
        raise InvalidArgument(f"{shortlist.name} is no shortlist: {problem}; `call shortlist` prints one") from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as problem:
        raise InvalidArgument(
            f'the request is not a JSON object: {problem}; an example: \'{{"run_id": "a"}}\''
        ) from None
