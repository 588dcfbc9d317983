"""Whole runs, for real: real data, real networks, a real database."""

import asyncio
from dataclasses import fields

import msgspec
import numpy as np
import pytest

from bridge.datasets.work import Data
from bridge.jobs.settings import JobSettings
from bridge.nas.work import SCORE_MODEL, ScoreJob
from bridge.policy.rows import VerdictRows
from bridge.policy.seal import Seal
from bridge.service import worker_on
from cerebros.data.manifest import parse_manifest
from cerebros.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from cerebros.nets import wiring
from cerebros.nets.model_file import load_model
from cerebros.nets.wiring import count_flops, count_parameters
from cerebros.search.objectives import losses, objectives_named
from cerebros.search.pareto import nondominated
from telemetry.events import VOCABULARY
from tests.calling import call, start_request, watch, with_settings
from tests.conftest import EXAMPLES, SMALL


async def finished(bridge, request):
    """Start a run, work until it has ended, and return it with all its events."""
    started = await call(bridge, "start_run", request)
    working = asyncio.create_task(worker_on(bridge, only=started.run_id).work())
    try:
        events = [event async for event in watch(bridge, {"run_id": started.run_id})]
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return await call(bridge, "get_run", {"run_id": started.run_id}), events


@pytest.fixture(scope="module")
async def cycle(bridge):
    request = start_request(
        run_id="digits-cycle",
        pac_id="reader",
        kind="cycle",
        manifest=str(EXAMPLES / "digits.toml"),
        task="read postcodes",
        budget={"trials": 8, "epochs": 12, "probes": 4, "shortlist": 3},
    )
    return await finished(bridge, request)


async def test_a_cycle_promotes_a_model_that_reads_digits(cycle):
    run, _ = cycle
    assert run.state == "succeeded"
    assert run.stages_done == ("check", "shortlist", "search", "score", "verdict", "promote")
    assert run.metrics.accuracy > 0.9
    assert run.promoted_version == 1


async def test_events_are_numbered_from_one_without_gaps(cycle):
    run, events = cycle
    assert [event.seq for event in events] == list(range(1, run.last_seq + 1))
    assert events[0].name == "cerebros.run.queued"
    assert events[-1].name == "cerebros.run.stop"


async def test_every_event_carries_exactly_its_documented_keys(cycle):
    _, events = cycle
    documented = {
        kind.name: (set(kind.measured), {field.name for field in fields(kind)} - set(kind.measured))
        for kind in VOCABULARY
    }
    for event in events:
        assert (set(event.measurements), set(event.metadata)) == documented[event.name]


async def test_a_watcher_that_comes_back_sees_the_rest_and_nothing_twice(bridge, cycle):
    _, events = cycle
    again = [event async for event in watch(bridge, {"run_id": "digits-cycle", "after_seq": 5})]
    assert again == events[5:]


async def test_the_capability_vector_holds_the_measured_figures(bridge, cycle):
    run, _ = cycle
    entry = await call(bridge, "get_capability", {"pac_id": "reader"})
    assert (entry.version, entry.run_id, entry.task) == (1, "digits-cycle", "read postcodes")
    assert (entry.accuracy, entry.latency_s) == (run.metrics.accuracy, run.metrics.latency_p50_s)
    assert (entry.cost_usd, entry.energy_j) == (run.metrics.cost_usd, run.metrics.energy_j)
    assert len(entry.capability) == 384
    assert np.linalg.norm(entry.capability) == pytest.approx(1.0, abs=1e-5)


async def test_the_pareto_set_is_the_set_of_trials_no_other_beats(bridge, cycle):
    run, _ = cycle
    trials = (await call(bridge, "list_trials", {"run_id": "digits-cycle"})).trials
    measured = [trial for trial in trials if trial.metrics]
    table = np.array([losses(t.metrics, objectives_named(("accuracy", "latency", "energy", "cost"))) for t in measured])
    kept = nondominated(table)
    assert [trial.number for trial in run.pareto_set] == [measured[index].number for index in np.flatnonzero(kept)]


