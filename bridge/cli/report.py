"""A run as one HTML page with its pictures; it works without a network, for plotly.js lies in the page itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from bridge.contract.runs import Run, Trial
from cerebros.metrics import TrainingMetrics
from cerebros.nets.picture import svg
from cerebros.nets.space import cerebros_space
from cerebros.nets.wiring import Architecture, wire, without_links
from cerebros.search import pareto
from cerebros.search.hypervolume import volumes
from cerebros.search.importance import importances, key_values
from cerebros.search.objectives import ObjectiveSet, losses, objectives_named
from cerebros.space.rose_tree import Value

# What the accuracy is traded against: field, heading, factor to the unit shown.
AGAINST = (
    ("latency_p50_s", "latency p50 (µs)", 1e6),
    ("energy_j", "training energy (J)", 1.0),
    ("cost_usd", "training cost (USD)", 1.0),
    ("parameters", "parameters", 1.0),
)
PARETO, REST = "#dc2626", "#94a3b8"

_STYLE = """body{font-family:system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#0f172a}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #e2e8f0;text-align:left}
svg{max-width:100%;height:auto}h2{margin-top:2.5rem}"""


class _Described(msgspec.Struct):
    """Of a model's description what a picture needs; the whole of it would import torch."""

    architecture: Architecture


def architecture_of(description: bytes) -> Architecture:
    """The network a stored model's description tells of."""
    return msgspec.json.decode(description, type=_Described).architecture


def page(run: Run, trials: Sequence[Trial], goals: ObjectiveSet, architecture: Architecture | None = None) -> str:
    """The report of a run.

    Args:
        trials: all of the run's, with their trees.
        goals: what the run searched for.
        architecture: of the promoted model; without it the most accurate trial's network is drawn.
    """
    measured = [trial for trial in trials if trial.metrics is not None]
    sections = [f"<h1>Run {escape(run.run_id)}</h1>", _facts(run, trials, goals)]
    if measured:
        pareto_set = {trial.number for trial in run.pareto_set or ()}
        drawn = architecture or _most_accurate(measured)
        sections += [
            _section("What accuracy costs", _trade_offs(measured, pareto_set)),
            _section("Hypervolume over trials", _volumes(measured, goals)),
            _section("Trials side by side", _coordinates(measured)),
            _section("What mattered", _importance(measured)),
            "<h2>The winning network</h2>" + svg(drawn),
            _section("Training curves", _curves(trials, pareto_set)),
        ]
    body = "\n".join(sections)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Run {escape(run.run_id)}</title>'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>{body}</body></html>"
    )


def _facts(run: Run, trials: Sequence[Trial], goals: ObjectiveSet) -> str:
    facts = {
        "PAC": run.pac_id,
        "dataset": run.dataset,
        "objectives": ", ".join(goals.names),
        "state": run.state,
        "trials": f"{len(trials)}, {sum(trial.metrics is not None for trial in trials)} of them with figures",
        "promoted version": run.promoted_version if run.promoted_version is not None else "none",
    }
    if run.metrics is not None:
        facts |= {
            f"held-out {run.metrics.accuracy_kind}": f"{run.metrics.accuracy:.4f}",
            "latency p50 / p95": f"{run.metrics.latency_p50_s * 1e6:.0f} / {run.metrics.latency_p95_s * 1e6:.0f} µs",
            "energy": f"{run.metrics.energy_j:.2f} J ({run.metrics.energy_method})",
            "measured on": run.metrics.device,
        }
    if run.error is not None:
        facts["error"] = f"{run.error.code}: {run.error.message}"
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    return f"<table>{rows}</table>"


def _section(title: str, figure: go.Figure | None) -> str:
    if figure is None:
        return ""
    figure.update_layout(template="plotly_white")
    drawn: str = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
    return f"<h2>{escape(title)}</h2>{drawn}"


