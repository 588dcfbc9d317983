"""Answers as they look in a terminal; with `json` each is one JSON object on stdout."""

from __future__ import annotations

import sys

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.contract.capability import VcvEntry
from bridge.contract.figures import dollars, measured, significant, trials
from bridge.contract.operator import GateReport
from bridge.contract.runs import Run, RunEvent, RunList, Trial
from cerebros.data.check import DatasetReport
from cerebros.errors import CerebrosError
from cerebros.metrics import TrainingMetrics

COLOUR = {"healthy": "green", "warning": "yellow", "critical": "red"}


# Columns of what is written to no terminal.
PIPED_WIDTH = 110

# More columns than any table has.
UNBOUNDED = 10_000

# Characters that a terminal obeys instead of showing them, as they are shown.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def plain(text: str) -> str:
    """Return a text as it is, except that a terminal shows its control characters instead of obeying them."""
    return text.translate(_CONTROLS)


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints data as it is: brackets and colons in it mean nothing."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def duration(seconds: float) -> str:
    """A duration in the two largest units, such as `1 h 20 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def json_line(value: object) -> None:
    click.echo(msgspec.json.encode(value))


def refusal(error: CerebrosError, said: str, *, json: bool) -> None:
    """A typed error, said in the caller's words: one line on stderr, and with `json` an object on stdout."""
    if json:
        json_line({"error": {"code": error.code, "class": error.error_class, "message": said}})
    click.echo(plain(f"{error.code}: {said}"), err=True)


def run(found: Run, *, json: bool) -> None:
    """Show a run's Pareto set, held-out score and promoted version, as far as it has them, or the error."""
    if json:
        json_line(found)
        return
    out = console()
    if (table := _candidates(found)).row_count:
        _table(table)
    if found.promoted_version is not None:
        out.print(plain(f"PAC {found.pac_id}: capability vector version {found.promoted_version} promoted"))
    if found.error is not None:
        out.print(plain(f"run {found.run_id} {found.state}: {found.error.code}: {found.error.message}"), style="red")
    elif found.promoted_version is None:
        out.print(plain(f"run {found.run_id} {found.state}"))


def next_steps(found: Run) -> None:
    """Tell on stderr how to go on after a run of this process."""
    if found.finished_at is None:
        said = f"nothing of the run is lost; go on with --run-id {found.run_id}"
    elif found.promoted_version is not None:
        said = (
            f"next:\n  `cerebros-bridge vcv {found.pac_id}` has what the PAC can do now\n"
            f"  `cerebros-bridge report {found.run_id} run.html` draws the run\n  `cerebros-bridge up` serves"
        )
    else:
        return
    click.echo(plain(said), err=True)


def runs(found: RunList, *, json: bool) -> None:
    """Show runs as a table, newest first."""
    if json:
        json_line(found)
        return
    table = Table()
    for heading in ("run", "PAC", "kind", "state", "dataset", "trials", "held-out", "version", "started"):
        table.add_column(heading, overflow="fold")
    for one in found.runs:
        table.add_row(*map(plain, _run_row(one)))
    if found.runs:
        _table(table)
    else:
        console().print("no runs yet; `cerebros-bridge cycle` starts one")


def _table(found: Table) -> None:
    """Print a table; where no terminal wraps it at its natural width, and on a narrow one a row as words on lines."""
    out = console()
    wanted = out.measure(found, options=out.options.update(max_width=UNBOUNDED))
    if not out.is_terminal:
        out.width = max(out.width, wanted.maximum)
    if wanted.minimum <= out.width:
        out.print(found)
        return
    if found.title:
        out.print(found.title)
    headings = [str(column.header) for column in found.columns]
    for first, *others in zip(*(column.cells for column in found.columns), strict=True):
        facts = ", ".join(f"{heading} {cell}" for heading, cell in zip(headings[1:], others, strict=True) if cell)
        out.print(f"{headings[0]} {first}: {facts}", overflow="fold")


def _run_row(one: Run) -> tuple[str, ...]:
    state = one.state if one.error is None else f"{one.state}: {one.error.code}"
    held_out = "" if one.metrics is None else f"{one.metrics.accuracy:.4f}"
    version = "" if one.promoted_version is None else str(one.promoted_version)
    return (
        one.run_id,
        one.pac_id,
        one.kind,
        state,
        one.dataset,
        trials(one),
        held_out,
        version,
        "" if one.started_at is None else one.started_at.strftime("%Y-%m-%d %H:%M"),
    )


def event(found: RunEvent, *, json: bool) -> None:
    """Show an event on a line: its number, its time, its name, and what it tells."""
    if json:
        json_line(found)
        return
    told = {**found.metadata, **found.measurements}
    facts = [
        f"{name}={significant(value) if isinstance(value, float) else value}"
        for name, value in told.items()
        if value is not None and name != "run_id"
    ]
    name = found.name.removeprefix("cerebros.")
    click.echo(plain(f"{found.seq:>5} {found.at:%H:%M:%S} {name:<16} {' '.join(facts)}"))


def _candidates(ended: Run) -> Table:
    """The trials of the Pareto set and the held-out score; without rows for a run that has neither."""
    table = Table(title=plain(f"Run {ended.run_id}: candidates no other candidate beats"))
    for heading in ("trial", *_HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in sorted(ended.pareto_set or (), key=_by_accuracy):
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
        measured(metrics.latency_p50_s, "s"),
        f"{measured(metrics.energy_j, 'J')} ({metrics.energy_method})",
        dollars(metrics.cost_usd),
        measured(metrics.duration_s, "s"),
        f"{metrics.parameters:,}",
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
        table.add_column(heading, overflow="fold")
    for finding in found.findings:
        table.add_row(finding.rule, Text(finding.status, COLOUR[finding.status]), plain(finding.message))
    console().print(table)


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
            "latency": measured(entry.latency_s, "s"),
            "energy / cost": f"{measured(entry.energy_j, 'J')} / {dollars(entry.cost_usd)}",
            "trust / reliability": f"{entry.trust:.2f} / {entry.reliability:.2f}",
            "run, artifact": f"{entry.run_id}, {entry.artifact_digest}",
            "created": entry.created_at.isoformat(timespec="seconds"),
        },
    )


def _pairs(title: str, pairs: dict[str, str]) -> None:
    table = Table(title=plain(title), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(name, plain(value))
    console().print(table)