async def test_a_list_answers_all_that_is_answered_of_one(bridge, cycle):
    """Issue 11, kind 16."""
    run, _ = cycle
    entry = await call(bridge, "get_capability", {"pac_id": "reader"})
    artifacts = (await call(bridge, "list_artifacts", {"run_id": "digits-cycle"})).artifacts

    assert run.pareto_set
    assert run in (await call(bridge, "list_runs", {"limit": 1000})).runs
    assert entry in (await call(bridge, "list_capabilities", {"limit": 1000})).entries
    assert [await call(bridge, "get_artifact", {"digest": one.digest}) for one in artifacts] == list(artifacts)


async def test_the_shortlist_was_persisted_with_its_densities_and_searched_first(bridge, cycle):
    shortlist = await call(bridge, "shortlist", {"run_id": "digits-cycle"})
    trials = (await call(bridge, "list_trials", {"run_id": "digits-cycle"})).trials
    assert [c.tree_hash for c in shortlist.candidates] == [t.tree_hash for t in trials[:3]]
    for candidate in shortlist.candidates:
        assert candidate.score == pytest.approx(candidate.log_l - candidate.log_g)


async def test_the_promoted_weights_reproduce_the_held_out_score(bridge, cycle):
    run, _ = cycle
    listed = (await call(bridge, "list_artifacts", {"run_id": "digits-cycle"})).artifacts
    files = {artifact.kind: bridge.deps.artifacts.read(artifact.digest) for artifact in listed}
    model = load_model(files["description"], files["weights"])
    from sklearn.datasets import load_digits

    from cerebros.data.dataset import split_rows

    digits = load_digits()
    manifest = parse_manifest((EXAMPLES / "digits.toml").read_text(), "digits.toml")
    rows = split_rows(digits.target.astype(float), manifest.split, stratify=True).test
    columns = {name: digits.data[rows, n] for n, name in enumerate(digits.feature_names)}
    hits = model.predict(columns) == digits.target[rows].astype(str)
    assert hits.mean() == pytest.approx(run.metrics.accuracy)


async def test_the_verdict_is_signed_and_bound_to_the_weights(bridge, cycle):
    entry = await call(bridge, "get_capability", {"pac_id": "reader"})
    async with bridge.deps.database.transaction() as connection:
        verdict = await VerdictRows(bridge.deps).verdict_by_id(connection, entry.verdict_id)
    assert verdict.decision == "allow"
    seal = bridge.deps.one(Seal.of)
    assert seal.signed(verdict)
    assert seal.signed(entry)
    listed = (await call(bridge, "list_artifacts", {"run_id": "digits-cycle"})).artifacts
    digests = {artifact.kind: artifact.digest for artifact in listed}
    assert verdict.artifact_digest == entry.artifact_digest == digests["weights"]
    assert verdict.description_digest == digests["description"]
    assert (verdict.run_id, verdict.pac_id) == ("digits-cycle", "reader")
    assert not seal.signed(msgspec.structs.replace(verdict, artifact_digest="0" * 64))


async def test_an_equal_refit_gives_equal_weights(bridge, cycle):
    trial = (await call(bridge, "get_run", {"run_id": "digits-cycle"})).pareto_set[0]
    manifest = parse_manifest((EXAMPLES / "digits.toml").read_text(), "digits.toml")
    job = ScoreJob(Data(manifest, "."), trial.tree, 2, 1, bridge.deps.settings[JobSettings].prices)
    first, second = [await bridge.deps.jobs.run(SCORE_MODEL, job) for _ in range(2)]
    assert first.weights == second.weights


async def test_a_second_cycle_learns_from_the_first_and_becomes_version_two(bridge, cycle, start):
    request = start(pac_id="reader", budget={**SMALL, "trials": 8})
    # The first cycle's eight trials are history enough, so no probes are trained.
    run, _ = await finished(bridge, request)
    assert run.promoted_version == 2
    shortlist = await call(bridge, "shortlist", {"run_id": run.run_id})
    assert shortlist.probes == 0
    assert shortlist.observations >= 8


