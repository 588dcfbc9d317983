"""The report of a real run is a page that needs nothing but itself."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from bridge.procedures import call
from bridge.report import architecture_of, page
from tests.bridge.test_cycle import finished
from tests.conftest import EXAMPLES

TITLES = (
    "What accuracy costs",
    "Hypervolume over trials",
    "Trials side by side",
    "What mattered",
    "The winning network",
    "Training curves",
)


@pytest.fixture(scope="module")
async def run_and_trials(bridge):
    request = {
        "run_id": "reported",
        "pac_id": "reporter",
        "manifest": str(EXAMPLES / "breast_cancer.toml"),
        "budget": {"trials": 9, "epochs": 3, "probes": 4, "shortlist": 2},
    }
    await finished(bridge, request)
    return await call(bridge, "get_run", {"run_id": "reported"}), await bridge.runs.trials_of("reported")


class Outside(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.wanted += [value for name, value in attributes if name in ("src", "href") and value]


async def test_the_page_has_every_picture_and_fetches_nothing(run_and_trials):
    html = page(*run_and_trials)
    assert tuple(re.findall(r"<h2>([^<]*)</h2>", html)) == TITLES
    browser = Outside()
    browser.feed(html)
    assert browser.wanted == []
    assert html.count("Plotly.newPlot(") >= 5


async def test_every_trial_with_figures_is_on_the_page(run_and_trials):
    run, trials = run_and_trials
    html = page(run, trials)
    assert all(f'"trial {trial.number}"' in html for trial in trials if trial.metrics)


async def test_the_promoted_models_own_description_can_be_drawn(bridge, run_and_trials):
    listed = await call(bridge, "list_artifacts", {"run_id": "reported"})
    (digest,) = [artifact.digest for artifact in listed.artifacts if artifact.kind == "description"]
    architecture = architecture_of(bridge.artifacts.read(digest))
    html = page(*run_and_trials, architecture)
    assert f"{architecture.inputs} inputs" in html
    assert html.count("<circle cx=") == len(architecture.units) + 2


async def test_a_run_without_trials_says_so_and_markup_in_names_stays_text(run_and_trials):
    run = msgspec.structs.replace(run_and_trials[0], run_id="<script>x</script>", front=(), metrics=None)
    html = page(run, [])
    assert "<h1>Run &lt;script&gt;x&lt;/script&gt;</h1>" in html
    assert "0, 0 of them with figures" in html
