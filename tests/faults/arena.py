"""Arena of the faults: a home with its own database, a server in this process, and worker processes to be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import psycopg
from psycopg.rows import DictRow, dict_row
from uuid_utils import uuid7

from bridge.api.bridge import Bridge
from bridge.process.parentage import module_command
from bridge.process.settings import Settings, read_settings
from bridge.service import SETTINGS, migrated_database, open_bridge
from cerebros.errors import Unavailable
from telemetry.logs import configure_logging
from tests.calling import call, start_request
from tests.faults import unguarded

MANIFEST = str(unguarded.ROOT / "examples" / "digits.toml")

# Short enough for a test, long enough for a process that has to share its core with many others.
LEASE_S = 3.0
SWEEP_S = 0.6

# An upper bound for what has no deadline of its own; nothing is asserted about it.
PATIENCE_S = 90.0

SMALL = {"trials": 1, "epochs": 2, "probes": 4, "shortlist": 1, "window": 1}

# Each checkpoint with the claim it was kept under, and the wrong clocks of `unguarded`.
WITNESS = """
CREATE SCHEMA witness;
CREATE TABLE witness.checkpoints (run_id text, trial int, resource int, claim int);
CREATE FUNCTION witness.kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.checkpoints
    SELECT new.run_id, new.trial, new.resource, r.attempt FROM cerebros.runs r WHERE r.run_id = new.run_id;
    RETURN new;
