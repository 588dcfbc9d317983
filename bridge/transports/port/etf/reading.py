"""Bytes into values: one reader per tag, each given the bytes, the place after the tag and the depth."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from struct import Struct
from struct import error as StructError
from typing import Any

from bridge.transports.port.etf.runs import SHORTEST_RUN, read_run
from bridge.transports.port.etf.terms import MAX_DEPTH, Atom, EtfError, Opaque

# Python's hash of a number is public, so a sender can choose keys that all land in one slot.
# The hash of a name is secret per process: names need no limit.
MAX_NUMBER_KEYS = 256

# What is being read holds no cycles, so looking for them among a million new lists is a fifth of the time wasted.
LARGE_TERM_BYTES = 65_536

_u16 = Struct(">H").unpack_from
_u32 = Struct(">I").unpack_from
_i32 = Struct(">i").unpack_from
_f64 = Struct(">d").unpack_from

Reader = Callable[[bytes, int, int], tuple[Any, int]]


def decode(term: bytes) -> Any:
    """Return the value of exactly one external term.

    Raises:
        EtfError: the bytes are truncated, followed by others, nested deeper
            than MAX_DEPTH, or hold one of the terms this module refuses.
    """
    pause = len(term) >= LARGE_TERM_BYTES and gc.isenabled()
    if pause:
        gc.disable()
    try:
        if term[0] != 131:
            raise EtfError(f"a term starts with byte 131, this one with {term[0]}; send term_to_binary/1")
        value, end = _READ[term[1]](term, 2, 0)
    except (IndexError, StructError):
        raise EtfError(f"the term is cut off within its {len(term)} bytes; send it whole") from None
    finally:
        if pause:
            gc.enable()
    if end != len(term):
        raise EtfError(f"{len(term) - end} bytes follow the term; send one term per frame")
    return value


def _read_small_int(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    return term[at], at + 1


def _read_int(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    return _i32(term, at)[0], at + 4


def _read_small_big(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    return _read_big(term, at + 1, term[at])


def _read_large_big(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    return _read_big(term, at + 4, _u32(term, at)[0])


def _read_big(term: bytes, at: int, size: int) -> tuple[int, int]:
    sign = term[at]
    if sign > 1:
        raise EtfError(f"a big integer's sign is 0 or 1, not {sign}")
    magnitude, end = _take(term, at + 1, size)
    number = int.from_bytes(magnitude, "little")
    return (-number if sign else number), end


def _read_float(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    (number,) = _f64(term, at)
    if not isfinite(number):
        raise EtfError("a float is NaN or infinite, which no BEAM sends; send the atom nan or infinity")
    return number, at + 8


def _read_binary(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    raw, end = _take(term, at + 4, _u32(term, at)[0])
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        return raw, end


def _atom_reader(head: int, encoding: str) -> Reader:
    """Return a reader of an atom whose length takes `head` bytes."""

    def read(term: bytes, at: int, depth: int) -> tuple[Any, int]:
        size = term[at] if head == 1 else _u16(term, at)[0]
        name, end = _take(term, at + head, size)
        return _atom(name, encoding), end

    return read


@lru_cache(maxsize=1024)
def _atom(name: bytes, encoding: str) -> Atom | bool | None:
    if len(name) > 4 * 255:
        raise EtfError(f"an atom has at most 255 characters, this one has {len(name)} bytes")
    try:
        atom = Atom(name.decode(encoding))
    except UnicodeDecodeError:
        raise EtfError("an atom's name is not UTF-8") from None
    if len(atom) > 255:
        raise EtfError(f"an atom has at most 255 characters, this one {len(atom)}")
    return _CONSTANT_OF.get(atom, atom)


_CONSTANT_OF: dict[str, Atom | bool | None] = {"true": True, "false": False, "nil": None}


def _read_small_tuple(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    values, end = _read_elements(term, at + 1, term[at], depth)
    return tuple(values), end


def _read_large_tuple(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    values, end = _read_elements(term, at + 4, _u32(term, at)[0], depth)
    return tuple(values), end


def _read_nil(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    return [], at


def _read_string(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    # The BEAM packs short lists of bytes so; to its caller they are lists of integers.
    raw, end = _take(term, at + 2, _u16(term, at)[0])
    return list(raw), end


def _read_list(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    size = _u32(term, at)[0]
    values, end = _read_elements(term, at + 4, size, depth)
    if term[end] != 106:
        raise EtfError("a list ends in something else than nil; improper lists are not taken")
    return values, end + 1


def _read_elements(term: bytes, at: int, size: int, depth: int) -> tuple[list[Any], int]:
    _check_room(term, at, size, depth)
    if size >= SHORTEST_RUN and (run := read_run(term, at, size)):
        return run
    values = []
    for _ in range(size):
        value, at = _READ[term[at]](term, at + 1, depth + 1)
        values.append(value)
    return values, at


def _read_map(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    size = _u32(term, at)[0]
    at += 4
    _check_room(term, at, 2 * size, depth)
    entries: dict[Any, Any] = {}
    number_keys = 0
    for _ in range(size):
        # Names and floats are read in place: a call for each would double the time of a map of metrics.
        if term[at] == 109:
            start = at + 5
            at = start + _u32(term, at + 1)[0]
            if at > len(term):
                raise EtfError(f"a key's length leads beyond the {len(term)} bytes of the term")
            raw = term[start:at]
            try:
                key: Any = raw.decode()
            except UnicodeDecodeError:
                key = raw
        else:
            key, at = _READ[term[at]](term, at + 1, depth + 1)
            number_keys += _counts_as_number(key, number_keys)
        if term[at] == 70 and isfinite(number := _f64(term, at + 1)[0]):
            entries[key] = number
            at += 9
        else:
            entries[key], at = _READ[term[at]](term, at + 1, depth + 1)
    if len(entries) != size:
        raise EtfError(f"{size - len(entries)} keys of a map mean the same as another; rename them")
    return entries, at


def _counts_as_number(key: object, number_keys: int) -> bool:
    """Return True for a map key that is a number; its hash is predictable, so a map may have only a few."""
    if isinstance(key, str | bytes):
        return False
    if number_keys >= MAX_NUMBER_KEYS or not isinstance(key, int | float | None):
        raise EtfError(
            f"a map key is a name, or a number in a map of up to {MAX_NUMBER_KEYS}; this one is a {type(key).__name__}"
        )
    return True


def _check_room(term: bytes, at: int, size: int, depth: int) -> None:
    """Refuse a count larger than the bytes left, before any memory is reserved for it, and nesting that is too deep."""
    if size > len(term) - at:
        raise EtfError(f"a count of {size} is more than the {len(term) - at} bytes left")
    if depth >= MAX_DEPTH:
        raise EtfError(f"the term is nested deeper than {MAX_DEPTH}; send it flatter")


def _take(term: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(term):
        raise EtfError(f"a length of {size} is more than the {max(len(term) - at, 0)} bytes left")
    return term[at:end], end


def _opaque_reader(tag: int, fixed: int, counted: bool = False) -> Reader:
    """Return a reader of: a word count (if `counted`), the node's atom, `fixed` bytes and the words."""

    def read(term: bytes, at: int, depth: int) -> tuple[Any, int]:
        words = _u16(term, at)[0] if counted else 0
        start = at + 2 if counted else at
        after_node = _skip_atom(term, start)
        _, end = _take(term, after_node, fixed + 4 * words)
        return Opaque(bytes((tag,)) + term[at:end]), end

    return read


