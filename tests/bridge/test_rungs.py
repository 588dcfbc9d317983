"""Successive halving in whole runs: trials wait at rungs, the best go on, and a resumed search decides the same."""

import asyncio
import time

import msgspec
import numpy as np
import psycopg
import pytest

from bridge.jobs.pool import JobPool
from bridge.jobs.work import Checkpoint
from bridge.nas.score import _choice
from bridge.nas.search import SEARCH, SearchResult
from bridge.nas.work import TRAIN, TRAIN_GROUP, GroupJob
from bridge.runs.claims import Claim
from bridge.runs.stages import resumed
from tests.bridge.test_cycle import finished
from tests.bridge.test_jobs import job
from tests.bridge.test_worker import worker
from tests.calling import call, start_request, watch
from tests.conftest import EXAMPLES


def request(run_id, **budget):
    halved = {"trials": 9, "epochs": 9, "probes": 4, "shortlist": 3, "window": 2, "rungs": 3, "repeats": 3}
    return start_request(
        run_id=f"halved-{run_id}",
        pac_id=f"halved-{run_id}",
        manifest=str(EXAMPLES / "digits.toml"),
        kind="nas",
        budget=halved | budget,
        # Measured seconds differ from run to run, and so would what is proposed from them.
        objectives=("accuracy", "operations"),
    )


async def trials_of(bridge, run):
    return (await call(bridge, "list_trials", {"run_id": run.run_id})).trials


def forget(database_url):
    """What earlier runs found would be a warm start."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE cerebros.runs SET dataset_digest = 'of another dataset'")


@pytest.fixture(scope="module")
async def whole(bridge, database_url):
    """A halved run with its events."""
    forget(database_url)
    return await finished(bridge, request("whole"))


async def test_only_the_best_of_each_rung_go_on(bridge, whole):
    run, events = whole
    trials = await trials_of(bridge, run)
    assert run.error is None
    assert [trial.number for trial in trials] == list(range(9))
    assert {len(trial.curve) for trial in trials if trial.outcome == "pruned"} <= {1, 3}
    # A third of nine go on from the first rung; those that came early may have been among the best of fewer.
    assert 1 <= sum(len(trial.curve) > 3 for trial in trials) <= sum(len(trial.curve) > 1 for trial in trials) <= 6
    assert len([event for event in events if event.name == "cerebros.trial.rung"]) >= 9
    best = max(trials, key=lambda trial: trial.metrics.accuracy)
    assert len(best.curve) > 1


async def test_pruned_trials_are_counted_and_measured_and_have_not_failed(bridge, whole):
    run, _ = whole
    pruned = [trial for trial in await trials_of(bridge, run) if trial.outcome == "pruned"]
    assert all(trial.metrics.epochs == len(trial.curve) for trial in pruned)
    assert run.metrics.trials_pruned == len(pruned) > 0
    assert run.metrics.trials_total == 9 == run.metrics.trials_ok + len(pruned)
    assert run.trials_failed == 0


async def test_the_finalists_error_bar_is_measured_over_seeds(bridge, whole, sql):
    run, _ = whole
    assert 0 < run.metrics.accuracy_spread < 0.2
    score, cpu_s = sql.execute(
        "SELECT result, cpu_s FROM stages WHERE run_id = %s AND name = 'score'", (run.run_id,)
    ).fetchone()
    finalists = sorted((t.metrics.accuracy for t in run.pareto_set), reverse=True)[:3]
    (chosen,) = [trial for trial in await trials_of(bridge, run) if trial.number == score["trial"]]
    assert chosen.metrics.accuracy in finalists
    assert cpu_s > run.metrics.cpu_s


async def searched(bridge, run):
    """The cycle of an ended run, as it came to the choice of its model."""
    payload = (await bridge.deps.runs.stored_run(run.run_id)).payload
    return await resumed(Claim(run.run_id, run.kind, run.pac_id, payload, run.attempt, 0, 0.0, 0.0), bridge.deps)


async def test_a_pruned_finalist_is_refitted_for_as_long_as_its_seeds_needed(bridge, whole):
    run = await searched(bridge, whole[0])
    (pruned, *_) = [trial for trial in await trials_of(bridge, whole[0]) if trial.outcome == "pruned"]
    choice = await _choice(run.after(SEARCH, SearchResult((pruned.number,), "trials")), bridge.deps)
    assert choice.trial == pruned
    assert len(pruned.curve) < choice.epochs <= 9


async def test_finalists_that_cannot_be_repeated_leave_the_most_accurate_one_without_an_error_bar(bridge, whole):
    run = await searched(bridge, whole[0])
    impatient = JobPool(1, memory_bytes=4 * 2**30, timeout_s=0.1)  # no job process is that fast
    choice = await _choice(run, msgspec.structs.replace(bridge.deps, jobs=impatient))
    await impatient.close()
    assert choice.trial.metrics.accuracy == max(trial.metrics.accuracy for trial in whole[0].pareto_set)
    assert choice.epochs == 1 + int(np.argmin(choice.trial.curve))
    assert choice.spread is None


async def killed(bridge, database_url, asked, *, at_rungs=(2, 5)):
    """Start a run, and kill its worker by SIGKILL whenever it has stored so many rungs."""
    forget(database_url)
    run_id = (await call(bridge, "start_run", asked)).run_id
    for rungs in at_rungs:
        async with worker(bridge, database_url) as process:
            async with asyncio.timeout(60):
                while len(await bridge.deps.trials.rungs_of(run_id)) < rungs:
                    await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
    return run_id


async def ended(bridge, database_url, run_id):
    async with worker(bridge, database_url):
        async for _ in watch(bridge, {"run_id": run_id}):
            pass
    return await call(bridge, "get_run", {"run_id": run_id})


async def found_by(bridge, run):
    """Return each trial's tree, outcome, curve and accuracy, and the numbers of the Pareto set."""
    trials = [(t.number, t.tree_hash, t.outcome, t.curve, t.metrics.accuracy) for t in await trials_of(bridge, run)]
    return trials, [trial.number for trial in run.pareto_set]


