"""Types of terms without a Python counterpart, and the limits of the codec."""

from __future__ import annotations

from dataclasses import dataclass

from cerebros.errors import InvalidArgument

# Deeper than any message of ours by a factor of ten, far below Python's own recursion limit.
MAX_DEPTH = 200


class EtfError(InvalidArgument):
    """The bytes are no acceptable term, or the value has no term."""


class Atom(str):
    """An Erlang atom; equal to the string of its name, but written as an atom."""

    __slots__ = ()


@dataclass(frozen=True)
class Opaque:
    """A pid, port, reference or fun: its bytes, kept to be sent back."""

    term: bytes
