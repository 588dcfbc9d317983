"""The meaning of a cell, which is the same in every file format.

A reader gives each cell as the text that a CSV file has, or would have, for
it, without spaces around it; a null is the empty text.

- A *number* is decimal ASCII digits with an optional sign, point and exponent: `10_0`, `0x1F` and digits of other
  scripts are none. `true` and `false` are 1 and 0, `inf` is infinite.
- A *name* that is spelt as JSON spells a number is that number: `1`, `1.0` and `1e0` are the name `1`. Others
  are what is written: `01` and `+1` are names of their own. `True` and `TRUE` are `true`, `False` and `FALSE` are
  `false`.
- A cell is *missing* if it is empty, or one of the manifest's `missing` words, in small or capital letters; a word
  that is a number stands for every spelling of that number.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Squares of numbers up to here, summed over 10^9 rows, are at most 1e209: variances stay far within float64.
LARGEST = 1e100

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,9}))?")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_TRUTH = {word: name for name in ("true", "false") for word in (name, name.capitalize(), name.upper())}

# Zeros that a name is padded with before it is written with an exponent: 1e21, but 100000000000000000000.
_ZEROS_AT_MOST = 20


class Missing(NamedTuple):
    """The words, in small letters, and the numbers that mean a missing value."""

    words: frozenset[str]
    numbers: frozenset[float]


def missing_marks(words: Iterable[str]) -> Missing:
    """Prepare a manifest's list of words for comparison with cells."""
    marks = [word.strip() for word in words]
    numbers = frozenset(float(mark) for mark in marks if _NUMBER.fullmatch(mark))
    return Missing(frozenset(name_of(mark).lower() for mark in marks) | {""}, numbers)


def is_number(text: str) -> bool:
    """Tell whether a text is spelt as a number, of any size."""
    return _NUMBER.fullmatch(text) is not None


def name_of(cell: str) -> str:
    """Return the canonical spelling of a cell as a name; an empty cell is the empty name."""
    number = _JSON_NUMBER.fullmatch(cell)
    return _TRUTH.get(cell, cell) if number is None else _canonical(*number.groups(default=""))


def names(cells: Sequence[str], missing: Missing) -> NDArray[np.object_]:
    """Read a column of names, (n,), "" where one is missing."""
    read: dict[str, str] = {}
    for cell in cells:
        if cell not in read:
            name = name_of(cell)
            read[cell] = "" if name.lower() in missing.words else name
    return np.array([read[cell] for cell in cells], dtype=object)


def numbers(cells: Sequence[str], missing: Missing) -> tuple[NDArray[np.float64], list[int]]:
    """Read a column of numbers, (n,), NaN where one is missing; and the places of cells that are no numbers.

    A number beyond float64 becomes the largest one there is, which is beyond `LARGEST`.
    """
    read = [_number(cell, missing) if _NUMBER.fullmatch(cell) else _word(cell, missing) for cell in cells]
    strange = [place for place, value in enumerate(read) if value is None]
    return np.array(read, dtype=np.float64), strange  # a None becomes NaN


def _number(cell: str, missing: Missing) -> float:
    value = float(cell)
    if value in missing.numbers:
        return math.nan
    return value if math.isfinite(value) else math.copysign(sys.float_info.max, value)


def _word(cell: str, missing: Missing) -> float | None:
    """Read a cell that is not spelt as a number; None where it means none."""
    name = name_of(cell)
    if name.lower() in missing.words:
        return math.nan
    if name in ("true", "false"):
        return float(name == "true")
    return float(name) if _INFINITE.fullmatch(name) else None


def _canonical(sign: str, whole: str, fraction: str, exponent: str) -> str:
    """Spell a number by its value: plain where that takes few zeros, else with an exponent."""
    padded = (whole + fraction).lstrip("0")
    digits = padded.rstrip("0")
    if not digits:
        return "0"
    point = len(padded) - len(fraction) + int(exponent or 0)  # digits before the decimal point
    if len(digits) <= point <= len(digits) + _ZEROS_AT_MOST:
        return sign + digits.ljust(point, "0")
    if 0 < point < len(digits):
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1}"
