"""Rose trees: configurations with ordered children, and the spaces they are drawn from.

A space is a table of node types. A node type has parameters (a number, a
whole number, one of some numbers in order, a choice) and slots; a slot holds between `min` and `max`
ordered children of one other type. A tree is a JSON document `{t, p, c}`:
type, parameter values, children (slot after slot).

Each decision in a tree has a *key*, the path of type names without indices
(`network/level/unit.neurons`), and a *position*, the path's indices. Keys are
what estimators learn about; positions tell siblings apart. The number of
children in a slot is a decision as well (`network#level`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta
from numpy.random import Generator

from cerebros.errors import SpaceRejected

Value = int | float | str | bool

# Whole numbers up to here are floats and JSON numbers without a loss.
EXACT = 2**53

# A tree as google.protobuf.Struct nests five messages a level, and protobuf readers stop at a hundred.
DEPTH_AT_MOST = 16


class Float(msgspec.Struct, frozen=True, tag="float", forbid_unknown_fields=True):
    """A real number between low and high, both included; `log` spreads it evenly over magnitudes."""

    low: float
    high: float
    log: bool = False


class Int(msgspec.Struct, frozen=True, tag="int", forbid_unknown_fields=True):
    """A whole number between low and high, both included."""

    low: int
    high: int
    log: bool = False


class Choice(msgspec.Struct, frozen=True, tag="choice", forbid_unknown_fields=True):
    """One of some options without an order."""

    options: Annotated[tuple[Value, ...], Meta(min_length=1)]


class Ordered(msgspec.Struct, frozen=True, tag="ordered", forbid_unknown_fields=True):
    """One of some numbers in rising order, neighbours alike: widths 16, 32, 64, or steps of a range."""

    values: Annotated[tuple[int | float, ...], Meta(min_length=1)]


Param = Float | Int | Choice | Ordered


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Room for `min` to `max` ordered children of node type `type`."""

    type: str
    min: Annotated[int, Meta(ge=0)]
    max: Annotated[int, Meta(ge=0)]


class NodeType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    params: dict[str, Param] = {}
    slots: tuple[Slot, ...] = ()


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node with its parameter values `p` and its children `c`."""

    t: str
    p: dict[str, Value] = {}
    c: tuple[Tree, ...] = ()

    def children(self, node_type: str) -> tuple[Tree, ...]:
        return tuple(child for child in self.c if child.t == node_type)


class Decision(msgspec.Struct, frozen=True):
    key: str
    position: tuple[int, ...]
    param: Param
    value: Value


# Decides one value; given its key, the rule it must obey and its position.
Decide = Callable[[str, Param, tuple[int, ...]], Value]


class Layout(msgspec.Struct, frozen=True):
    """What is decided in a node: keys and rules of its parameters; of its slots also the children's node key."""

    params: tuple[tuple[str, Param], ...]
    slots: tuple[tuple[str, Param, str], ...]


