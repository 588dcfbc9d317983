"""Runs of numbers: elements of one tag and one width, moved by strided slices instead of a loop over elements."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from math import isfinite
from typing import Any

from bridge.transports.port.etf.terms import EtfError

# A run shorter than this is read faster element by element.
SHORTEST_RUN = 8


def read_run(term: bytes, at: int, size: int) -> tuple[list[Any], int] | None:
    """Return the `size` elements that begin at `at` and the offset after them; None if they are not all of one kind."""
    run = _RUNS.get(term[at])
    if run is None:
        return None
    stride, unpack = run
    end = at + size * stride
    if end > len(term) or not _same_tags(term, at, end, stride):
        return None
    return unpack(term, at, end), end


def written_run(value: list[Any]) -> bytes | None:
    """Return the elements' terms if all are finite floats or all are 32-bit integers."""
    kinds = set(map(type, value))
    if kinds == {float} and (isfinite(sum(value)) or all(map(isfinite, value))):
        return _pack_strided(b"F", array("d", value))
    if kinds == {int} and min(value) >= -(2**31) and max(value) < 2**31:
        return _pack_strided(b"b", array("i", value))
    return None


def _pack_strided(tag: bytes, numbers: array[Any]) -> bytes:
    if sys.byteorder == "little":
        numbers.byteswap()
    width = numbers.itemsize
    raw = numbers.tobytes()
    terms = bytearray(tag * (len(numbers) * (width + 1)))
    for place in range(width):
        terms[1 + place :: width + 1] = raw[place::width]
    return bytes(terms)


def _same_tags(term: bytes, at: int, end: int, stride: int) -> bool:
    tags = term[at:end:stride]
    return tags.count(tags[:1]) == len(tags)


def _unpack_floats(term: bytes, at: int, end: int) -> list[float]:
    numbers = _unpack_strided(term, at, end, "d", 8).tolist()
    # A finite sum proves every float finite; huge but finite floats need the slow look.
    if not isfinite(sum(numbers)) and not all(map(isfinite, numbers)):
        raise EtfError("a float is NaN or infinite, which no BEAM sends; send the atom nan or infinity")
    return numbers


def _unpack_ints(term: bytes, at: int, end: int) -> list[int]:
    return _unpack_strided(term, at, end, "i", 4).tolist()


def _unpack_small_ints(term: bytes, at: int, end: int) -> list[int]:
    return list(term[at + 1 : end : 2])


def _unpack_strided(term: bytes, at: int, end: int, kind: str, width: int) -> array[Any]:
    """Unpack elements of one tag byte and `width` big-endian bytes, without a loop over elements."""
    stride = width + 1
    raw = bytearray((end - at) // stride * width)
    for place in range(width):
        raw[place::width] = term[at + 1 + place : end : stride]
    numbers: array[Any] = array(kind, bytes(raw))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


# Tag → bytes per element and the reader of a run of such elements.
_RUNS: dict[int, tuple[int, Callable[[bytes, int, int], list[Any]]]] = {
    70: (9, _unpack_floats),
    97: (2, _unpack_small_ints),
    98: (5, _unpack_ints),
}
