"""Trees as documents `{t, p, c}`: their JSON and their names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from cerebros.errors import SpaceRejected
from cerebros.space.rules import Value


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node with its parameter values `p` and its children `c`."""

    t: str
    p: dict[str, Value] = {}
    c: tuple[Tree, ...] = ()

    def children(self, node_type: str) -> tuple[Tree, ...]:
        """Return the children of one type, in order."""
        return tuple(child for child in self.c if child.t == node_type)


def to_json(tree: Tree) -> bytes:
    """Encode a tree as canonical JSON: keys sorted, no spaces, so that equal trees have equal bytes."""
    return msgspec.json.encode(tree, order="deterministic")


def from_mapping(document: Mapping[str, object]) -> Tree:
    """Read a `{t, p, c}` document.

    Raises:
        SpaceRejected: it has another shape.
    """
    try:
        return msgspec.convert(document, Tree)
    except msgspec.ValidationError as problem:
        raise SpaceRejected(f"not a rose tree: {problem}; a tree is {{t, p, c}}") from None


def tree_hash(tree: Tree) -> str:
    """Return the first 16 hex digits of the SHA-256 of a tree's canonical JSON."""
    return hashlib.sha256(to_json(tree)).hexdigest()[:16]