async def test_a_rollback_writes_the_old_version_as_the_newest(bridge, cycle):
    first = await call(bridge, "get_capability", {"pac_id": "reader", "version": 1})
    back = await call(bridge, "rollback", {"pac_id": "reader", "version": 1, "reason": "two was slower"})
    assert back.rolled_back_from == 1
    assert back.artifact_digest == first.artifact_digest
    assert (await call(bridge, "get_capability", {"pac_id": "reader"})).version == back.version


async def test_pacs_with_like_tasks_are_neighbours(bridge, cycle, start):
    for pac, task in (("post", "recognise handwritten postal codes"), ("cook", "suggest recipes for dinner")):
        run, _ = await finished(bridge, start(pac_id=pac, task=task))
        assert run.state == "succeeded"
    found = (await call(bridge, "nearest_capabilities", {"pac_id": "reader"})).neighbours
    distance = {neighbour.entry.pac_id: neighbour.distance for neighbour in found}
    assert distance["post"] < distance["cook"]
    assert list(distance.values()) == sorted(distance.values())
    assert "reader" not in distance


async def test_a_regression_cycle_reports_r2(bridge, start):
    budget = {**SMALL, "trials": 6, "epochs": 15}
    run, _ = await finished(bridge, start(manifest=str(EXAMPLES / "diabetes.toml"), budget=budget, kind="nas"))
    assert run.state == "succeeded"
    assert run.metrics.accuracy_kind == "r2"
    assert run.stages_done == ("check", "shortlist", "search", "score")


async def test_a_policy_that_denies_ends_the_run_without_a_version(bridge, start, tmp_path):
    policy = tmp_path / "strict.toml"
    text = (EXAMPLES.parent / "priv/policy/default.toml").read_text()
    policy.write_text(text.replace("min_gain = 0.05", "min_gain = 0.99"))
    strict = with_settings(bridge, policy=str(policy))
    run, events = await finished(strict, start(pac_id="denied"))
    assert (run.state, run.error.code) == ("failed", "PERMISSION_DENIED")
    assert "beats the naive answer by" in run.error.message
    assert "verdict" in run.stages_done
    assert events[-1].measurements["trials_ok"] == 4
    with pytest.raises(NotFound):
        await call(bridge, "get_capability", {"pac_id": "denied"})


async def test_a_budget_of_parameters_and_operations_is_kept_by_every_trial(bridge, start):
    budget = {**SMALL, "parameters": 3000, "flops": 5000}
    run, _ = await finished(bridge, start(kind="nas", budget=budget))
    trials = (await call(bridge, "list_trials", {"run_id": run.run_id})).trials
    assert max(trial.metrics.parameters for trial in trials) <= 3000
    assert max(trial.metrics.flops for trial in trials) <= 5000


async def test_the_pareto_set_of_shipped_objectives_keeps_their_limits(bridge, start):
    run, _ = await finished(bridge, start(kind="nas", objectives=("frugal",), budget={**SMALL, "trials": 6}))
    best = [trial.metrics for trial in run.pareto_set]
    assert best
    assert all(metrics.accuracy >= 0.5 for metrics in best)
    assert all(a.cost_usd < b.cost_usd or a.accuracy > b.accuracy for a in best for b in best if a is not b)


async def test_a_run_limited_to_what_nothing_meets_ends_with_a_verdict_that_says_so(bridge, start):
    limited = start(objectives=("accuracy", "latency"), limits={"latency": 1e-9}, budget=SMALL)
    run, _ = await finished(bridge, limited)
    assert (run.state, run.error.code, run.promoted_version) == ("failed", "PERMISSION_DENIED", None)
    assert "latency is" in run.error.message
    assert "the run asked for 1e-09 at most" in run.error.message
    assert run.pareto_set