async def test_a_search_whose_workers_are_killed_finds_what_an_unharmed_one_finds(bridge, whole, database_url):
    run = await ended(bridge, database_url, await killed(bridge, database_url, request("killed")))
    assert run.attempt == 3
    assert await found_by(bridge, run) == await found_by(bridge, whole[0])


async def test_populations_train_as_many_trials_alike_also_when_workers_are_killed(bridge, database_url):
    forget(database_url)
    unharmed, _ = await finished(bridge, request("together", population=3))
    trials = await trials_of(bridge, unharmed)
    assert unharmed.error is None
    assert [trial.number for trial in trials] == list(range(9))
    assert {trial.metrics.population for trial in trials if trial.outcome == "pruned"} > {1}
    assert all(trial.metrics.cpu_s > 0 for trial in trials)
    run = await ended(
        bridge,
        database_url,
        await killed(bridge, database_url, request("together-killed", population=3), at_rungs=(4,)),
    )
    assert await found_by(bridge, run) == await found_by(bridge, unharmed)


async def test_a_resumed_search_without_time_left_ends_every_trial_that_waits(bridge, database_url, sql):
    run_id = await killed(bridge, database_url, request("late", window=4, wall_s=300.0), at_rungs=(5,))
    measured = {rung.trial.number for rung in await bridge.deps.trials.rungs_of(run_id)}
    sql.execute("UPDATE runs SET started_s = started_s - 400 WHERE run_id = %s", (run_id,))
    run = await ended(bridge, database_url, run_id)
    trials = await trials_of(bridge, run)
    assert run.error is None
    assert measured == {trial.number for trial in trials}
    assert all(trial.tree and trial.metrics for trial in trials)


async def test_a_population_costs_its_members_what_it_took(bridge):
    jobs = tuple(msgspec.structs.replace(job(epochs=3, dropout=0.0), seed=seed) for seed in range(3))
    before = time.perf_counter()
    group = await bridge.deps.jobs.run(TRAIN_GROUP, GroupJob(jobs))
    took_s = time.perf_counter() - before
    metrics = [member.trained.metrics for member in group.members]
    assert {one.population for one in metrics} == {3}
    assert len({one.duration_s for one in metrics}) == 1  # one network thrice: equal shares
    assert 0 < sum(one.duration_s for one in metrics) < took_s
    alone = [await bridge.deps.jobs.run(TRAIN, one) for one in jobs]
    for member, one in zip(group.members, alone, strict=True):
        assert member.trained.curve == pytest.approx(one.curve, rel=1e-3)


async def test_one_member_that_cannot_be_trained_does_not_take_the_others_with_it(bridge, database_url):
    """A learning rate of 1e300 makes the loss diverge at once."""
    jobs = (job(epochs=2), job(epochs=2, learning_rate=1e300))
    group = await bridge.deps.jobs.run(TRAIN_GROUP, GroupJob(jobs))
    assert [member.trained.outcome for member in group.members] == ["ok", "diverged"]


async def test_a_training_that_waits_goes_on_as_if_it_had_not(bridge):
    whole = await bridge.deps.jobs.run(TRAIN, job(epochs=6))
    kept: list[Checkpoint] = []

    async def keep(checkpoint):
        kept.append(checkpoint)

    waiting = await bridge.deps.jobs.run(TRAIN, msgspec.structs.replace(job(epochs=6), until=2), keep=keep)
    assert (waiting.outcome, waiting.curve, kept[-1].resource) == ("pruned", whole.curve[:2], 2)
    ended = await bridge.deps.jobs.run(TRAIN, msgspec.structs.replace(job(epochs=6), resume=kept[-1]))
    assert (ended.outcome, ended.curve) == ("ok", whole.curve)
