"""Thundergrid's types, made from the contract's.

A struct becomes a type of its name and fields. A resolver answers with the
reply struct itself; GraphQL reads its attributes by their names, so nothing
is copied. GraphQL has no type for a map, for a struct of unbounded depth
and for a value of several forms: they are JSON.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
import strawberry
from msgspec import Meta
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from bridge.contract.telling import class_of, is_struct
from grid_graphql.limits import ITEMS, LISTED
from grid_graphql.telling import meaning, purpose, rules, unannotated
from grid_graphql.vocabulary import BigInt, enum_of

# The first number that GraphQL's Int does not hold.
INT_ENDS = 2**31

_NAMED = frozenset({bool, str, float, date, datetime})
_LISTS = frozenset({tuple, list, set, frozenset, Sequence})


class Place(NamedTuple):
    """The field that a type belongs to."""

    struct: Any
    name: str

    @property
    def type_name(self) -> str:
        """The field's name as that of a type: `RunState` for `run_state`."""
        return self.name.title().replace("_", "")


class Side(NamedTuple):
    """Points in which the two sides of a schema differ: types for answers, and inputs for callers.

    Attributes:
        struct: gives the type of a struct.
        union: gives the type of a value that is one of several structs.
        figure: the type of a float in a list, if no rule keeps it from being NaN.
    """

    struct: Callable[[Any], Any]
    union: Callable[[tuple[Any, ...], Place], Any]
    figure: Any


def shape(told: Any, place: Place, side: Side) -> Any:
    """Return the annotation that Strawberry reads as the GraphQL type of a contract's type."""
    plain = unannotated(told)
    origin, parts = get_origin(plain), get_args(plain)
    if origin in (Union, UnionType):
        return _alternatives(parts, place, side)
    if plain is int:
        return _whole(told)
    if plain in _NAMED:
        return plain
    if origin is Literal and all(isinstance(word, str) for word in parts):
        return enum_of(plain, class_of(place.struct).__name__ + place.type_name)
    if origin in _LISTS and parts[1:] in ((), (...,)):
        return list[side.figure if parts[0] is float else shape(parts[0], place, side)]  # type: ignore[misc]
    if is_struct(plain):
        return side.struct(plain)
    return JSON


@cache
def type_of(struct: Any) -> Any:
    """Return the type of answers that are this struct."""
    members: dict[str, Any] = {"__annotations__": {}}
    for field in msgspec.structs.fields(struct):
        annotation = shape(field.type, Place(struct, field.name), ANSWERS)
        members[field.name] = _field(annotation, meaning(field, struct), rules(field.type))
        members["__annotations__"][field.name] = annotation
    name = class_of(struct).__name__
    return strawberry.type(type(name, (), members), name=name, description=purpose(struct))


class Figures(StrawberryField):
    """A field whose floats may be null: GraphQL knows no NaN, and the losses of a diverged training hold some."""

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        return _finite(getattr(source, self.python_name))


def _field(annotation: Any, description: str | None, said: tuple[Meta, ...]) -> Any:
    most = {ITEMS: next((rule.max_length for rule in said if rule.max_length is not None), LISTED)}
    if not _may_lack_a_figure(annotation):
        return strawberry.field(description=description, metadata=most)
    if description and get_origin(annotation) is list:
        description += " Null where it is not finite."
    return Figures(description=description, metadata=most)


def _may_lack_a_figure(annotation: Any) -> bool:
    return annotation == ANSWERS.figure or any(map(_may_lack_a_figure, get_args(annotation)))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple | list):
        return [_finite(one) for one in value]
    return value


def _alternatives(parts: tuple[Any, ...], place: Place, side: Side) -> Any:
    """Return the annotation of one of several types, of which null may be one."""
    some = tuple(part for part in parts if part is not NoneType)
    if len(some) == 1:
        one = shape(some[0], place, side)
    else:
        one = side.union(some, place) if all(map(is_struct, some)) else JSON
    return one if len(some) == len(parts) else one | None


def _whole(told: Any) -> Any:
    """An int is a count, which stays below `INT_ENDS`, unless its rule lets it pass or its `Meta` says int64."""
    said = rules(told)
    most = [rule.le for rule in said if rule.le is not None] + [rule.lt - 1 for rule in said if rule.lt is not None]
    large = min(most, default=0) >= INT_ENDS or any(
        (rule.extra_json_schema or {}).get("format") == "int64" for rule in said
    )
    return BigInt if large else int


def _any_value(_structs: tuple[Any, ...], _place: Place) -> Any:
    return JSON


ANSWERS = Side(type_of, _any_value, float | None)
