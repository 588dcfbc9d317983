"""A child process that ends when its parent does, however the parent ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

# The parent puts its own id here for the child, which can then tell an orphan from a child of process 1.
PARENT_VARIABLE = "CEREBROS_PARENT_PID"


def parent_environment() -> dict[str, str]:
    """Return the variables that a parent sets for a child that calls `die_with_parent`."""
    return {PARENT_VARIABLE: str(os.getpid())}


def die_with_parent(with_signal: signal.Signals) -> None:
    """Have Linux send `with_signal` when the parent dies; without a known parent this does nothing.

    Raises:
        SystemExit: the parent has died already.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, with_signal)
    if os.getppid() != int(parent):
        raise SystemExit("the parent died before this process was ready")
