"""The rules for every value that comes from outside, whatever the door.

A number is finite and no larger than a double; a text is UTF-8, without NUL, so that it can be stored and sent on.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from cerebros.errors import InvalidArgument

LARGEST = sys.float_info.max

# PostgreSQL holds no NUL, and UTF-8 no half of a surrogate pair; JSON and Erlang terms can bring both, and
# an Erlang binary that is not UTF-8 comes as bytes.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")

# The place of a value: the place of the map or list that holds it, and its name or number there.
Place = tuple[Any, object] | None


def require_values(request: Mapping[str, Any]) -> None:
    """Check the numbers and texts of a request, at any depth.

    Whole numbers too large for a double are refused here, as only Python has them; the contract bounds
    those of its fields further.

    Raises:
        InvalidArgument: a number is NaN, infinite, or beyond ±1.8e308; a text, or a name, cannot be stored.
    """
    waiting: list[tuple[Place, Any]] = [(None, request)]
    while waiting:
        place, value = waiting.pop()
        match value:
            case int() | float():
                if not -LARGEST <= value <= LARGEST:
                    raise InvalidArgument(
                        f"{_path(place)} is {_shown(value)}; give a finite number within ±1.8e308, or leave it out"
                    )
            case str():
                _require_writable(place, value)
            case bytes():
                raise _unwritable(place)
            case Mapping():
                for name, part in value.items():
                    _require_writable((place, name), name)
                    waiting.append(((place, name), part))
            case Iterable():
                waiting += [((place, number), part) for number, part in enumerate(value)]


def _require_writable(place: Place, text: object) -> None:
    if isinstance(text, str) and _UNWRITABLE.search(text):
        raise _unwritable(place)


def _unwritable(place: Place) -> InvalidArgument:
    return InvalidArgument(f"{_path(place)} is a text that is not UTF-8, or has a NUL or half a surrogate pair")


def _path(place: Place) -> str:
    names = []
    while place is not None:
        place, name = place
        names.append(f"[{name}]" if isinstance(name, int) else "." + ascii(name)[1:-1])
    return "$" + "".join(reversed(names))


def _shown(value: float) -> str:
    if isinstance(value, float):
        return f"{value}"
    # Python refuses to print a whole number of more than 4,300 digits.
    return f"a number of {1 + int(value.bit_length() * math.log10(2))} digits"
