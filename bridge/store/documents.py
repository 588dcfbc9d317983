"""JSON of jsonb columns, from which each number comes back with its type.

PostgreSQL keeps the digits of a JSON number and not its exponent: 1e20 comes
back as 100000000000000000000, which readers take for a whole number. A float
is therefore written with the decimal point that it would lose.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

# From here on a float is written with an exponent.
_EXPONENT_FROM = 1e16

_exponent = re.compile(rb"\de\+?\d")


def encoded(value: object) -> bytes:
    """Encode a struct, or anything else that msgspec encodes."""
    document = msgspec.json.encode(value)
    # Few documents have such a number, and some that seem to have one hold a digest with these characters.
    return msgspec.json.encode(_with_points(msgspec.to_builtins(value))) if _exponent.search(document) else document


def _with_points(value: Any) -> Any:
    match value:
        case float() if math.isfinite(value) and abs(value) >= _EXPONENT_FROM:
            return msgspec.Raw(b"%.1f" % value)
        case dict():
            return {name: _with_points(part) for name, part in value.items()}
        case list() | tuple():
            return [_with_points(part) for part in value]
    return value
