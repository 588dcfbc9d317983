"""The report of a real run is a page that needs nothing but itself, and its pictures tell what was measured."""

import base64
import json
import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from bridge.cli.report import AGAINST, PARETO, architecture_of, page
from cerebros.nets.space import cerebros_space
from cerebros.search.hypervolume import hypervolume
from cerebros.search.objectives import Goal, ObjectiveSet, losses, objectives_named
from cerebros.search.pareto import nondominated
from tests.bridge.test_cycle import finished
from tests.calling import call, start_request
from tests.conftest import EXAMPLES

TITLES = (
    "What accuracy costs",
    "Hypervolume over trials",
    "Trials side by side",
    "What mattered",
    "The winning network",
    "Training curves",
)


# Not what a run searches for when nothing is said, and few enough for volumes to be exact.
GOALS = ObjectiveSet("asked for", "", (Goal("accuracy"), Goal("latency")))
EPOCHS = 3


@pytest.fixture(scope="module")
async def run_and_trials(bridge):
    request = start_request(
        run_id="reported",
        pac_id="reporter",
        kind="cycle",
        manifest=str(EXAMPLES / "breast_cancer.toml"),
        objectives=GOALS.names,
        budget={"trials": 9, "epochs": EPOCHS, "probes": 4, "shortlist": 2},
    )
    await finished(bridge, request)
    return await call(bridge, "get_run", {"run_id": "reported"}), await bridge.deps.trials.trials_of("reported")


@pytest.fixture(scope="module")
def measured(run_and_trials):
    """The trials with figures, and their losses."""
    trials = [trial for trial in run_and_trials[1] if trial.metrics]
    return trials, np.array([losses(trial.metrics, objectives_named(GOALS.names)) for trial in trials])


@pytest.fixture(scope="module")
def pictures(run_and_trials):
    return traces(page(*run_and_trials, GOALS))


def traces(html):
    """What each picture shows by its heading, read from the page as a browser reads it."""

    def numbers(found):
        return np.frombuffer(base64.b64decode(found["bdata"]), found["dtype"]) if "bdata" in found else found

    sections = [section.partition("</h2>") for section in html.split("<h2>")[1:]]
    plots = {title: rest.partition("Plotly.newPlot(")[2] for title, _, rest in sections}
    reader = json.JSONDecoder(object_hook=numbers)
    return {title: reader.raw_decode(plot[plot.index("[") :])[0] for title, plot in plots.items() if plot}


class Outside(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.wanted += [value for name, value in attributes if name in ("src", "href") and value]


async def test_the_page_has_every_picture_and_fetches_nothing(run_and_trials):
    html = page(*run_and_trials, GOALS)
    assert tuple(re.findall(r"<h2>([^<]*)</h2>", html)) == TITLES
    browser = Outside()
    browser.feed(html)
    assert browser.wanted == []
    assert html.count("Plotly.newPlot(") >= 5


async def test_every_trial_with_figures_is_on_the_page(run_and_trials):
    run, trials = run_and_trials
    html = page(run, trials, GOALS)
    assert all(f'"trial {trial.number}"' in html for trial in trials if trial.metrics)


async def test_the_promoted_models_own_description_can_be_drawn(bridge, run_and_trials):
    listed = await call(bridge, "list_artifacts", {"run_id": "reported"})
    (digest,) = [artifact.digest for artifact in listed.artifacts if artifact.kind == "description"]
    architecture = architecture_of(bridge.deps.artifacts.read(digest))
    html = page(*run_and_trials, GOALS, architecture)
    assert f"{architecture.inputs} inputs" in html
    assert html.count("<circle cx=") == len(architecture.units) + 2


async def test_a_run_without_trials_says_so_and_markup_in_names_stays_text(run_and_trials):
    run = msgspec.structs.replace(run_and_trials[0], run_id="<script>x</script>", pareto_set=None, metrics=None)
    html = page(run, [], GOALS)
    assert "<h1>Run &lt;script&gt;x&lt;/script&gt;</h1>" in html
    assert "0, 0 of them with figures" in html


def test_the_red_dots_are_the_trials_that_no_other_beats(pictures, measured):
    trials, table = measured
    best = nondominated(table)
    dots = [trace for trace in pictures["What accuracy costs"] if trace["mode"] == "markers"]
    for trace, (price, _, factor) in zip(dots, AGAINST, strict=True):
        assert trace["text"] == [f"trial {trial.number}" for trial in trials]
        assert np.array_equal(np.array(trace["marker"]["color"]) == PARETO, best)
        assert np.allclose(trace["x"], [getattr(trial.metrics, price) * factor for trial in trials])
        assert np.allclose(trace["y"], [trial.metrics.accuracy for trial in trials])


def test_volumes_are_those_of_the_runs_own_objectives_and_the_last_is_the_pareto_sets(pictures, measured):
    trials, table = measured
    reference = GOALS.targets().reference_for(table)
    of_set = hypervolume(table[nondominated(table)], reference)
    (trace,) = pictures["Hypervolume over trials"]
    assert list(trace["x"]) == [trial.number for trial in trials]
    assert trace["y"] == pytest.approx([hypervolume(table[: n + 1], reference) / of_set for n in range(len(table))])
    assert trace["y"][-1] == pytest.approx(1.0)


def test_where_no_trial_is_within_the_hard_limits_the_volume_stays_nothing(run_and_trials):
    unreachable = ObjectiveSet("unreachable", "", (Goal("latency", at_most=1e-12), Goal("accuracy")))
    (trace,) = traces(page(*run_and_trials, unreachable))["Hypervolume over trials"]
    assert not any(trace["y"])


def test_a_curve_has_a_point_for_each_epoch(pictures, run_and_trials):
    recorded = {trial.number: trial for trial in run_and_trials[1] if trial.curve}
    drawn = {int(trace["name"].split()[1]): trace for trace in pictures["Training curves"]}
    assert drawn.keys() == recorded.keys()
    for number, trace in drawn.items():
        assert list(trace["x"]) == list(range(1, len(recorded[number].curve) + 1))
        assert list(trace["y"]) == list(recorded[number].curve)
        if recorded[number].outcome == "ok":
            assert len(trace["y"]) == recorded[number].metrics.epochs == EPOCHS


def test_importance_names_keys_of_the_space_and_shares(pictures):
    keys = {f"{name}.{param}" for name, node in cerebros_space().types.items() for param in node.params} | {
        f"{name}#{slot.type}" for name, node in cerebros_space().types.items() for slot in node.slots
    }
    for trace in pictures["What mattered"]:
        assert set(trace["y"]) <= keys
        assert all(0.0 <= share <= 1.0 for share in trace["x"])


def test_parallel_coordinates_hold_every_trial_once(pictures, measured):
    trials, _ = measured
    (trace,) = pictures["Trials side by side"]
    axes = {axis["label"]: axis["values"] for axis in trace["dimensions"]}
    assert all(len(values) == len(trials) for values in axes.values())
    assert axes["accuracy"] == pytest.approx([trial.metrics.accuracy for trial in trials])
