"""The user this process runs as."""

from __future__ import annotations

import getpass
import os
from functools import cache


@cache
def owner() -> str:
    """The name of the user, or its number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
