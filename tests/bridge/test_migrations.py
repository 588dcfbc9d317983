"""A database of an earlier version keeps its runs: what they were asked for, what they cost and what they found."""

from __future__ import annotations

import re

import msgspec
import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from bridge.contract.nas import Cycle
from bridge.nas.goals import goals_named
from bridge.nas.payload import SearchPayload
from bridge.process.settings import shipped
from bridge.runs.engine import Engine
from bridge.runs.rows import RunStore
from bridge.runs.trials import TrialStore
from bridge.store.database import Database
from bridge.store.migrate import migrate
from cerebros.data.manifest import parse_manifest
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


def upgraded(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(shipped("sql")))
    engine = sqlalchemy.create_engine(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


@pytest.fixture
def old_url(database_url):
    """A database as version 0005 left it, with one run that has searched and scored."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE earlier")
    url = database_url.rsplit("/", 1)[0] + "/earlier"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA cerebros")
    upgraded(url, "0005")
    manifest = msgspec.to_builtins(parse_manifest((EXAMPLES / "digits.toml").read_text(), "digits.toml"))
    goals = msgspec.to_builtins(goals_named(["accuracy"], {}))
    payload = msgspec.json.encode({"request": REQUEST, "manifest": manifest, "base": ".", "goals": goals}).decode()
    spent = msgspec.json.encode(METRICS).decode()
    with psycopg.connect(url, autocommit=True, options="-c search_path=cerebros,public") as connection:
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
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE earlier")


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
