"""Sizes of answers, known before the trials in them are handed out: none may be too large to arrive."""

from __future__ import annotations

from cerebros.errors import SpaceRejected
from cerebros.space.rose_tree import Choice, Space

# Bytes of all trees of an answer; a gRPC message has 4 MiB, and an answer has more than its trees.
ANSWER_BYTES = 3 * 2**20

# What a decision or a node takes besides its words, in the widest form it travels in: protobuf's Struct has
# lengths of up to three bytes around each name, each value and the pair of them.
FRAME_BYTES = 48


def tree_bytes_at_most(space: Space) -> int:
    """Return the bytes that the largest tree of a space takes at most on its way to a caller."""
    sizes: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in sizes:
            kind = space.types[name]
            decisions = sum(
                FRAME_BYTES + _width(param) + (max(map(_width, rule.options)) if isinstance(rule, Choice) else 0)
                for param, rule in kind.params.items()
            )
            below = sum(slot.max * of(slot.type) for slot in kind.slots)
            sizes[name] = FRAME_BYTES + _width(name) + decisions + below
        return sizes[name]

    return of(space.root)


def check_tree_bytes(space: Space) -> None:
    """Check that a tree of the space fits an answer.

    Raises:
        SpaceRejected: it may not.
    """
    if (size := tree_bytes_at_most(space)) > ANSWER_BYTES:
        raise SpaceRejected(
            f"the space's largest tree takes {size} bytes, {ANSWER_BYTES} are allowed; "
            "use shorter names and options, or lower the max of a slot"
        )


def trees_in_an_answer(space: Space) -> int:
    """Return the number of trees of this space that fit one answer, at least one."""
    return max(1, ANSWER_BYTES // tree_bytes_at_most(space))


def _width(value: object) -> int:
    return len(str(value).encode())