def _read_fun(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    size = _u32(term, at)[0]
    if size < 4:
        raise EtfError(f"a fun of {size} bytes is shorter than its own length field")
    raw, end = _take(term, at, size)
    return Opaque(b"p" + raw), end


def _read_export(term: bytes, at: int, depth: int) -> tuple[Any, int]:
    after_name = _skip_atom(term, _skip_atom(term, at))
    if term[after_name] != 97:
        raise EtfError("an external fun's arity is not a small integer")
    _, end = _take(term, after_name, 2)
    return Opaque(b"q" + term[at:end]), end


def _skip_atom(term: bytes, at: int) -> int:
    if term[at] not in _ATOM_TAGS:
        raise EtfError(f"an atom belongs where tag {term[at]} stands")
    return _READ[term[at]](term, at + 1, 0)[1]


_ATOM_TAGS = frozenset({100, 115, 118, 119})


def _refuser(tag: int) -> Reader:
    reason = {
        80: "compressed terms are not taken; send term_to_binary/1 without options",
        77: "bit strings are not taken; send whole bytes",
    }.get(tag, f"tag {tag} is no term that term_to_binary/1 sends")

    def refuse(term: bytes, at: int, depth: int) -> tuple[Any, int]:
        raise EtfError(reason)

    return refuse


_READ: list[Reader] = [_refuser(tag) for tag in range(256)]
for _tag, _reader in {
    70: _read_float,
    88: _opaque_reader(88, 12),  # pid
    89: _opaque_reader(89, 8),  # port
    90: _opaque_reader(90, 4, counted=True),  # reference
    97: _read_small_int,
    98: _read_int,
    100: _atom_reader(2, "latin-1"),
    101: _opaque_reader(101, 5),  # reference before OTP 23
    102: _opaque_reader(102, 5),  # port before OTP 23
    103: _opaque_reader(103, 9),  # pid before OTP 23
    104: _read_small_tuple,
    105: _read_large_tuple,
    106: _read_nil,
    107: _read_string,
    108: _read_list,
    109: _read_binary,
    110: _read_small_big,
    111: _read_large_big,
    112: _read_fun,
    113: _read_export,
    114: _opaque_reader(114, 1, counted=True),  # reference before OTP 23
    115: _atom_reader(1, "latin-1"),
    116: _read_map,
    118: _atom_reader(2, "utf-8"),
    119: _atom_reader(1, "utf-8"),
    120: _opaque_reader(120, 12),  # port since OTP 24
}.items():
    _READ[_tag] = _reader
