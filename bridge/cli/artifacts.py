"""Commands that make files of a run: its model, its trials as a study, its report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bridge.api.bridge import Bridge, decode
from bridge.cli.opened import caller, on_bridge, require_installed
from bridge.contract.runs import GetRun, ListArtifacts
from bridge.nas.search import earlier_search
from bridge.nas.work import EXPORT, ExportJob
from bridge.runs.procedures import GET_RUN, LIST_ARTIFACTS
from cerebros.errors import FailedPrecondition

_to_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@contextmanager
def _written(file: Path) -> Iterator[Path]:
    """Yield a new name beside `file` to write to; it becomes `file` when the work is done, and leaves nothing when not.

    Raises:
        FailedPrecondition: nothing can be written there; said before any work.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".cerebros-", dir=file.absolute().parent) as folder:
            draft = Path(folder) / "draft"
            yield draft
            draft.replace(file)
    except OSError as problem:
        raise FailedPrecondition(
            f"{file} cannot be written: {problem.strerror}; name a file in a directory of yours"
        ) from None
    click.echo(f"wrote {file}", err=True)


@click.command()
@click.argument("run_id")
@_to_file
def export(run_id: str, file: Path) -> None:
    """Write a run's model as ONNX; where FILE ends with .db, its trials as a study for Optuna and its dashboard."""
    if file.suffix == ".db":
        _export_trials(run_id, file)
        return
    require_installed("onnx", "onnx", "onnxscript")
    with _written(file) as draft:
        draft.write_bytes(on_bridge(lambda bridge: _onnx(bridge, run_id), log_level="error"))


def _export_trials(run_id: str, file: Path) -> None:
    require_installed("optuna", "optuna")
    from bridge.nas.optuna_export import export_trials  # 0.3 s

    with _written(file) as draft:
        if file.exists():
            shutil.copyfile(file, draft)  # the studies that it has stay in it
        on_bridge(lambda bridge: export_trials(bridge.deps, run_id, draft), log_level="error")
    click.echo(f"open it with storage sqlite:///{file}", err=True)


async def _onnx(bridge: Bridge, run_id: str) -> bytes:
    digests = await _digests(bridge, run_id)
    if not {"weights", "description"} <= digests.keys():
        raise FailedPrecondition(f"run {run_id!r} has no model yet; wait until its score stage is done")
    files = bridge.deps.artifacts
    job = ExportJob(files.read(digests["description"]), files.read(digests["weights"]))
    return (await bridge.deps.jobs.run(EXPORT, job)).onnx


async def _digests(bridge: Bridge, run_id: str) -> dict[str, str]:
    """Return the digests of a run's artifacts by their kinds."""
    listed = await bridge.ask(LIST_ARTIFACTS, caller(), decode({"run_id": run_id}, ListArtifacts))
    return {artifact.kind: artifact.digest for artifact in listed.artifacts}


@click.command()
@click.argument("run_id")
@_to_file
def report(run_id: str, file: Path) -> None:
    """Write a run's Pareto set, curves and winning network as one HTML page that works offline."""
    require_installed("report", "plotly")
    with _written(file) as draft:
        draft.write_text(on_bridge(lambda bridge: _page(bridge, run_id), log_level="error"), encoding="utf-8")


async def _page(bridge: Bridge, run_id: str) -> str:
    from bridge.cli.report import architecture_of, page  # plotly is an extra

    deps = bridge.deps
    run = await bridge.ask(GET_RUN, caller(), decode({"run_id": run_id}, GetRun))
    goals = (await earlier_search(run_id, deps)).goals
    model = (await _digests(bridge, run_id)).get("description")
    drawn = architecture_of(deps.artifacts.read(model)) if model else None
    return page(run, await deps.trials.trials_of(run_id), goals, drawn)
