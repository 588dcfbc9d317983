"""Figures as Prometheus text (format 0.0.4).

All but the log is counted in the database, so a restart of the service loses
no count and several services report the same. Ids never become labels. The
release gate's findings are exported with their status, so that alerts need no
limits of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from cerebros.gate import SEVERITY, Finding
from telemetry.figures import Figures
from telemetry.logs import left_out

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(figures: Figures, findings: tuple[Finding, ...]) -> str:
    """Return the exposition text of these figures and of the gate's findings."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(figures, findings))
    return generate_latest(registry).decode()


class _Snapshot(Collector):
    def __init__(self, figures: Figures, findings: tuple[Finding, ...]) -> None:
        self._figures = figures
        self._findings = findings

    def collect(self) -> Iterable[Metric]:
        yield from _occupation(self._figures)
        yield from _runs(self._figures)
        yield from _trials(self._figures)
        yield from _capabilities(self._figures)
        yield _gate(self._findings)
        yield _log()


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _occupation(figures: Figures) -> Iterable[Metric]:
    now = figures.occupation
    yield _gauge("cerebros_workers", "Workers that gave a sign of life in the last 30 seconds.", now.workers)
    yield _gauge("cerebros_queue_depth", "Runs waiting for a worker.", now.queued)
    yield _gauge("cerebros_runs_running", "Runs a worker holds.", now.running)
    yield _gauge("cerebros_expired_leases", "Running runs whose worker is overdue.", now.expired_leases)
    yield CounterMetricFamily(
        "cerebros_refused_writes", "Writes of workers that had lost their claim.", value=now.refused_writes
    )


def _runs(figures: Figures) -> Iterable[Metric]:
    gate = figures.gate
    runs = GaugeMetricFamily("cerebros_runs", "Runs by kind and state.", labels=["kind", "state"])
    seconds = CounterMetricFamily(
        "cerebros_run_duration_seconds",
        "Seconds that ended runs took, start to end.",
        labels=["kind", "state"],
    )
    for figure in figures.runs:
        runs.add_metric([figure.kind, figure.state], figure.runs)
        seconds.add_metric([figure.kind, figure.state], figure.duration_s)
    yield from (runs, seconds)
    yield _gauge(
        "cerebros_runs_without_telemetry",
        "Succeeded runs without a stop event that has duration, cost and energy.",
        gate.runs_without_telemetry,
    )
    if gate.last_success_age_s is not None:
        yield _gauge("cerebros_last_success_age_seconds", "Age of the newest success.", gate.last_success_age_s)
    if gate.failed_share is not None:
        yield _gauge("cerebros_failed_share_last_day", "Share of the last day's runs that failed.", gate.failed_share)


def _trials(figures: Figures) -> Iterable[Metric]:
    families = {
        "trials": CounterMetricFamily("cerebros_trials", "Finished trials by outcome.", labels=["outcome"]),
        "duration_s": CounterMetricFamily(
            "cerebros_trial_duration_seconds", "Seconds of training and measuring.", labels=["outcome"]
        ),
        "cpu_s": CounterMetricFamily("cerebros_trial_cpu_seconds", "CPU seconds of trials.", labels=["outcome"]),
        "energy_j": CounterMetricFamily("cerebros_trial_energy_joules", "Energy of trials.", labels=["outcome"]),
        "cost_usd": CounterMetricFamily("cerebros_trial_cost_usd", "Cost of trials in US dollars.", labels=["outcome"]),
    }
    for figure in figures.trials:
        for field, family in families.items():
            family.add_metric([figure.outcome], getattr(figure, field))
    yield from families.values()


def _capabilities(figures: Figures) -> Iterable[Metric]:
    yield _gauge("cerebros_vcv_entries", "Versions of capability vectors.", figures.vcv.entries)
    yield _gauge("cerebros_vcv_pacs", "PACs that have a capability vector.", figures.vcv.pacs)
    if figures.gate.verdict_age_s is not None:
        allows = float(figures.gate.last_decision == "allow")
        yield _gauge("cerebros_verdict_age_seconds", "Age of the newest policy verdict.", figures.gate.verdict_age_s)
        yield _gauge("cerebros_verdict_allows", "Whether the newest policy verdict allows.", allows)


def _gate(findings: tuple[Finding, ...]) -> Metric:
    meanings = ", ".join(f"{severity} {status}" for status, severity in SEVERITY.items())
    family = GaugeMetricFamily("cerebros_gate_status", f"The release gate's rules: {meanings}.", labels=["rule"])
    for finding in findings:
        family.add_metric([finding.rule], SEVERITY[finding.status])
    return family


def _log() -> Metric:
    lines = left_out()
    family = CounterMetricFamily(
        "cerebros_log_lines_left_out",
        "Lines of the log that this server process did not write: too many of their kind in a second, or no room.",
        labels=["reason"],
    )
    family.add_metric(["too_many"], lines.too_many)
    family.add_metric(["no_room"], lines.no_room)
    return family