def _trade_offs(measured: Sequence[Trial], pareto_set: set[int]) -> go.Figure:
    """Accuracy against each price, the run's Pareto set in red; the line joins what nothing beats in the two alone."""
    figure = make_subplots(rows=2, cols=2, subplot_titles=[heading for _, heading, _ in AGAINST])
    accuracy = np.array([trial.metrics.accuracy for trial in measured if trial.metrics])
    for place, (field, heading, factor) in enumerate(AGAINST):
        where: dict[str, Any] = {"row": place // 2 + 1, "col": place % 2 + 1}
        price = np.array([getattr(trial.metrics, field) * factor for trial in measured])
        best = pareto.pareto_set(np.column_stack([-accuracy, price]))
        best = best[np.argsort(price[best])]
        line = go.Scatter(
            x=price[best], y=accuracy[best], mode="lines", line={"shape": "hv", "color": PARETO, "width": 1}
        )
        dots = go.Scatter(
            x=price,
            y=accuracy,
            mode="markers",
            marker={"color": [PARETO if trial.number in pareto_set else REST for trial in measured], "size": 8},
            text=[f"trial {trial.number}" for trial in measured],
            hovertemplate="%{text}<br>%{y:.4f} at %{x:.4g}<extra></extra>",
        )
        figure.add_traces([line, dots], rows=[where["row"]] * 2, cols=[where["col"]] * 2)
        figure.update_xaxes(
            exponentformat="power", type="log" if (price > 0).all() else "linear", title=heading, **where
        )
        figure.update_yaxes(title=_accuracy_kind(measured), **where)
    return figure.update_layout(showlegend=False, height=760)


def _volumes(measured: Sequence[Trial], goals: ObjectiveSet) -> go.Figure:
    """The share of the final hypervolume after each trial, measured from the search's own reference point."""
    objectives = objectives_named(goals.names)
    table = np.array([losses(trial.metrics, objectives) for trial in measured if trial.metrics])
    beaten = volumes(table, goals.targets().reference_for(table))
    share = beaten / beaten[-1] if beaten[-1] > 0 else beaten  # no trial may be within the run's hard limits
    figure = go.Figure(go.Scatter(x=[trial.number for trial in measured], y=share, mode="lines", line={"shape": "hv"}))
    figure.update_xaxes(title="trial")
    return figure.update_yaxes(title="share of the final hypervolume", range=[0, 1.02])


def _coordinates(measured: Sequence[Trial]) -> go.Figure | None:
    """Figures and decisions as parallel axes; drag along an axis to pick trials."""
    values = _decisions(measured)
    columns: dict[str, list[Any]] = {
        _short(key): [one.get(key) for one in values] for key in sorted({key for one in values for key in one})
    }
    figures = {
        "accuracy": [trial.metrics.accuracy for trial in measured if trial.metrics],
        **{
            heading: [getattr(trial.metrics, field) * factor for trial in measured]
            for field, heading, factor in AGAINST
        },
    }
    dimensions = [_axis(name, column) for name, column in (columns | figures).items()]
    line = {"color": figures["accuracy"], "colorscale": "Viridis", "showscale": True}
    return go.Figure(go.Parcoords(line=line, dimensions=dimensions, labelangle=-30, labelside="bottom")).update_layout(
        height=560, margin={"l": 110, "b": 120}
    )


def _axis(name: str, column: Sequence[Any]) -> dict[str, Any]:
    if any(isinstance(value, str) for value in column):
        options = sorted({str(value) for value in column})
        codes = [options.index(str(value)) for value in column]
        return {"label": name, "values": codes, "tickvals": list(range(len(options))), "ticktext": options}
    return {"label": name, "values": [0.0 if value is None else float(value) for value in column]}


def _importance(measured: Sequence[Trial]) -> go.Figure | None:
    """Each key's share of the variance of accuracy and of each price, by itself."""
    values = _decisions(measured)
    explained = {
        heading: importances(values, [float(getattr(trial.metrics, field)) for trial in measured])
        for field, heading, _ in (("accuracy", "accuracy", 1.0), *AGAINST)
    }
    if not any(explained.values()):
        return None
    keys = sorted(explained["accuracy"], key=explained["accuracy"].__getitem__)
    bars = [
        go.Bar(name=heading, y=[_short(key) for key in keys], x=[of[key] for key in keys], orientation="h")
        for heading, of in explained.items()
    ]
    figure = go.Figure(bars).update_layout(height=60 + 42 * len(keys), legend_traceorder="reversed")
    return figure.update_xaxes(title="share of variance explained by the key alone (ε²)", range=[0, 1])


def _curves(trials: Sequence[Trial], pareto_set: set[int]) -> go.Figure | None:
    """Validation loss by epoch; the run's Pareto set in red."""
    recorded = sorted((trial for trial in trials if trial.curve), key=lambda trial: trial.number in pareto_set)
    if not recorded:
        return None
    lines = [
        go.Scatter(
            x=list(range(1, len(trial.curve) + 1)),
            y=trial.curve,
            mode="lines+markers" if len(trial.curve) == 1 else "lines",
            name=f"trial {trial.number} ({trial.outcome})",
            line={"color": PARETO if trial.number in pareto_set else REST, "width": 1.5},
        )
        for trial in recorded
    ]
    figure = go.Figure(lines).update_layout(showlegend=False)
    return figure.update_xaxes(title="epoch").update_yaxes(title="validation loss", type="log")


def _decisions(measured: Sequence[Trial]) -> list[dict[str, Value]]:
    space = cerebros_space()
    trees = [without_links(trial.tree) for trial in measured]
    return [key_values(space, tree) if space.holds(tree) else {} for tree in trees]


def _most_accurate(measured: Sequence[Trial]) -> Architecture:
    best = max(measured, key=_accuracy)
    # Links do not depend on how wide inputs and outputs are, and a trial does not tell.
    return wire(best.tree, 1, 1)


def _accuracy(trial: Trial) -> float:
    metrics: TrainingMetrics | None = trial.metrics
    return metrics.accuracy if metrics else -np.inf


def _accuracy_kind(measured: Sequence[Trial]) -> str:
    return next(trial.metrics.accuracy_kind for trial in measured if trial.metrics)


def _short(key: str) -> str:
    """`network/level/unit.neurons` as `unit.neurons`: the path above a key's node is the same for all."""
    return key.rsplit("/", 1)[-1]
