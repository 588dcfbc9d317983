"""Limits of a GraphQL document: how deep it nests, how many aliases it has, how many values it asks for.

Strawberry's limiters walk a fragment anew at each spread, so sixty fragments that spread each other twice take them
2^60 steps. Here a fragment is measured once, and its figures are added wherever it is spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from cerebros.errors import InvalidArgument

# The deepest data hangs four levels down (nearestCapabilities.entry.…, runs.paretoSet.metrics.…); one more
# leaves room for a fragment. Introspection is not counted.
MAX_DEPTH = 5

# An alias repeats a whole answer, up to 1,000 rows of it or one run's Pareto set.
MAX_ALIASES = 16

# Values in the answer. Each takes 1 to 4 µs to complete, so the largest answer takes some 0.2 s. GraphiQL's
# introspection counts as 32,000, a page of 1,000 trials with all their figures as 42,000.
MAX_VALUES = 50_000

# A value of introspection counts as so many: it takes twice as long, and all of it is completed in one piece.
INTROSPECTED = 2

# Selection sets, inline fragments and fragments around a field. It bounds the recursion here; GraphiQL's
# introspection has 18, and graphql-core's parser allows 200.
MAX_NESTING = 50

# The arguments that say how long a list may be.
SIZES = ("limit", "count")

# Items of a list that takes no size and whose contract names no largest one: stages, trials of a Pareto set, fields
# of a type.
LISTED = 10

# Under this key of its metadata a field says how many items its list has at most.
ITEMS = "items"

# No size is taken for larger than this, so that the sums stay small numbers.
_SIZE_ENDS = 10**6


class Extent(NamedTuple):
    """Size of a selection set: levels of fields, nesting around its fields, aliases, and values in its answer."""

    depth: int = 0
    nesting: int = 0
    aliases: int = 0
    values: float = 0

    def beside(self, other: Extent) -> Extent:
        """Return the extent of both in one selection set."""
        return Extent(
            max(self.depth, other.depth),
            max(self.nesting, other.nesting),
            self.aliases + other.aliases,
            self.values + other.values,
        )


class Limits:
    """The limits of documents for one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._introspected = _introspected(schema)

    def require(self, document: DocumentNode, variables: Mapping[str, Any]) -> float:
        """Require that each operation of a document keeps within the limits; the cost is linear in the document.

        Returns:
            The values that the operations ask for, in all.

        Raises:
            InvalidArgument: one does not, or a fragment spreads itself.
        """
        values = 0.0
        for operation in document.definitions:
            if isinstance(operation, OperationDefinitionNode):
                given = _given(operation, variables)
                extent = _Measure(self._schema, self._introspected, document, given).operation(operation)
                _require("levels of fields", extent.depth, MAX_DEPTH, "ask for what lies deeper by itself")
                _require("aliases", extent.aliases, MAX_ALIASES, "send several requests")
                _require(
                    "values in the answer", extent.values, MAX_VALUES, "ask for fewer fields, or with a lower limit"
                )
                values += extent.values
        return values


def _require(what: str, found: float, at_most: int, next_move: str) -> None:
    if found > at_most:
        # A number of a hostile document may have thousands of digits.
        told = f"{found:,.0f}" if found < 10**12 else "over 10^12"
        raise InvalidArgument(f"the document has {told} {what}, at most {at_most:,} are answered; {next_move}")


