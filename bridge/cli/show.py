"""Answers as they look in a terminal; with `json` each is one JSON object on stdout."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bridge.contract.capability import VcvEntry
from bridge.contract.operator import GateReport
from bridge.contract.runs import Run, RunEvent, Trial
from cerebros.data.check import DatasetReport
from cerebros.errors import CerebrosError
from cerebros.metrics import TrainingMetrics

COLOUR = {"healthy": "green", "warning": "yellow", "critical": "red"}


def json_line(value: object) -> None:
    click.echo(msgspec.json.encode(value))


def refusal(error: CerebrosError, *, json: bool) -> None:
    """A typed error: one line on stderr, and with `json` an object on stdout."""
    if json:
        json_line({"error": {"code": error.code, "class": error.error_class, "message": error.message}})
    click.echo(f"{error.code}: {error.message}", err=True)


async def progress(events: AsyncIterator[RunEvent]) -> None:
    """Follow a run on stderr until it has ended."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("queued", total=None)
        async for event in events:
            if event.name == "cerebros.run.queued":
                bars.update(bar, total=event.measurements["trials"] or None)
            elif event.name == "cerebros.stage.start":
                bars.update(bar, description=str(event.metadata["stage"]))
            elif event.name == "cerebros.trial.stop":
                bars.advance(bar)


def run(ended: Run, *, json: bool) -> None:
    """Show a run's Pareto set, held-out score and promoted version, as far as it has them, or the error."""
    if json:
        json_line(ended)
        return
    console = Console(width=None if sys.stdout.isatty() else 110, markup=False)
    if (table := _candidates(ended)).row_count:
        console.print(table)
    if ended.promoted_version is not None:
        console.print(f"PAC {ended.pac_id}: capability vector version {ended.promoted_version} promoted")
    if ended.finished_at is None:
        console.print(f"run {ended.state}, nothing of it is lost; go on with --run-id {ended.run_id}")
    elif ended.error is not None:
        console.print(f"run {ended.state}: {ended.error.code}: {ended.error.message}", style="red")
    elif ended.promoted_version is None:
        console.print(f"run {ended.run_id} {ended.state}")


def _candidates(ended: Run) -> Table:
    """The trials of the Pareto set and the held-out score; without rows for a run that has neither."""
    table = Table(title=f"Run {ended.run_id}: candidates no other candidate beats")
    for heading in ("trial", *_HEADINGS):
        table.add_column(heading, justify="right")
    for trial in sorted(ended.pareto_set, key=_by_accuracy):
        if trial.metrics is not None:
            table.add_row(str(trial.number), *_figures(trial.metrics))
    if ended.metrics is not None:
        table.add_section()
        table.add_row("held-out", *_figures(ended.metrics), style="bold")
    return table


_HEADINGS = ("accuracy", "latency p50", "energy", "cost", "duration", "parameters")


def _figures(metrics: TrainingMetrics) -> tuple[str, ...]:
    return (
        f"{metrics.accuracy:.4f}",
        f"{metrics.latency_p50_s * 1e6:.0f} µs",
        f"{metrics.energy_j:.2f} J ({metrics.energy_method})",
        f"{metrics.cost_usd:.2e} USD",
        f"{metrics.duration_s:.2f} s",
        f"{metrics.parameters}",
    )


def _by_accuracy(trial: Trial) -> float:
    return -trial.metrics.accuracy if trial.metrics is not None else 0.0


def report(found: DatasetReport, *, json: bool) -> None:
    if json:
        json_line(found)
        return
    _pairs(
        f"Dataset {found.name}",
        {
            "digest": found.digest,
            "rows": str(found.rows),
            "split": f"train {found.train_rows}, validation {found.validation_rows}, test {found.test_rows}",
            "columns": f"{found.columns} ({found.features} features, label {found.label!r})",
            "missing values": ", ".join(f"{name}: {count}" for name, count in found.missing.items()) or "none",
            "NaN / infinity share": f"{found.nan_share:.4%} / {found.infinity_share:.4%}",
            "label balance": ", ".join(f"{name}: {count}" for name, count in found.label_balance.items()) or found.task,
            "duplicate rows": str(found.duplicates),
            "test rows seen in training": str(found.leaked_rows),
            "warnings": "\n".join(found.warnings) or "none",
        },
    )


def gate(found: GateReport, *, json: bool) -> None:
    if json:
        json_line(found)
        return
    table = Table(title=f"Balance Readiness Gate: {found.overall_status}")
    for heading in ("rule", "status", "finding"):
        table.add_column(heading)
    for finding in found.findings:
        table.add_row(finding.rule, f"[{COLOUR[finding.status]}]{finding.status}[/]", finding.message)
    Console().print(table)


def vcv(entry: VcvEntry, *, json: bool) -> None:
    if json:
        json_line(entry)
        return
    _pairs(
        f"PAC {entry.pac_id}, version {entry.version}",
        {
            "task": entry.task,
            "skills": ", ".join(entry.skills),
            "accuracy": f"{entry.accuracy:.4f}",
            "latency": f"{entry.latency_s * 1e6:.0f} µs",
            "energy / cost": f"{entry.energy_j:.2f} J / {entry.cost_usd:.2e} USD",
            "trust / reliability": f"{entry.trust:.2f} / {entry.reliability:.2f}",
            "run, artifact": f"{entry.run_id}, {entry.artifact_digest}",
            "created": entry.created_at.isoformat(timespec="seconds"),
        },
    )


def _pairs(title: str, pairs: dict[str, str]) -> None:
    table = Table(title=title, show_header=False)
    for name, value in pairs.items():
        table.add_row(name, value)
    Console(width=None if sys.stdout.isatty() else 110).print(table)