async def test_a_warm_start_knows_the_earlier_runs_trials(bridge, cycle, start):
    first, _ = cycle
    request = start(kind="nas", budget={**SMALL, "trials": 2, "shortlist": 1}, warm_start=first.run_id)
    second, _ = await finished(bridge, request)
    assert second.error is None
    trees = [
        {trial.tree_hash for trial in (await call(bridge, "list_trials", {"run_id": run.run_id})).trials}
        for run in (first, second)
    ]
    assert not trees[0] & trees[1]
    with pytest.raises(NotFound, match="does not exist"):
        await call(bridge, "start_run", start(warm_start="nobody"))
    other = start(warm_start=first.run_id, manifest=str(EXAMPLES / "diabetes.toml"))
    with pytest.raises(FailedPrecondition, match="on another dataset"):
        await call(bridge, "start_run", other)


async def test_reviewed_candidates_are_searched_first_and_in_their_order(bridge, cycle, start):
    shortlist = await call(bridge, "shortlist", {"run_id": cycle[0].run_id})
    reviewed = [candidate.tree for candidate in shortlist.candidates[:2]][::-1]
    run, _ = await finished(bridge, start(kind="nas", candidates=reviewed, budget={**SMALL, "trials": 3}))
    trials = (await call(bridge, "list_trials", {"run_id": run.run_id})).trials
    kept = await call(bridge, "shortlist", {"run_id": run.run_id})
    assert [candidate.tree for candidate in kept.candidates] == reviewed
    assert [trial.tree_hash for trial in trials[:2]] == [candidate.tree_hash for candidate in kept.candidates]
    with pytest.raises(InvalidArgument, match=r"candidates\[0\]: network has parameters \[\]"):
        await call(bridge, "start_run", start(candidates=[{"t": "network"}]))


async def test_a_stored_trial_rebuilds_its_network_without_drawing(bridge, cycle, monkeypatch):
    trial = (await call(bridge, "list_trials", {"run_id": cycle[0].run_id})).trials[0]
    monkeypatch.setattr(wiring, "_drawn", None)
    network = wiring.wire(trial.tree, 64, 10)
    assert (count_parameters(network), count_flops(network)) == (trial.metrics.parameters, trial.metrics.flops)


async def test_an_unknown_objective_is_told_what_there_is(bridge, start):
    with pytest.raises(InvalidArgument, match=r"'speed' is unknown; choose from accuracy, .* set alone: accurate, "):
        await call(bridge, "start_run", start(objectives=("speed",)))


async def test_a_wall_budget_ends_the_search_but_not_the_run(bridge, start):
    run, _ = await finished(bridge, start(kind="nas", budget={**SMALL, "trials": 500, "wall_s": 8.0}))
    assert run.state == "succeeded"
    assert 0 < run.trials_total < 500


async def test_one_id_and_one_payload_is_one_run(bridge, start):
    request = start()
    first, second = await asyncio.gather(*(call(bridge, "start_run", request) for _ in range(2)))
    assert first == second
    with pytest.raises(AlreadyExists, match="another payload"):
        await call(bridge, "start_run", request | {"pac_id": "somebody-else"})
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_queued_run_is_cancelled_at_once(bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    run = await call(bridge, "cancel_run", {"run_id": request["run_id"], "reason": "changed my mind"})
    assert run.state == "cancelled"
    events = [event.name async for event in watch(bridge, {"run_id": request["run_id"]})]
    assert events == ["cerebros.run.queued", "cerebros.run.stop"]


async def test_a_deadline_ends_a_run_as_timed_out(bridge, start):
    run, _ = await finished(bridge, start(budget={**SMALL, "trials": 500, "epochs": 500}, deadline_s=4.0))
    assert (run.state, run.error.code, run.error.error_class) == ("timed_out", "DEADLINE_EXCEEDED", "timeout")


async def test_a_dataset_that_breaks_during_the_run_fails_it_with_a_typed_error(bridge, start, tmp_path):
    manifest = tmp_path / "gone.toml"
    manifest.write_text((EXAMPLES / "digits.toml").read_text().replace("sklearn:digits", "gone.csv"))
    run, events = await finished(bridge, start(manifest=str(manifest)))
    assert (run.state, run.error.code, run.error.error_class) == ("failed", "INVALID_ARGUMENT", "validation")
    assert "gone.csv" in run.error.message
    assert events[-1].measurements["accuracy"] is None
