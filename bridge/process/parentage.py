"""Child processes: Python modules of ours that no folder can replace, and that end when their parent does."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

# The parent puts its own id here for the child, which can then tell an orphan from a child of process 1.
PARENT_VARIABLE = "CEREBROS_PARENT_PID"


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module in a Python like this one, whatever lies in the working directory.

    Without `-P` Python looks there first, and a `random.py` would take the place of the library's.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment of a child: this one, UTF-8, no module from the working directory, its parent's id.

    The children of the child inherit the same, those that libraries start too.
    """
    own = {PARENT_VARIABLE: str(os.getpid()), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
    if path := os.environ.get("PYTHONPATH"):
        # An empty entry is the working directory; they come from `PYTHONPATH=$PYTHONPATH:/more`.
        own["PYTHONPATH"] = os.pathsep.join(filter(None, path.split(os.pathsep)))
    return os.environ | own | more


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
