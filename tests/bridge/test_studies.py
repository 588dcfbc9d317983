"""Studies on a real database: durable, shared, fenced, and the same after a kill."""

import asyncio
import math
import signal
import subprocess
import sys
import tracemalloc

import msgspec
import numpy as np
import pytest
from uuid_utils import uuid7

from bridge.contract.studies import StudyObjective
from bridge.service import open_bridge
from bridge.studies.rows import LogEntry, StudyPlan
from bridge.studies.studies import OUT_AT_MOST, Resident, Studies, read_space
from cerebros.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from cerebros.space.rose_tree import tree_hash
from tests.bridge.asking import LAYERS, OBJECTIVES, ask, measured, tell, work
from tests.calling import call


async def test_a_study_learns_what_it_is_told(bridge, study):
    study_id = await study()
    await work(bridge, study_id, 40)

    best = (await call(bridge, "best_trials", {"study_id": study_id})).trials

    assert best
    assert all(trial.values == measured(trial.tree) for trial in best)
    assert max(trial.values["accuracy"] for trial in best) > -0.5
    for trial in best:
        assert not any(
            other.values["accuracy"] >= trial.values["accuracy"] and other.values["latency"] < trial.values["latency"]
            for other in best
        )


async def test_callers_at_once_never_share_a_number(bridge, study):
    study_id = await study()
    answers = await asyncio.gather(*(ask(bridge, study_id, 3) for _ in range(12)))
    trials = [trial for answer in answers for trial in answer]
    assert sorted(trial.number for trial in trials) == list(range(36))
    assert len({trial.tree_hash for trial in trials}) == 36
    assert all(trial.tree_hash == tree_hash(trial.tree) for trial in trials)


async def test_two_servers_on_one_database_take_turns(bridge, study, settings, database_url):
    alone, shared = await study(seed=5), await study(seed=5)
    await work(bridge, alone, 24)
    async with open_bridge(settings, database_url) as other:
        for number in range(24):
            await work((bridge, other)[number % 2], shared, 1)
        assert (await ask(other, shared))[0].tree == (await ask(bridge, alone))[0].tree


async def test_a_killed_server_comes_back_with_the_same_proposals(bridge, study, settings, database_url):
    """Two studies alike: one in this process throughout, one in a server killed between its asks."""
    whole, broken = await study(seed=3), await study(seed=3)
    expected = []
    for _ in range(30):
        pair = await ask(bridge, whole, 2)
        expected += [trial.tree for trial in pair]
        await tell(bridge, pair[1], outcome="diverged")
        await tell(bridge, pair[0])

    for _ in range(3):
        command = [sys.executable, "-c", SERVER, database_url, settings.home, broken]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        assert server.stdout is not None
        for _ in range(10):
            server.stdout.readline()
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stdout.close()

    told = (await call(bridge, "list_studies", {})).studies
    assert {row.study_id: row.trials_total for row in told}[broken] >= 60
    async with open_bridge(settings, database_url) as fresh:
        trials = await fresh.deps.one(Studies)._store.study_trials(broken, range(60))
    assert [trial.tree for trial in trials] == expected


