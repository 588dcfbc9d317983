"""A real PostgreSQL, a real bridge on it, and builders that hide what does not matter."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from uuid_utils import uuid7

from bridge.api.bridge import Bridge
from bridge.process.settings import Settings, read_settings
from bridge.service import SETTINGS, migrated_database, open_bridge
from telemetry.logs import configure_logging
from tests.calling import call, start_request

# An example that takes long on a busy machine is no wrong one.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

EXAMPLES = Path(__file__).parent.parent / "examples"

# Enough for a real search with a Pareto set, little enough for a test.
SMALL = {"trials": 4, "epochs": 4, "probes": 4, "shortlist": 2, "window": 2}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    configure_logging("critical")
    home = tmp_path_factory.mktemp("home")
    own = {
        "CEREBROS_HOME": str(home),
        "CEREBROS_TRIAL_PROCESSES": "2",
        "CEREBROS_DATASET_ROOTS": os.pathsep.join((str(EXAMPLES), str(tmp_path_factory.getbasetemp()))),
    }
    return read_settings(SETTINGS, os.environ | own)


@pytest.fixture(scope="session")
def database_url(settings: Settings) -> Iterator[str]:
    with migrated_database(settings) as url:
        yield url


@pytest.fixture(scope="session")
async def bridge(settings: Settings, database_url: str) -> AsyncIterator[Bridge]:
    async with open_bridge(settings, database_url) as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def no_run_is_left_to_the_next_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """A run that a test left behind is cancelled: a later module's worker would claim it before that module's own."""
    own = (item for item in request.session.items if item.nodeid.startswith(f"{request.node.nodeid}::"))
    used = any("database_url" in getattr(item, "fixturenames", ()) for item in own)
    url = request.getfixturevalue("database_url") if used else None
    yield
    if url is not None:
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute(
                "UPDATE cerebros.runs SET cancel_reason = 'its test has ended' "
                "WHERE state IN ('queued', 'running') AND cancel_reason IS NULL"
            )


@pytest.fixture
def sql(database_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the test's own, to look at rows behind the store's back."""
    with closing(
        psycopg.connect(database_url, autocommit=True, options="-c search_path=cerebros,public")
    ) as connection:
        yield connection


@pytest.fixture
def start(bridge: Bridge) -> Callable[..., dict[str, Any]]:
    """Requests for small runs on the digits, each with an id of its own."""

    def request(**fields: Any) -> dict[str, Any]:
        defaults = {"run_id": f"run-{uuid7()}", "pac_id": f"pac-{uuid7()}"}
        spec = {"kind": "cycle", "manifest": str(EXAMPLES / "digits.toml"), "budget": SMALL}
        return start_request(**defaults | spec | fields)

    return request


@pytest.fixture
def ended_with(
    bridge: Bridge, start: Callable[..., dict[str, Any]], sql: psycopg.Connection[tuple[Any, ...]]
) -> Callable[[int], Awaitable[str]]:
    """Makes a run that has ended with so many trials, none of which gave figures, and gives its id."""

    async def run_id_of(trials: int) -> str:
        request = start()
        await call(bridge, "start_run", request)
        sql.execute(
            "INSERT INTO trials (run_id, number, outcome, tree, tree_hash, reason) "
            "SELECT %s, number, 'error', '{\"t\": \"network\"}', 'x', 'written by a test' "
            "FROM generate_series(0, %s - 1) AS number",
            (request["run_id"], trials),
        )
        await call(bridge, "cancel_run", {"run_id": request["run_id"]})
        return str(request["run_id"])

    return run_id_of
