"""Files in trouble, as typed errors, and files to take locks on."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cerebros.errors import CerebrosError, FailedPrecondition, ResourceExhausted, Unavailable

# Trouble that passes, by errno; any other is one that somebody must mend first.
PASSING: dict[int, tuple[type[CerebrosError], str]] = {
    errno.ENOSPC: (ResourceExhausted, "free some space"),
    errno.EDQUOT: (ResourceExhausted, "free some of the user's quota"),
    errno.EMFILE: (ResourceExhausted, "allow the process more open files (ulimit -n)"),
    errno.ENFILE: (ResourceExhausted, "allow the system more open files"),
    errno.ENOMEM: (ResourceExhausted, "free some memory"),
    errno.EIO: (Unavailable, "look at the disk"),
    errno.ESTALE: (Unavailable, "mount the file system again"),
}


@contextmanager
def files_answered(what: str, next_move: str) -> Iterator[None]:
    """Turn an OSError in work on files into a typed error.

    Args:
        what: what could not be done, as the message's first words.
        next_move: what to do where trouble does not pass by itself.

    Raises:
        ResourceExhausted, Unavailable: the trouble may pass.
        FailedPrecondition: somebody must mend it first.
    """
    try:
        yield
    except OSError as problem:
        refusal, move = PASSING.get(problem.errno or 0, (FailedPrecondition, next_move))
        where = f": {problem.filename}" if problem.filename and str(problem.filename) not in what else ""
        raise refusal(f"{what}: {problem.strerror or problem}{where}; {move}") from None


@contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """Open a file to take locks on; closing it releases them, also when its process is killed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def taken_within(lock: int, mode: int, seconds: float) -> bool:
    """Take a lock, waiting so long at most; return whether it was taken."""
    end = time.monotonic() + seconds
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
