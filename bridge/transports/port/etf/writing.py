"""Values into bytes: one writer per type, each appending to `parts`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from struct import Struct
from struct import error as StructError
from typing import Any

from bridge.transports.port.etf.runs import SHORTEST_RUN, written_run
from bridge.transports.port.etf.terms import MAX_DEPTH, Atom, EtfError, Opaque

# Field names come again and again, so their terms are kept; longer keys are somebody's text.
LONGEST_CACHED_NAME = 64


_u16 = Struct(">H").pack
_u32 = Struct(">I").pack
_int = Struct(">Bi").pack
_float = Struct(">Bd").pack


def encode(value: object) -> bytes:
    """Return the value as one external term, version byte included.

    Raises:
        EtfError: a type without a term, a text with lone surrogates, keys that
            are one term (`"a"` and `b"a"`), or nesting deeper than MAX_DEPTH.
    """
    parts = [b"\x83"]
    try:
        _write(value, parts, 0)
    except (StructError, UnicodeEncodeError, OverflowError) as problem:
        raise EtfError(f"the value cannot be written as a term: {type(problem).__name__}") from None
    return b"".join(parts)


def _write(value: object, parts: list[bytes], depth: int) -> None:
    _WRITE.get(type(value), _write_other)(value, parts, depth)


def _write_other(value: object, parts: list[bytes], depth: int) -> None:
    """Write an enum member or a named tuple as the type that it extends."""
    writer = next((_WRITE[kind] for kind in _BASES if isinstance(value, kind)), None)
    if writer is None:
        raise EtfError(f"{type(value).__name__} has no term; send text, numbers, lists, tuples or maps")
    writer(value, parts, depth)


def _write_int(value: int, parts: list[bytes], depth: int) -> None:
    if 0 <= value <= 255:
        parts.append(bytes((97, value)))
    elif -(2**31) <= value < 2**31:
        parts.append(_int(98, value))
    else:
        magnitude = abs(value).to_bytes((value.bit_length() + 7) // 8, "little")
        size = len(magnitude)
        head = bytes((110, size)) if size <= 255 else b"o" + _u32(size)
        parts += (head, b"\x01" if value < 0 else b"\x00", magnitude)


def _write_float(value: float, parts: list[bytes], depth: int) -> None:
    if isfinite(value):
        parts.append(_float(70, value))
    else:
        parts.append(_atom_term("nan" if value != value else "infinity" if value > 0 else "neg_infinity"))


def _write_str(value: str, parts: list[bytes], depth: int) -> None:
    parts.append(_binary_term(value.encode()))


def _write_bytes(value: bytes, parts: list[bytes], depth: int) -> None:
    parts.append(_binary_term(value))


def _write_atom(value: Atom, parts: list[bytes], depth: int) -> None:
    parts.append(_atom_term(str(value)))


@lru_cache(maxsize=1024)
def _atom_term(name: str) -> bytes:
    if len(name) > 255:
        raise EtfError(f"an atom has at most 255 characters, this one {len(name)}")
    raw = name.encode()
    return bytes((119, len(raw))) + raw if len(raw) <= 255 else b"v" + _u16(len(raw)) + raw


def _write_constant(value: bool | None, parts: list[bytes], depth: int) -> None:
    parts.append(_atom_term("nil" if value is None else "true" if value else "false"))


def _write_opaque(value: Opaque, parts: list[bytes], depth: int) -> None:
    parts.append(value.term)


def _write_tuple(value: tuple[Any, ...], parts: list[bytes], depth: int) -> None:
    _check_depth(depth)
    size = len(value)
    parts.append(bytes((104, size)) if size <= 255 else b"i" + _u32(size))
    for element in value:
        _write(element, parts, depth + 1)


def _write_list(value: list[Any], parts: list[bytes], depth: int) -> None:
    _check_depth(depth)
    if not value:
        parts.append(b"j")
        return
    parts.append(b"l" + _u32(len(value)))
    if len(value) < SHORTEST_RUN or not (run := written_run(value)):
        for element in value:
            _write(element, parts, depth + 1)
    else:
        parts.append(run)
    parts.append(b"j")


def _write_map(value: dict[Any, Any], parts: list[bytes], depth: int) -> None:
    _check_depth(depth)
    parts.append(b"t" + _u32(len(value)))
    if set(map(type, value)) <= {str}:
        for name, element in value.items():
            parts.append(_name_term(name) if len(name) <= LONGEST_CACHED_NAME else _binary_term(name.encode()))
            # Half of a metrics map's time is calls, so its floats and texts do without.
            if type(element) is float and isfinite(element):
                parts.append(_float(70, element))
            elif type(element) is str:
                parts.append(_binary_term(element.encode()))
            else:
                _WRITE.get(type(element), _write_other)(element, parts, depth + 1)
        return
    # Unequal Python keys may be one term: "a" and b"a", None and Atom("nil").
    keys = set()
    for key, element in value.items():
        key_parts: list[bytes] = []
        _write(key, key_parts, depth + 1)
        term = b"".join(key_parts)
        keys.add(term)
        parts.append(term)
        _write(element, parts, depth + 1)
    if len(keys) != len(value):
        raise EtfError(f"{len(value) - len(keys)} keys of a map become the same term; rename them")


@lru_cache(maxsize=1024)
def _name_term(name: str) -> bytes:
    return _binary_term(name.encode())


def _binary_term(raw: bytes) -> bytes:
    return b"m" + _u32(len(raw)) + raw


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise EtfError(f"the value is nested deeper than {MAX_DEPTH}, or contains itself; send it flatter")


_WRITE: dict[type, Callable[[Any, list[bytes], int], None]] = {
    str: _write_str,
    float: _write_float,
    int: _write_int,
    dict: _write_map,
    list: _write_list,
    bool: _write_constant,
    type(None): _write_constant,
    tuple: _write_tuple,
    Atom: _write_atom,
    bytes: _write_bytes,
    Opaque: _write_opaque,
}

# What a subclass (an enum member, a named tuple) is written as.
_BASES = (Atom, str, int, float, dict, list, tuple, bytes)
