"""The page for people: the newest runs and capability vectors, as plain HTML made on the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from bridge.contract.capability import VcvEntry
from bridge.contract.figures import dollars, measured, trials
from bridge.contract.operator import HealthReport
from bridge.contract.runs import Run

# Of every answer that a browser shows: it is what it says, stands in no other site's frame, and tells no other site
# where its reader came from.
SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

# Nothing may be added to a page from elsewhere, and nothing sent elsewhere; a page says what it needs of its own.
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page_headers(needed: str) -> dict[str, str]:
    """Return the headers of a page that needs no more than this part of a Content-Security-Policy allows."""
    return {**SAFE, "content-security-policy": f"{_CLOSED}; {needed}"}


# The page carries its own style and loads nothing.
HEADERS = page_headers("style-src 'unsafe-inline'")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Cerebros bridge</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: 1.5rem 0; width: 100% }}
caption {{ font-size: 1.2rem; font-weight: 600; text-align: left }}
th, td {{ border-bottom: 1px solid #8884; padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top }}
@media (prefers-color-scheme: dark) {{ body {{ background: #16181d; color: #dfe3ea }} a {{ color: #8ab4f8 }} }}
</style>
</head>
<body>
<h1>Cerebros bridge</h1>
<p>{health}</p>
{runs}
{entries}
<p><a href="/console">GraphQL</a> · <a href="/metrics">metrics</a> · <a href="/readyz">readiness</a></p>
</body>
</html>
"""

_RUN_COLUMNS = ("Run", "PAC", "Kind", "State", "Dataset", "Trials", "Accepted", "Error")
_VCV_COLUMNS = ("PAC", "Version", "Task", "Accuracy", "Latency", "Cost", "Energy", "Trust", "Written")


def newest_page(health: HealthReport, runs: Iterable[Run], entries: Iterable[VcvEntry]) -> str:
    """Return the page as HTML."""
    return _PAGE.format(
        health=escape(
            f"Version {health.version}; database {health.database}; {health.workers} workers, "
            f"{health.running} runs in work, {health.queued} waiting."
        ),
        runs=_table("Runs", _RUN_COLUMNS, map(_run_row, runs)),
        entries=_table("Capability vectors", _VCV_COLUMNS, map(_vcv_row, entries)),
    )


def _run_row(run: Run) -> tuple[str, ...]:
    return (
        run.run_id,
        run.pac_id,
        run.kind,
        run.state,
        run.dataset,
        trials(run) or ("none yet" if run.finished_at is None else "none"),
        _minute(run.created_at),
        "" if run.error is None else f"{run.error.code}: {run.error.message}",
    )


def _vcv_row(entry: VcvEntry) -> tuple[str, ...]:
    return (
        entry.pac_id,
        str(entry.version),
        entry.task,
        f"{entry.accuracy:.4f}",
        measured(entry.latency_s, "s"),
        dollars(entry.cost_usd),
        measured(entry.energy_j, "J"),
        f"{entry.trust:.2f}",
        _minute(entry.created_at),
    )


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M %Z")


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # The only place where values become HTML, so the only place that escapes.
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        body = f'<tr><td colspan="{len(columns)}">none yet</td></tr>'
    return f"<table>\n<caption>{escape(caption)}</caption>\n<tr>{head}</tr>\n{body}\n</table>"
