"""A database of an earlier version keeps its runs: what they were asked for, what they cost and what they found."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from bridge.contract.nas import Cycle
from bridge.nas.goals import goals_named
from bridge.nas.payload import SearchPayload
from bridge.policy.seal import Seal
from bridge.process.settings import shipped
from bridge.runs.engine import Engine
from bridge.runs.rows import RunStore
from bridge.runs.trials import TrialStore
from bridge.service import open_bridge
from bridge.store.database import Database
from bridge.store.migrate import migrate
from cerebros.data.manifest import parse_manifest
from cerebros.errors import PermissionDenied
from tests.bridge.test_policy import METRICS as MEASURED
from tests.bridge.test_policy import REPORT
from tests.calling import call
from tests.conftest import EXAMPLES

REQUEST = {
    "pac_id": "p",
    "run_id": "old",
    "kind": "cycle",
    "manifest": "digits.toml",
    "budget": {"trials": 2},
    "priority": 3,
}
METRICS = {"duration_s": 1.0, "cpu_s": 2.0, "energy_j": 3.0, "cost_usd": 4.0}


def json(value):
    return msgspec.json.encode(value).decode()


def upgraded(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(shipped("sql")))
    engine = sqlalchemy.create_engine(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


FILES = {
    "manifest": msgspec.to_builtins(parse_manifest((EXAMPLES / "digits.toml").read_text(), "digits.toml")),
    "base": ".",
    "goals": msgspec.to_builtins(goals_named(["accuracy"], {})),
}


@contextmanager
def earlier_database(database_url, revision):
    """A database as this revision left it, and a connection to fill it by."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE earlier")
    url = database_url.rsplit("/", 1)[0] + "/earlier"
    try:
        with psycopg.connect(url, autocommit=True, options="-c search_path=cerebros,public") as connection:
            connection.execute("CREATE SCHEMA cerebros")
            upgraded(url, revision)
            yield url, connection
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP DATABASE earlier WITH (FORCE)")


@pytest.fixture
def old_url(database_url):
    """A database as version 0005 left it, with one run that has searched and scored."""
    payload = json({"request": REQUEST} | FILES)
    spent = json(METRICS)
    with earlier_database(database_url, "0005") as (url, connection):
        connection.execute(
            "INSERT INTO runs (run_id, kind, pac_id, state, dataset, dataset_digest, payload, payload_digest, epoch) "
            "VALUES ('old', 'cycle', 'p', 'succeeded', 'digits', 'd', %s, 'x', 2)",
            (payload,),
        )
        for number in (0, 1):
            connection.execute(
                "INSERT INTO trials (run_id, number, outcome, tree, tree_hash, spent, reason) "
                "VALUES ('old', %s, 'error', '{\"t\": \"network\"}', 'h', %s, 'by a test')",
                (number, spent),
            )
        for name, result in (
            ("shortlist", f'{{"shortlist": {{"run_id": "old"}}, "spent": {spent}}}'),
            ("search", '{"front": [1], "stopped_by": "trials"}'),
            ("score", f'{{"metrics": {spent}, "spent": {spent}}}'),
        ):
            connection.execute(
                "INSERT INTO stages (run_id, name, result, duration_s) VALUES ('old', %s, %s, 9)", (name, result)
            )
        yield url


async def test_an_earlier_runs_payload_costs_and_pareto_set_are_found(old_url):
    assert migrate(old_url)
    database = Database(old_url)
    await database.open()
    try:
        engine = Engine(database, lambda _: None, lambda _: None)
        store = RunStore(database, TrialStore(database, engine))
        run = await store.get_run("old")
        payload = msgspec.convert((await store.stored_run("old")).payload, SearchPayload)
        results = await store.stage_results("old")
        spent = await store.spending("old")
    finally:
        await database.close()
    assert (run.attempt, [trial.number for trial in run.pareto_set]) == (2, [1])
    assert isinstance(payload.spec, Cycle)
    assert payload.spec.budget.trials == 2
    assert results["shortlist"] == {"run_id": "old"}
    assert results["search"] == {"stopped_by": "trials", "pareto_set": [1]}
    # Two trials, the shortlist's probes, the refit and what choosing took.
    assert msgspec.structs.asdict(spent) == {name: 5 * value for name, value in METRICS.items()}


