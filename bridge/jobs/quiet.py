"""Places of this machine where timings of one user do not disturb each other: its cores, and its GPU."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bridge.process.files import taken_within

# A timing takes milliseconds. One that waits longer finds a stopped process before it, and goes on beside it.
WAIT_AT_MOST_S = 5.0

POLL_S = 0.002


@contextmanager
def core_of_its_own() -> Iterator[int | None]:
    """Yield the number of a core on which no other process times anything meanwhile; None where cores have none."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if not allowed:
        yield None
        return
    first = os.getpid() % len(allowed)  # not all processes try the same one first
    cores = allowed[first:] + allowed[:first]
    with _one_alone([f"core-{core}" for core in cores]) as place:
        yield cores[place]


@contextmanager
def gpu_of_its_own() -> Iterator[None]:
    """Time nothing else on the machine's GPU meanwhile."""
    with _one_alone(["gpu"]):
        yield


def interruptions() -> int:
    """Return how often this thread has had to leave its core for another one's work, as far as the system counts it."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw if sys.platform == "linux" else 0


@contextmanager
def _one_alone(places: Sequence[str]) -> Iterator[int]:
    """Hold the first free place among these, by its index; the first of all after `WAIT_AT_MOST_S`.

    The locks are files of this user in the machine's directory for such, so that services with different homes share
    them; the system frees them when their holder ends, however it ends.
    """
    files = [_opened(Path(tempfile.gettempdir(), f"cerebros-{os.getuid()}-{place}.lock")) for place in places]
    end = time.monotonic() + WAIT_AT_MOST_S
    try:
        while (held := _first_locked(files)) is None and time.monotonic() < end:
            time.sleep(POLL_S)
        yield held or 0
    finally:
        for file in files:
            if file is not None:
                os.close(file)


def _first_locked(files: Sequence[int | None]) -> int | None:
    free = (place for place, file in enumerate(files) if file is None or taken_within(file, fcntl.LOCK_EX, 0.0))
    return next(free, None)


def _opened(path: Path) -> int | None:
    # Another user's file of this name, or a link, is no lock of ours; the timing does without.
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