def _given(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of an operation's variables, their defaults where the caller gives none."""
    defaults = {one.variable.name.value: one.default_value for one in operation.variable_definitions or ()}
    return {**defaults, **variables}


class _Measure:
    """The extents of one operation's parts; those of its fragments are found once."""

    def __init__(
        self,
        schema: GraphQLSchema,
        introspected: Mapping[str, float],
        document: DocumentNode,
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._introspected = introspected
        self._variables = variables
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self._found: dict[str, Extent | None] = {}  # None while the fragment is being measured

    def operation(self, node: OperationDefinitionNode) -> Extent:
        return self._selections(node.selection_set, self._schema.get_root_type(node.operation), 1)

    def _selections(self, node: SelectionSetNode, parent: Any, nesting: int) -> Extent:
        _require("levels of nesting", nesting, MAX_NESTING, "spread fewer fragments inside each other")
        extent = Extent(nesting=1)
        for selection in node.selections:
            extent = extent.beside(self._selection(selection, parent, nesting))
        return extent

    def _selection(self, node: SelectionNode, parent: Any, nesting: int) -> Extent:
        if isinstance(node, FieldNode):
            return self._field(node, parent, nesting)
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            kind = parent if condition is None else self._schema.get_type(condition.name.value)
            inner = self._selections(node.selection_set, kind, nesting + 1)
        else:
            inner = self._fragment(cast(FragmentSpreadNode, node).name.value, nesting)
        _require("levels of nesting", nesting + inner.nesting, MAX_NESTING, "spread fewer fragments inside each other")
        return inner._replace(nesting=inner.nesting + 1)

    def _field(self, node: FieldNode, parent: Any, nesting: int) -> Extent:
        name = node.name.value
        field = None if parent is None else self._schema.get_field(parent, name)
        items = self._items(node, parent, field)
        own = INTROSPECTED if parent is not None and parent.name.startswith("__") else 1
        aliases = int(node.alias is not None)
        if node.selection_set is None:
            return Extent(aliases=aliases, values=own + (items or 0))
        inner = self._selections(node.selection_set, None if field is None else get_named_type(field.type), nesting + 1)
        return Extent(
            depth=0 if name.startswith("__") else inner.depth + 1,
            nesting=inner.nesting + 1,
            aliases=aliases + inner.aliases,
            values=own + (1 if items is None else items) * (1 + inner.values),
        )

    def _fragment(self, name: str, nesting: int) -> Extent:
        if name in self._found:
            found = self._found[name]
            if found is None:
                raise InvalidArgument(f"fragment {name!r} spreads itself, directly or through others; break the circle")
            return found
        fragment = self._fragments.get(name)
        if fragment is None:
            return Extent()  # the standard rules say so
        self._found[name] = None
        kind = self._schema.get_type(fragment.type_condition.name.value)
        extent = self._found[name] = self._selections(fragment.selection_set, kind, nesting + 1)
        return extent

    def _items(self, node: FieldNode, parent: Any, field: GraphQLField | None) -> float | None:
        """Return how many items a field's list may have, None where it is no list."""
        if field is None or not is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type):
            return None
        if parent.name.startswith("__"):
            return self._introspected.get(node.name.value, 1)
        for size in SIZES:
            if size in field.args:
                return self._size(node, size, field.args[size].default_value)
        told = field.extensions["strawberry-definition"]
        return int(told.metadata.get(ITEMS, LISTED))

    def _size(self, node: FieldNode, name: str, default: Any) -> int:
        given: Any = next((one.value for one in node.arguments or () if one.name.value == name), default)
        if isinstance(given, VariableNode):
            given = self._variables.get(given.name.value, default)
        if isinstance(given, IntValueNode):
            given = int(given.value[:9])
        # What is no whole number is refused where it is coerced.
        return min(max(given, 0), _SIZE_ENDS) if isinstance(given, int) else LISTED


def _introspected(schema: GraphQLSchema) -> dict[str, float]:
    """Return how many items each list of introspection has, those of a type or field on average."""
    kinds = list(schema.type_map.values())
    objects = [kind for kind in kinds if isinstance(kind, GraphQLObjectType)]
    fields = [field for kind in objects for field in kind.fields.values()]
    return {
        "types": len(kinds),
        "directives": len(schema.directives),
        "fields": len(fields) / len(kinds),
        "args": sum(len(field.args) for field in fields) / len(fields),
        "inputFields": sum(len(kind.fields) for kind in kinds if isinstance(kind, GraphQLInputObjectType)) / len(kinds),
        "enumValues": sum(len(kind.values) for kind in kinds if isinstance(kind, GraphQLEnumType)) / len(kinds),
        "interfaces": sum(len(kind.interfaces) for kind in objects) / len(kinds),
        "possibleTypes": 0,  # there is no union and no interface
    }
