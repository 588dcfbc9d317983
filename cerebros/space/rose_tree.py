"""Rose trees: configurations with ordered children, and the spaces they are drawn from.

A space is a table of node types. A node type has parameters, each with its
rule (`rules.py`), and slots; a slot holds between `min` and `max` ordered
children of one other type. Limits bound the whole tree. A tree is a JSON
document `{t, p, c}`: type, parameter values, children (slot after slot).

Each decision in a tree has a *key*, the path of type names without indices
(`network/level/unit.neurons`), and a *position*, the path's indices.
Estimators learn about keys; positions tell siblings apart. The number of
children in a slot is a decision as well (`network#level`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from numpy.random import Generator

from cerebros.errors import SpaceRejected
from cerebros.space.rules import (
    EXACT,
    Choice,
    Float,
    Int,
    Ordered,
    Param,
    Value,
    added,
    allows,
    decidable,
    draw_uniform,
    exists,
)
from cerebros.space.tree import Tree, from_mapping, to_json, tree_hash

# Code that writes a space needs rules and trees too, and gets them here.
__all__ = [
    "DEPTH_AT_MOST",
    "Choice",
    "Decide",
    "Decision",
    "Float",
    "Int",
    "Layout",
    "Limit",
    "NodeType",
    "Ordered",
    "Param",
    "Slot",
    "Space",
    "Tree",
    "Value",
    "draw_uniform",
    "from_mapping",
    "to_json",
    "tree_hash",
]

# A tree as google.protobuf.Struct nests five messages a level, and protobuf readers stop at a hundred.
DEPTH_AT_MOST = 16


# Each limit takes a walk through every tree that a search considers.
LIMITS_AT_MOST = 32

# No more than a count that is exact as a double; far fewer make a tree too large to search.
Children = Annotated[int, Meta(ge=0, le=EXACT)]


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Room for `min` to `max` ordered children of node type `type`."""

    type: str
    min: Children
    max: Children


class NodeType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of a node's parameters, by name, and its slots for children."""

    params: dict[str, Param] = {}
    slots: tuple[Slot, ...] = ()


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bounds on a whole tree's count of nodes, or on its sum of a number.

    Attributes:
        count: a node type, whose nodes are counted; give either this or `sum`.
        sum: `type.parameter`, summed over all nodes; a node that lacks the parameter adds nothing.
        at_least, at_most: the bounds, both included; one of them may be None.

    Raises:
        SpaceRejected: on construction, when it measures nothing, two things at once, or bounds nothing.
    """

    count: str | None = None
    sum: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.count is None) == (self.sum is None):
            raise SpaceRejected(f"a limit has count {self.count!r} and sum {self.sum!r}; give one of them")
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if not bounds or not all(map(math.isfinite, bounds)) or bounds != sorted(bounds):
            raise SpaceRejected(
                f"{self.measure} has at_least {self.at_least} and at_most {self.at_most}; "
                "give finite bounds, one or both, the lower one first"
            )

    @property
    def measure(self) -> str:
        """The bounded quantity in words."""
        return f"the sum of {self.sum}" if self.count is None else f"the count of {self.count}"

    def overlaps(self, least: float, most: float) -> bool:
        """Return True if some number from `least` to `most` is within the bounds."""
        return (self.at_least is None or most >= self.at_least) and (self.at_most is None or least <= self.at_most)


def totals(limits: Sequence[Limit], tree: Tree) -> list[float]:
    """Compute the tree's count or sum for each limit, in one walk."""
    found = [0.0] * len(limits)
    counts = {limit.count: n for n, limit in enumerate(limits)}
    sums = {limit.sum: n for n, limit in enumerate(limits)}
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        nodes += node.c
        if node.t in counts:
            found[counts[node.t]] += 1.0
        for name, value in node.p.items():
            if (n := sums.get(f"{node.t}.{name}")) is not None:
                found[n] += float(value)
    return found


class Decision(msgspec.Struct, frozen=True):
    """A value of a tree with its site (key and position) and its rule."""

    key: str
    position: tuple[int, ...]
    param: Param
    value: Value


# Decides one value from its key, the rule it must obey and its position.
Decide = Callable[[str, Param, tuple[int, ...]], Value]


class Layout(msgspec.Struct, frozen=True):
    """The decisions of a node.

    Attributes:
        params: name, key and rule of each parameter; a parameter comes after those it waits for.
        slots: for each slot, key and rule of the number of children, and the node key of the children.
    """

    params: tuple[tuple[str, str, Param], ...]
    slots: tuple[tuple[str, Param, str], ...]