class Space(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All trees whose root is of type `root`.

    Raises:
        SpaceRejected: on construction, when a slot names no type, types
            contain themselves, or limits contradict each other.
    """

    root: str
    types: dict[str, NodeType]

    def __post_init__(self) -> None:
        if self.root not in self.types:
            raise SpaceRejected(f"root type {self.root!r} is not defined; types are {', '.join(self.types)}")
        for name, node in self.types.items():
            for key, param in node.params.items():
                _check_param(f"{name}.{key}", param)
            if len({slot.type for slot in node.slots}) != len(node.slots):
                raise SpaceRejected(f"type {name!r} has two slots of one type; give each slot its own type")
            for slot in node.slots:
                if slot.type not in self.types:
                    raise SpaceRejected(f"slot {name}#{slot.type} names an undefined type; define {slot.type!r}")
                if slot.min > slot.max:
                    raise SpaceRejected(f"slot {name}#{slot.type}: min {slot.min} is above max {slot.max}")
        self._depth(self.root, (), {})

    def _depth(self, name: str, above: tuple[str, ...], depths: dict[str, int]) -> int:
        """Levels from this type down; without the known `depths`, types that share types would cost 2^types steps."""
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
        """Nodes and decisions of the largest tree; a slot that stays empty counts as one child all the same."""
        sizes: dict[str, int] = {}

        def of(name: str) -> int:
            if name not in sizes:
                kind = self.types[name]
                sizes[name] = 1 + len(kind.params) + sum(1 + max(1, slot.max) * of(slot.type) for slot in kind.slots)
            return sizes[name]

        return of(self.root)

    def grow(self, decide: Decide) -> Tree:
        """Build the tree whose every decision `decide` makes, parameters before children, root first."""

        def node(name: str, key: str, position: tuple[int, ...]) -> Tree:
            kind = self.types[name]
            values = {param: decide(f"{key}.{param}", rule, position) for param, rule in kind.params.items()}
            children: list[Tree] = []
            for slot in kind.slots:
                count = decide(f"{key}#{slot.type}", Int(slot.min, slot.max), position)
                children.extend(
                    node(slot.type, f"{key}/{slot.type}", (*position, index)) for index in range(int(count))
                )
            return Tree(name, values, tuple(children))

        return node(self.root, self.root, ())

    def decisions(self, tree: Tree) -> Iterator[Decision]:
        """Every decision of a tree, in the order `grow` asks for them.

        Raises:
            SpaceRejected: the tree does not belong to this space.
        """
        if tree.t != self.root:
            raise SpaceRejected(f"a tree of this space has root {self.root!r}, not {tree.t!r}")
        yield from self._node_decisions(tree, self.root, ())

    def check(self, tree: Tree) -> None:
        """Raises:
        SpaceRejected: the tree does not belong to this space.
        """
        for _ in self.decisions(tree):
            pass

    def holds(self, tree: Tree) -> bool:
        """Whether the tree belongs to this space."""
        try:
            self.check(tree)
        except SpaceRejected:
            return False
        return True

    def _node_decisions(self, tree: Tree, key: str, position: tuple[int, ...]) -> Iterator[Decision]:
        kind = self.types[tree.t]
        if set(tree.p) != set(kind.params):
            raise SpaceRejected(f"{key} has parameters {sorted(tree.p)}; its type has {sorted(kind.params)}")
        for param, rule in kind.params.items():
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
        """The rule of every key that a tree of this space can hold."""
        layouts = self.layouts().values()
        params = {key: rule for layout in layouts for key, rule in layout.params}
        return params | {key: rule for layout in layouts for key, rule, _ in layout.slots}

    def layouts(self) -> dict[str, Layout]:
        """The layout of every node key, for those who walk many trees."""
        found: dict[str, Layout] = {}

        def visit(name: str, key: str) -> None:
            kind = self.types[name]
            found[key] = Layout(
                tuple((f"{key}.{param}", rule) for param, rule in kind.params.items()),
                tuple((f"{key}#{s.type}", Int(s.min, s.max), f"{key}/{s.type}") for s in kind.slots),
            )
            for slot in kind.slots:
                visit(slot.type, f"{key}/{slot.type}")

        visit(self.root, self.root)
        return found

    def draw(self, generator: Generator) -> Tree:
        """A tree drawn from the prior: every decision uniform over its rule."""
        return self.grow(lambda _key, rule, _position: draw_uniform(rule, generator))


def draw_uniform(rule: Param, generator: Generator) -> Value:
    """One value, uniform over the rule (over its logarithm where `log` is set)."""
    match rule:
        case Choice(options):
            return options[int(generator.integers(len(options)))]
        case Ordered(values):
            return values[int(generator.integers(len(values)))]
        case Float(low, high, log):
            return _from_scale(generator.uniform(_to_scale(low, log), _to_scale(high, log)), low, high, log)
        case Int(low, high, log=False):
            return int(generator.integers(low, high + 1))
        case Int(low, high):
            # Half a unit on either side gives the ends their full share.
            scaled = generator.uniform(_to_scale(low - 0.5, True), _to_scale(high + 0.5, True))
            return min(high, max(low, round(_from_scale(scaled, low - 0.5, high + 0.5, True))))


def to_json(tree: Tree) -> bytes:
    """The tree's canonical JSON: keys sorted, no spaces, so equal trees have equal bytes."""
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
    """First 16 hex digits of the canonical JSON's SHA-256; no two trees of a study share it by accident."""
    return hashlib.sha256(to_json(tree)).hexdigest()[:16]


def _to_scale(value: float, log: bool) -> float:
    return math.log(value) if log else value


def _from_scale(value: float, low: float, high: float, log: bool) -> float:
    return min(high, max(low, math.exp(value) if log else value))


def _check_param(name: str, param: Param) -> None:
    if isinstance(param, Choice):
        if len(set(map(repr, param.options))) != len(param.options):
            raise SpaceRejected(f"{name} offers an option twice: {param.options}")
        if any(isinstance(option, float) and not math.isfinite(option) for option in param.options):
            raise SpaceRejected(f"{name} offers {param.options}; a number must be finite")
        return
    if isinstance(param, Ordered):
        if not all(a < b for a, b in pairwise(param.values)) or not all(map(math.isfinite, param.values)):
            raise SpaceRejected(f"{name}: {param.values} must be finite and rise")
        return
    if not -EXACT <= param.low <= param.high <= EXACT:
        raise SpaceRejected(
            f"{name}: low {param.low} must be not above high {param.high}, and both finite within ±2^53, "
            "beyond which numbers lose digits in JSON"
        )
    if param.log and param.low <= 0:
        raise SpaceRejected(f"{name}: a log scale needs low above 0, not {param.low}")


def _check_value(name: str, rule: Param, value: Value) -> None:
    match rule:
        case Choice(options):
            # True is 1 to Python, not to whoever reads the tree.
            allowed = any(value == option and type(value) is type(option) for option in options)
        case Ordered(values):
            allowed = not isinstance(value, bool) and value in values
        case Float(low, high):
            allowed = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        case Int(low, high):
            allowed = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not allowed:
        raise SpaceRejected(f"{name} is {value!r}, outside {rule}")