END $$;
CREATE TRIGGER kept AFTER INSERT OR UPDATE ON cerebros.checkpoints FOR EACH ROW EXECUTE FUNCTION witness.kept();
CREATE SCHEMA skewed;
CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT pg_catalog.clock_timestamp() + current_setting('skewed.by_s')::float8 * interval '1 second' $$;
CREATE FUNCTION skewed.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT skewed.clock_timestamp() $$;
"""


class Broken(AssertionError):
    """A promise was not kept; the message is what was seen instead."""


class NotArranged(Exception):
    """The fault could not happen at all, so nothing is known about the promise."""


def promise(kept: bool, seen: str) -> None:
    """Compare what happened with what was promised.

    Raises:
        Broken: it was not kept.
    """
    if not kept:
        raise Broken(seen)


async def until(condition: Callable[[], Awaitable[bool] | bool], missing: str, within_s: float = PATIENCE_S) -> float:
    """Wait for something; the seconds it took.

    Raises:
        Broken: it did not come.
    """
    began = monotonic()
    while True:
        came = condition()
        if came if isinstance(came, bool) else await came:
            return monotonic() - began
        promise(monotonic() - began < within_s, f"{missing} within {within_s:.0f} s")
        await asyncio.sleep(0.03)


async def arranged(condition: Callable[[], Awaitable[bool] | bool], missing: str) -> None:
    """Wait for what a fault needs before it can happen.

    Raises:
        NotArranged: it did not come.
    """
    try:
        await until(condition, missing)
    except Broken as late:
        raise NotArranged(str(late)) from None


# Lets a fault happen to an arena, with these guards switched off; what was seen, or `Broken`.
Attack = Callable[..., Awaitable[str]]


class Arena:
    """One database with its server; everything a fault starts here is gone before the next one."""

    def __init__(self, home: Path, url: str, bridge: Bridge) -> None:
        self.home = home
        self.url = url
        self.bridge = bridge

    async def start(self, *, run_id: str = "", budget: dict[str, Any] | None = None, **fields: Any) -> str:
        run_id = run_id or f"run-{uuid7()}"
        request = {
            "run_id": run_id,
            "pac_id": f"pac-{run_id}",
            "manifest": MANIFEST,
            "kind": "nas",
            "budget": SMALL | (budget or {}),
        }
        end = monotonic() + PATIENCE_S
        while True:
            try:
                await call(self.bridge, "start_run", start_request(**request | fields))
                return run_id
            except Unavailable:  # the fault before may have left a lost connection; the answer says: retry
                if monotonic() > end:
                    raise

    def rows(self, query: str, *parameters: Any) -> list[DictRow]:
        """Rows behind the store's back, on a connection of their own; a database in trouble is waited for."""
        end = monotonic() + PATIENCE_S
        while True:
            try:
                with psycopg.connect(self.url, autocommit=True, row_factory=dict_row, connect_timeout=10) as connection:
                    cursor = connection.execute("SET search_path = cerebros, public").execute(query, parameters)  # type: ignore[arg-type]
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if monotonic() > end:
                    raise

    def run(self, run_id: str) -> DictRow:
        (row,) = self.rows("SELECT * FROM runs WHERE run_id = %s", run_id)
        return row

    def trials(self, run_id: str) -> list[DictRow]:
        return self.rows("SELECT * FROM trials WHERE run_id = %s ORDER BY number", run_id)

    def kept(self, run_id: str, claim: int) -> list[int]:
        """Epochs of the checkpoints that were kept under a claim, as they came."""
        query = "SELECT resource FROM witness.checkpoints WHERE run_id = %s AND claim = %s"
        return [row["resource"] for row in self.rows(query, run_id, claim)]

    async def until_ended(self, run_id: str, within_s: float = PATIENCE_S) -> DictRow:
        await until(lambda: self.run(run_id)["finished_at"] is not None, f"run {run_id} did not end", within_s)
        return self.run(run_id)

    async def until_claimed(self, run_id: str, claim: int) -> float:
        return await until(lambda: self.run(run_id)["attempt"] >= claim, f"no claim {claim} of {run_id}")

    async def until_kept(self, run_id: str, claim: int, times: int = 2) -> None:
        await arranged(lambda: len(self.kept(run_id, claim)) >= times, f"no {times} checkpoints under claim {claim}")

    def effects(self, run_id: str) -> str:
        """Check what must hold of any run at any time: numbers without gaps, each trial with one row and one event.

        Raises:
            Broken: it does not hold.
        """
        events = self.rows("SELECT seq, name, metadata FROM events WHERE run_id = %s ORDER BY seq", run_id)
        stops = sorted(e["metadata"]["number"] for e in events if e["name"] == "cerebros.trial.stop")
        numbers = [trial["number"] for trial in self.trials(run_id)]
        promise([e["seq"] for e in events] == list(range(1, len(events) + 1)), f"{run_id}: event numbers have gaps")
        promise(stops == numbers, f"{run_id}: trials {numbers} have the events {stops}")
        return f"trials {len(numbers)}, each once, events 1–{len(events)}"

    @asynccontextmanager
    async def process(
        self, *command: str, changes: tuple[str, ...] = (), stderr: int | None = None, **settings: object
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process of the bridge on this home and database, with these changes and settings."""
        variables = {
            "DATABASE_URL": self.url,
            "CEREBROS_HOME": str(self.home),
            "CEREBROS_LEASE_S": LEASE_S,
            "CEREBROS_LOG_LEVEL": "warning",
            "CEREBROS_TRIAL_PROCESSES": 1,
            "CEREBROS_CHECKPOINT_S": 0.3,
        } | {f"CEREBROS_{name.upper()}": value for name, value in settings.items()}
        environment = os.environ | {name: str(value) for name, value in variables.items()}
        with (self.home / "processes.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(command if command[0].startswith("/") else module_command("bridge", *command)),
                env=environment | unguarded.environment(*changes),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def worker(self, *changes: str, **settings: object) -> Any:
        return self.process("worker", changes=changes, **settings)

    def alive(self) -> list[psutil.Process]:
        """The processes of this arena, orphans included: its home is in their environment."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                if process.environ().get("CEREBROS_HOME") == str(self.home):
                    found.append(process)
        return found

    async def none_alive(self, within_s: float = 5.0) -> None:
        """Raises Broken where a process is left."""
        with suppress(Broken):
            await until(lambda: not self.alive(), "", within_s)
            return
        names = [" ".join(process.cmdline()[-2:]) for process in self.alive()]
        raise Broken(f"alive after {within_s:.0f} s: {', '.join(names)}")

    def clear(self) -> None:
        """End what is left of a fault, and forget its runs."""
        for process in self.alive():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        self.rows("DELETE FROM runs")
        self.rows("DELETE FROM workers")
        self.rows("DELETE FROM training_locks")


@asynccontextmanager
async def arena() -> AsyncIterator[Arena]:
    """A fresh home with its database and a server."""
    configure_logging("critical")  # connections are lost on purpose, and the pool would tell of each
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as directory:
        settings = settings_at(Path(directory))
        with migrated_database(settings) as url:
            async with open_bridge(settings, url) as bridge:
                opened = Arena(Path(directory), url, bridge)
                opened.rows(WITNESS)
                try:
                    yield opened
                finally:
                    opened.clear()


def settings_at(home: Path) -> Settings:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return read_settings(SETTINGS, environment | {"CEREBROS_HOME": str(home), "CEREBROS_LEASE_S": str(LEASE_S)})
