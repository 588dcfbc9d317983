"""A real PostgreSQL, a real bridge on it, and builders that hide what does not matter."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from uuid_utils import uuid7

from bridge.procedures import Bridge
from bridge.service import migrated_database, open_bridge
from bridge.settings import Settings, read_settings
from telemetry.logs import configure_logging

EXAMPLES = Path(__file__).parent.parent / "examples"

# Enough for a real search with a front, little enough for a test.
SMALL = {"trials": 4, "epochs": 4, "probes": 4, "shortlist": 2, "window": 2}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    configure_logging("critical")
    home = tmp_path_factory.mktemp("home")
    return read_settings({**os.environ, "CEREBROS_HOME": str(home), "CEREBROS_TRIAL_PROCESSES": "2"})


@pytest.fixture(scope="session")
def database_url(settings: Settings) -> Iterator[str]:
    with migrated_database(settings) as url:
        yield url


@pytest.fixture(scope="session")
async def bridge(settings: Settings, database_url: str) -> AsyncIterator[Bridge]:
    async with open_bridge(settings, database_url) as opened:
        yield opened


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
        defaults = {
            "run_id": f"run-{uuid7()}",
            "pac_id": f"pac-{uuid7()}",
            "manifest": str(EXAMPLES / "digits.toml"),
            "budget": SMALL,
        }
        return defaults | fields

    return request