class Space(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The set of all trees whose root is of type `root`; a search proposes those within the limits.

    Raises:
        SpaceRejected: on construction, when a slot or a condition names something undefined, types contain
            themselves, parameters wait for each other, or limits contradict each other or the types.
    """

    root: str
    types: dict[str, NodeType]  # parameters in an order in which they can be decided
    limits: Annotated[tuple[Limit, ...], Meta(max_length=LIMITS_AT_MOST)] = ()

    def __post_init__(self) -> None:
        if self.root not in self.types:
            raise SpaceRejected(f"root type {self.root!r} is not defined; types are {', '.join(self.types)}")
        for name, node in self.types.items():
            if len({slot.type for slot in node.slots}) != len(node.slots):
                raise SpaceRejected(f"type {name!r} has two slots of one type; give each slot its own type")
            for slot in node.slots:
                if slot.type not in self.types:
                    raise SpaceRejected(f"slot {name}#{slot.type} names an undefined type; define {slot.type!r}")
                if slot.min > slot.max:
                    raise SpaceRejected(f"slot {name}#{slot.type}: min {slot.min} is above max {slot.max}")
        self._depth(self.root, (), {})
        types = {
            name: msgspec.structs.replace(node, params=decidable(name, node.params))
            for name, node in self.types.items()
        }
        msgspec.structs.force_setattr(self, "types", types)
        self._check_limits()

    def _depth(self, name: str, above: tuple[str, ...], depths: dict[str, int]) -> int:
        """Return the number of levels from this type down, and check that types end.

        Known `depths` are reused: types that share types would otherwise cost 2^types steps.
        """
        if name in above:
            raise SpaceRejected(f"type {name!r} contains itself ({'/'.join((*above, name))}); trees must end")
        if len(above) + depths.get(name, 1) > DEPTH_AT_MOST:
            raise SpaceRejected(
                f"type {name!r} makes trees of more than {DEPTH_AT_MOST} levels; nest types less deeply"
            )
        if name not in depths:
            below = [self._depth(slot.type, (*above, name), depths) for slot in self.types[name].slots]
            depths[name] = 1 + max(below, default=0)
        return depths[name]

    def size(self) -> int:
        """Return the work that the largest tree takes: the number of its nodes, decisions and conditions' values.

        An empty slot counts as one child.
        """
        sizes: dict[str, int] = {}

        def of(name: str) -> int:
            if name not in sizes:
                kind = self.types[name]
                waits = sum(len(wanted) for rule in kind.params.values() for wanted in rule.when.values())
                below = sum(1 + max(1, slot.max) * of(slot.type) for slot in kind.slots)
                sizes[name] = 1 + len(kind.params) + waits + below
            return sizes[name]

        return of(self.root)

    def _check_limits(self) -> None:
        known = {f"{name}.{param}": rule for name, node in self.types.items() for param, rule in node.params.items()}
        if len({limit.measure for limit in self.limits}) != len(self.limits):
            raise SpaceRejected("two limits bound the same; put at_least and at_most into one")
        for limit in self.limits:
            if limit.count is not None and limit.count not in self.types:
                raise SpaceRejected(f"{limit.measure} is limited; types are {', '.join(self.types)}")
            if limit.sum is not None and isinstance(known.get(limit.sum), Choice | None):
                numbers = ", ".join(key for key, rule in known.items() if not isinstance(rule, Choice))
                raise SpaceRejected(f"{limit.measure} is limited; parameters with numbers are {numbers or 'none'}")
            least, most = self._span(limit)
            if not limit.overlaps(least, most):
                raise SpaceRejected(
                    f"{limit.measure} lies between {least:g} and {most:g} in every tree, outside at_least "
                    f"{limit.at_least} and at_most {limit.at_most}; change these, or the types"
                )

    def _span(self, limit: Limit) -> tuple[float, float]:
        """Return the least and the largest value of a limit's measure, other limits aside."""
        spans: dict[str, tuple[float, float]] = {}

        def of(name: str) -> tuple[float, float]:
            if name not in spans:
                kind, counted = self.types[name], float(name == limit.count)
                parts = [(counted, counted)]
                parts += [
                    added(rule)
                    for param, rule in kind.params.items()
                    if f"{name}.{param}" == limit.sum and not isinstance(rule, Choice)
                ]
                for slot in kind.slots:
                    least, most = of(slot.type)
                    parts.append((min(slot.min * least, slot.max * least), max(slot.min * most, slot.max * most)))
                spans[name] = (sum(low for low, _ in parts), sum(high for _, high in parts))
            return spans[name]

        return of(self.root)

    def admits(self, tree: Tree) -> bool:
        """Return True if a tree of this space is within its limits; one walk serves them all."""
        return all(limit.overlaps(n, n) for limit, n in zip(self.limits, totals(self.limits, tree), strict=True))

    def grow(self, decide: Decide) -> Tree:
        """Build a tree from decisions, which are asked for root first, parameters before children.

        Args:
            decide: returns one value, given its key, its rule and its position.
        """

        def node(name: str, key: str, position: tuple[int, ...]) -> Tree:
            kind = self.types[name]
            values: dict[str, Value] = {}
            for param, rule in kind.params.items():
                if exists(rule, values):
                    values[param] = decide(f"{key}.{param}", rule, position)
            children: list[Tree] = []
            for slot in kind.slots:
                count = decide(f"{key}#{slot.type}", Int(slot.min, slot.max), position)
                children.extend(
                    node(slot.type, f"{key}/{slot.type}", (*position, index)) for index in range(int(count))
                )
            return Tree(name, values, tuple(children))

        return node(self.root, self.root, ())

    def decisions(self, tree: Tree) -> Iterator[Decision]:
        """Yield every decision of a tree, in the order in which `grow` asks for them.

        Raises:
            SpaceRejected: the tree does not belong to this space.
        """
        if tree.t != self.root:
            raise SpaceRejected(f"a tree of this space has root {self.root!r}, not {tree.t!r}")
        yield from self._node_decisions(tree, self.root, ())

    def check(self, tree: Tree) -> None:
        """Check that a tree belongs to this space.

        Raises:
            SpaceRejected: it does not.
        """
        for _ in self.decisions(tree):
            pass

    def holds(self, tree: Tree) -> bool:
        """Return True if the tree belongs to this space."""
        try:
            self.check(tree)
        except SpaceRejected:
            return False
        return True

    def _node_decisions(self, tree: Tree, key: str, position: tuple[int, ...]) -> Iterator[Decision]:
        kind = self.types[tree.t]
        present = {param: rule for param, rule in kind.params.items() if exists(rule, tree.p)}
        if tree.p.keys() != present.keys():
            raise SpaceRejected(f"{key} has parameters {sorted(tree.p)}; such a node has {sorted(present)}")
        for param, rule in present.items():
            value = tree.p[param]
            _check_value(f"{key}.{param}", rule, value)
            yield Decision(f"{key}.{param}", position, rule, value)
        if strangers := {child.t for child in tree.c} - {slot.type for slot in kind.slots}:
            raise SpaceRejected(f"{key} has children of type {sorted(strangers)}; its slots hold none of these")
        for slot in kind.slots:
            children = tree.children(slot.type)
            rule = Int(slot.min, slot.max)
            _check_value(f"{key}#{slot.type}", rule, len(children))
            yield Decision(f"{key}#{slot.type}", position, rule, len(children))
            for index, child in enumerate(children):
                yield from self._node_decisions(child, f"{key}/{slot.type}", (*position, index))

    def rules(self) -> dict[str, Param]:
        """Return the rule of every key that a tree of this space can have."""
        layouts = self.layouts().values()
        params = {key: rule for layout in layouts for _, key, rule in layout.params}
        return params | {key: rule for layout in layouts for key, rule, _ in layout.slots}

    def layouts(self) -> dict[str, Layout]:
        """Return the layout of every node key; code that walks many trees computes it once."""
        found: dict[str, Layout] = {}

        def visit(name: str, key: str) -> None:
            kind = self.types[name]
            found[key] = Layout(
                tuple((param, f"{key}.{param}", rule) for param, rule in kind.params.items()),
                tuple((f"{key}#{s.type}", Int(s.min, s.max), f"{key}/{s.type}") for s in kind.slots),
            )
            for slot in kind.slots:
                visit(slot.type, f"{key}/{slot.type}")

        visit(self.root, self.root)
        return found

    def draw(self, generator: Generator) -> Tree:
        """Draw a tree from the prior, every decision uniform over its rule; it may be beyond the limits."""
        return self.grow(lambda _key, rule, _position: draw_uniform(rule, generator))


def _check_value(name: str, rule: Param, value: Value) -> None:
    if not allows(rule, value):
        raise SpaceRejected(f"{name} is {value!r}, outside {rule}")