# A server that asks and tells as the test does, and says so; it is killed while it waits.
SERVER = """
import asyncio, sys
from bridge.service import SETTINGS, open_bridge
from bridge.process.settings import read_settings
from telemetry.logs import configure_logging
from tests.bridge.asking import ask, tell

async def main(url, home, study_id):
    async with open_bridge(read_settings(SETTINGS, {"CEREBROS_HOME": home}), url) as bridge:
        for _ in range(10):
            pair = await ask(bridge, study_id, 2)
            await tell(bridge, pair[1], outcome="diverged")
            await tell(bridge, pair[0])
            print("told", flush=True)
        await asyncio.sleep(60)

configure_logging("critical")
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_trial_never_told_is_handed_out_again_and_the_late_report_refused(bridge, study):
    study_id = await study(lease_s=0.2)
    (first,) = await ask(bridge, study_id)
    await asyncio.sleep(2.0)  # the service clock moves twice a second

    (again,) = await ask(bridge, study_id)

    assert (again.number, again.tree, again.attempt) == (first.number, first.tree, first.attempt + 1)
    with pytest.raises(FailedPrecondition, match="drop this result"):
        await tell(bridge, first)
    assert (await tell(bridge, again)).outcome == "ok"
    with pytest.raises(FailedPrecondition, match="drop this result"):
        await tell(bridge, first)


async def test_a_report_after_its_lease_counts_while_nobody_else_has_the_trial(bridge, study):
    (trial,) = await ask(bridge, await study(lease_s=0.1))
    await asyncio.sleep(0.2)
    assert (await tell(bridge, trial)).values == measured(trial.tree)


async def test_the_same_report_twice_is_one_and_another_is_refused(bridge, study):
    (trial,) = await ask(bridge, await study())
    told = await tell(bridge, trial)
    assert await tell(bridge, trial) == told
    with pytest.raises(AlreadyExists, match="final"):
        await tell(bridge, trial, values={"accuracy": 0.0, "latency": 0.0})
    with pytest.raises(AlreadyExists, match="final"):
        await tell(bridge, trial, outcome="oom")


async def test_the_same_study_twice_is_one_and_another_is_refused(bridge, study):
    study_id = await study()
    assert await study(study_id=study_id) == study_id
    with pytest.raises(AlreadyExists, match="choose another study_id"):
        await study(study_id=study_id, seed=1)


async def test_a_deleted_study_is_gone_and_its_id_free(bridge, study):
    study_id = await study(seed=1)
    (before,) = await ask(bridge, study_id)
    assert (await call(bridge, "delete_study", {"study_id": study_id})).trials_out == 1
    with pytest.raises(NotFound, match="list_studies"):
        await ask(bridge, study_id)
    await study(study_id=study_id, seed=2)
    (after,) = await ask(bridge, study_id)
    assert after.number == 0
    assert after.tree != before.tree


async def test_all_trials_failing_leaves_a_study_that_goes_on(bridge, study):
    study_id = await study()
    for outcome in ("diverged", "error", "oom", "timeout", "pruned", "lost") * 2:
        (trial,) = await ask(bridge, study_id)
        told = await tell(bridge, trial, outcome=outcome, reason="for the test")
        assert (told.outcome, told.values, told.reason) == (outcome, {}, "for the test")
    assert (await call(bridge, "best_trials", {"study_id": study_id})).trials == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_a_value_that_is_not_finite_is_refused_with_the_next_move(bridge, study, value):
    (trial,) = await ask(bridge, await study())
    with pytest.raises(InvalidArgument, match="give a finite number"):
        await tell(bridge, trial, values={"accuracy": value, "latency": 1.0})


@pytest.mark.parametrize(
    "fields",
    [
        {"values": {"accuracy": 1.0}},
        {"values": {}},
        {"values": {"accuracy": 1.0, "latency": 1.0, "cost": 1.0}},
        {"outcome": "oom", "values": {"accuracy": 1.0, "latency": 1.0}},
        {"attempt": 2},
    ],
    ids=["one missing", "all missing", "one too many", "values of a failure", "attempt of the future"],
)
async def test_a_report_that_makes_no_sense_is_refused(bridge, study, fields):
    (trial,) = await ask(bridge, await study())
    with pytest.raises(InvalidArgument):
        await tell(bridge, trial, **fields)
    assert (await tell(bridge, trial)).outcome == "ok"


@pytest.mark.parametrize("procedure", ["suggest", "best_trials", "delete_study"])
async def test_an_unknown_study_is_not_found(bridge, procedure):
    with pytest.raises(NotFound, match="list_studies"):
        await call(bridge, procedure, {"study_id": "nobody"})


async def test_a_number_never_handed_out_is_not_found(bridge, study):
    (trial,) = await ask(bridge, await study())
    with pytest.raises(NotFound, match="handed out 1, numbered from 0"):
        await tell(bridge, msgspec.structs.replace(trial, number=7))
    with pytest.raises(InvalidArgument, match="number"):
        await tell(bridge, trial, number=-1)


async def test_too_many_trials_out_is_a_limit_that_passes(bridge, study):
    study_id = await study(sampler="random")
    trials = [trial for _ in range(OUT_AT_MOST // 64) for trial in await ask(bridge, study_id, 64)]
    with pytest.raises(ResourceExhausted, match="report some"):
        await ask(bridge, study_id)
    await tell(bridge, trials[0])
    assert (await ask(bridge, study_id))[0].number == OUT_AT_MOST


async def test_who_asks_for_more_trials_than_may_be_out_gets_those_that_may(bridge, study, sql):
    study_id = await study(sampler="random")
    for _ in range(OUT_AT_MOST // 64):
        await ask(bridge, study_id, 64)
    sql.execute(
        "UPDATE study_trials t SET lease_until_s = -1 FROM studies s "
        "WHERE s.study_key = t.study_key AND s.study_id = %s AND number < 3",
        (study_id,),
    )
    again = await ask(bridge, study_id, 4)
    assert [(trial.number, trial.attempt) for trial in again] == [(0, 2), (1, 2), (2, 2)]
    for trial in again[:2]:
        await tell(bridge, trial)
    assert [trial.number for trial in await ask(bridge, study_id, 4)] == [OUT_AT_MOST, OUT_AT_MOST + 1]


@pytest.fixture(scope="module")
async def long_study(bridge):
    """10,000 told trials, written by SQL as the procedures would have."""
    study_id = f"long-{uuid7()}"
    await call(bridge, "create_study", {"study_id": study_id, "space": LAYERS, "objectives": OBJECTIVES})
    generator, drawn = np.random.default_rng(0), read_space(LAYERS)
    async with bridge.deps.one(Studies)._store.locked(study_id) as locked:
        rows = []
        for number in range(10_000):
            tree = drawn.draw(generator)
            document = {"tree": tree, "tree_hash": tree_hash(tree), "values": measured(tree)}
            document = msgspec.json.encode(document).decode()
            rows.append((locked.study_key, number, document, 2 * number + 1, 2 * number + 2))
        await locked._connection.cursor().executemany(
            "INSERT INTO study_trials (study_key, number, document, outcome, lease_until_s, asked_seq, told_seq) "
            "VALUES (%s, %s, %s, 'ok', 0, %s, %s)",
            rows,
        )
        locked.last_seq = 20_000
    return study_id


async def test_a_study_of_10_000_trials_is_asked_and_told_and_knows_its_pareto_set(bridge, long_study):
    await work(bridge, long_study, 3)  # the first brings the sampler up to the log's end
    best = (await call(bridge, "best_trials", {"study_id": long_study})).trials
    assert 0 < len(best) < 100


def test_a_trial_takes_less_than_4_kb_of_the_resident_sampler():
    drawn, generator = read_space(LAYERS), np.random.default_rng(0)
    objectives = tuple(StudyObjective(**objective) for objective in OBJECTIVES)
    resident = Resident(StudyPlan(drawn, objectives, "rose", 1, 60.0))
    trees = [drawn.draw(generator) for _ in range(10_000)]
    tracemalloc.start()
    for number, tree in enumerate(trees):
        values = measured(tree)
        resident.replay([LogEntry(False, tree, None), LogEntry(True, tree, values)], 2 * number + 2)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(trees) < 4096
