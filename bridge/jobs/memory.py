"""The memory that a job may have: its limit, and the account of a job that came to it."""

from __future__ import annotations

import errno
import re
import resource
import sys

from bridge.jobs.work import MEMORY_VARIABLE


def limit_memory(most_bytes: int) -> None:
    """Limit what this process may write to from now on; 0 for no limit. Only Linux can."""
    # RLIMIT_DATA counts what is really written to; RLIMIT_AS would count torch's reservations. The soft limit is what
    # binds, and the next job may have another.
    if most_bytes and sys.platform == "linux":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        bounded = most_bytes if most == resource.RLIM_INFINITY else min(most_bytes, most)
        resource.setrlimit(resource.RLIMIT_DATA, (bounded, most))


def ran_out(problem: BaseException) -> bool:
    """Return True if memory ran out.

    Python and NumPy raise MemoryError. torch has a type for a GPU's memory, found here by its name because not every
    job imports torch; others are known by their words.
    """
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno == errno.ENOMEM
    return isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError" or tells_of_it(str(problem))


def tells_of_it(words: str) -> bool:
    """Return True for the last words of a library that ran out of memory."""
    return _OUT_OF_MEMORY.search(words) is not None


# PyTorch, the C library and its loader, C++, OpenBLAS and Arrow, Python, the CUDA driver.
_OUT_OF_MEMORY = re.compile(
    r"can(no|')t allocate memory|bad_alloc|memory allocation.* failed|unable to alloc\w*|failed to alloc\w*"
    r"|MemoryError|out of memory",
    re.IGNORECASE,
)


def limit_bytes() -> int | None:
    """Return what this process may write to, None where there is no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if limit == resource.RLIM_INFINITY else limit


def account(words: str, may_have_bytes: int | None) -> str:
    """Say that memory ran out, how much the job may have, and what to do; `words` are the library's own."""
    may_have = "" if may_have_bytes is None else f": a job may have {in_words(may_have_bytes)}"
    first = words.strip().split("\n")[0][:300]
    return f"memory ran out{may_have}; raise {MEMORY_VARIABLE}, or give the job less to do ({first or 'MemoryError'})"


def in_words(size_bytes: int) -> str:
    """Return a size as people write it, such as `8 GiB`."""
    for unit, bytes_in_it in (("GiB", 2**30), ("MiB", 2**20)):
        if size_bytes >= bytes_in_it:
            return f"{size_bytes / bytes_in_it:.4g} {unit}"
    return f"{size_bytes} bytes"
