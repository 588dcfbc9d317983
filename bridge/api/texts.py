"""Texts that nobody could store or send on, refused where they come in."""

from __future__ import annotations

import re
from typing import Any

# PostgreSQL holds no NUL, and UTF-8 no half of a surrogate pair; JSON and Erlang terms can bring both, and
# an Erlang binary that is not UTF-8 comes as bytes.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def unwritable_text_in(value: Any, path: str = "$") -> str | None:
    """Return the path of the first text that has a NUL or half a surrogate pair, or is not UTF-8."""
    kind = type(value)
    if kind is str:
        return path if _UNWRITABLE.search(value) else None
    if kind is bytes:
        return path
    if kind is dict:
        for key, part in value.items():
            if type(key) is str and _UNWRITABLE.search(key):
                return f"{path}[{key!a}]"
            if (found := unwritable_text_in(part, f"{path}.{key}")) is not None:
                return found
    elif kind is list or kind is tuple:
        for number, part in enumerate(value):
            if (found := unwritable_text_in(part, f"{path}[{number}]")) is not None:
                return found
    return None