def promoted_by_0006(connection, bridge):
    """Store a scored run, its verdict and its version as release 0006 did; the verdict is signed with our key."""
    stored = {
        kind: bridge.deps.artifacts.write(f"{kind} of an earlier release".encode())
        for kind in ("weights", "description")
    }
    files = {kind: {"digest": digest, "bytes": 30} for kind, digest in stored.items()}
    spec = {"kind": "cycle", "manifest": "digits.toml", "budget": {"trials": 2}}
    connection.execute(
        "INSERT INTO runs (run_id, kind, pac_id, state, dataset, dataset_digest, payload, payload_digest) "
        "VALUES ('old', 'cycle', 'p', 'succeeded', 'digits', 'd', %s, 'x')",
        (json({"spec": spec} | FILES),),
    )
    scored = {"trial": 0, "metrics": MEASURED, "baseline": 0.1} | files
    now = datetime.now(UTC)
    verdict = {"verdict_id": "v", "decision": "allow", "reasons": [], "artifact_digest": stored["weights"]}
    verdict |= dict.fromkeys(("dataset_digest", "policy_digest", "inputs_digest"), "d" * 64)
    verdict |= {"issued_at": now, "expires_at": now + timedelta(days=7), "signature": ""}
    key = bridge.deps.one(Seal.of)._key
    verdict["signature"] = key.sign(msgspec.json.encode(verdict)).hex()
    for name, result in (("check", REPORT), ("score", scored), ("verdict", verdict)):
        connection.execute(
            "INSERT INTO stages (run_id, name, result, wall_s) VALUES ('old', %s, %s, 1)", (name, json(result))
        )
    connection.execute(
        "INSERT INTO verdicts (verdict_id, run_id, pac_id, decision, verdict, artifact_digest, issued_at, expires_at) "
        "VALUES ('v', 'old', 'p', 'allow', %s, %s, %s, %s)",
        (json(verdict), stored["weights"], now, now + timedelta(days=7)),
    )
    connection.execute(
        "INSERT INTO vcv_entries (pac_id, version, task, capability, skills, accuracy, latency_s, cost_usd, energy_j, "
        "trust, reliability, resources, policy_flags, dataset_digest, artifact_digest, run_id, verdict_id) "
        "SELECT 'p', 1, 'read', array_fill(0.05, ARRAY[384])::vector, '{}', 0.9, 1, 1, 1, 1, 1, '{}', '{train}', "
        "'d', %s, 'old', 'v'",
        (stored["weights"],),
    )


async def test_what_an_earlier_release_promoted_is_read_but_promoted_again_only_by_a_new_verdict(
    database_url, settings, bridge
):
    """Issue 11, kind 4: its verdict did not sign which run it was on, and its version was not signed at all."""
    with earlier_database(database_url, "0006") as (url, connection):
        promoted_by_0006(connection, bridge)
        assert migrate(url)
        async with open_bridge(settings, url) as newer:
            version = {"pac_id": "p", "version": 1}
            assert (await call(newer, "get_capability", version)).signature == ""
            back = version | {"reason": "a test"}
            told = r"is not signed: an earlier release wrote it, .*; call evaluate_policy.* and .*promote"
            with pytest.raises(PermissionDenied, match=told):
                await call(newer, "promote", {"run_id": "old"})
            with pytest.raises(PermissionDenied, match=told):
                await call(newer, "rollback", back)

            verdict = await call(newer, "evaluate_policy", {"run_id": "old"})
            entry = await call(newer, "promote", {"run_id": "old"})
            assert (entry.version, entry.verdict_id) == (2, verdict.verdict_id)
            assert (await call(newer, "rollback", back | {"version": 2})).version == 3
