"""The home: a directory that can be written, and its one server process on this machine."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from bridge.process.files import files_answered, lock_file, taken_within
from cerebros.errors import FailedPrecondition
from telemetry.logs import log_failure

# Longest path of a Unix socket on Linux; the kernel's field has a byte more, for the end of the text.
SOCKET_PATH_BYTES = 107

NEXT_MOVE = "mend it, or set CEREBROS_HOME to a directory that this user may write"


class Server(msgspec.Struct, frozen=True):
    """A server process, as it notes itself in its home."""

    machine: str
    pid: int
    address: str


def prepare_home(home: Path) -> None:
    """Create the home where it is absent, and find out that files can be written in it.

    Raises:
        FailedPrecondition, ResourceExhausted, Unavailable: they cannot.
    """
    with files_answered(f"home {home} cannot be used", NEXT_MOVE):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=home).close()


def examine_home(home: Path) -> Path:
    """Find out that the home can be used, or could be created; return its nearest directory that exists.

    Raises:
        FailedPrecondition: it could not; nothing is written.
    """
    with files_answered(f"home {home} cannot be used", NEXT_MOVE):
        place = home
        while not _is_directory(place):
            place = place.parent
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no file can be created in it", str(place))
    return place


def _is_directory(place: Path) -> bool:
    """Return True for a directory, False where nothing is; raise the OSError of anything else."""
    try:
        os.stat(place / ".")
    except FileNotFoundError:
        if place.is_symlink():
            raise
        return False
    return True


def check_socket_path(path: Path) -> None:
    """Refuse a path that no Unix socket can have.

    Raises:
        FailedPrecondition: it is too long, counted in bytes as the kernel does.
    """
    if (length := len(os.fsencode(path))) > SOCKET_PATH_BYTES:
        raise FailedPrecondition(
            f"socket {path} has a path of {length} bytes and may have {SOCKET_PATH_BYTES}; set a shorter CEREBROS_HOME"
        )


@contextmanager
def served_home(home: Path, address: str) -> Iterator[bool]:
    """Be the home's server process while this lasts; yield True if its Unix socket is ours.

    Machines may share a home, and each may have its server; a socket serves one machine, so the first has it.

    Args:
        address: where the server is reached, for whoever asks whose the home is.

    Raises:
        FailedPrecondition: another process of this machine serves from the home; nothing of its is touched.
    """
    machine = socket.gethostname()
    with ExitStack() as until_the_end:
        with files_answered(f"home {home} cannot be used", NEXT_MOVE):
            lock = until_the_end.enter_context(lock_file(home / "server.lock"))
        if not taken_within(lock, fcntl.LOCK_EX, 0.0):
            owner = _noted(lock)
            if owner is None or owner.machine == machine:
                raise FailedPrecondition(_taken(home, owner))
            log_failure("cerebros.home.shared", reason=f"its Unix socket is that of {owner.machine}; TCP is served")
            yield False
            return
        os.ftruncate(lock, 0)
        os.pwrite(lock, msgspec.json.encode(Server(machine, os.getpid(), address)), 0)
        try:
            yield True
        finally:
            os.ftruncate(lock, 0)


def _noted(lock: int) -> Server | None:
    try:
        return msgspec.json.decode(os.pread(lock, 65536, 0), type=Server)
    except msgspec.DecodeError:  # it has the lock, and has not noted itself yet
        return None


def _taken(home: Path, owner: Server | None) -> str:
    who = f"process {owner.pid} ({owner.address})" if owner else "another process"
    return f"home {home} is served by {who}; stop it, or set another CEREBROS_HOME: homes can share one DATABASE_URL"
