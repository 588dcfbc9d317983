"""The number of files and sockets that this process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress

# More than all limits on connections together; some systems allow a thousand million, and some programs, started
# with that, close each of them one by one.
ENOUGH = 65_536


def raise_descriptor_limit() -> None:
    """Take as many descriptors as the system lets this process have; the usual 256 to 1,024 are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS has a lower limit of its own, and does not say it here
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share_of_descriptors(wanted: int) -> int:
    """Return `wanted`, or a quarter of the descriptors where that is less: the others need some too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft // 4))
