"""The rule for every number that comes from outside, whatever the door: it is finite, and no larger than a double."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from cerebros.errors import InvalidArgument

LARGEST = sys.float_info.max

# The place of a value: the place of the map or list that holds it, and its name or number there.
Place = tuple[Any, object] | None


def require_numbers(request: Mapping[str, Any]) -> None:
    """Check the numbers of a request, at any depth.

    Whole numbers too large for a double are refused here, as only Python has them; the contract bounds
    those of its fields further.

    Raises:
        InvalidArgument: one is NaN, infinite, or beyond ±1.8e308.
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
            case str() | bytes():
                pass
            case Mapping():
                waiting += [((place, name), part) for name, part in value.items()]
            case Iterable():
                waiting += [((place, number), part) for number, part in enumerate(value)]


def _path(place: Place) -> str:
    names = []
    while place is not None:
        place, name = place
        names.append(f"[{name}]" if isinstance(name, int) else f".{name}")
    return "$" + "".join(reversed(names))


def _shown(value: float) -> str:
    if isinstance(value, float):
        return f"{value}"
    # Python refuses to print a whole number of more than 4,300 digits.
    return f"a number of {1 + int(value.bit_length() * math.log10(2))} digits"
