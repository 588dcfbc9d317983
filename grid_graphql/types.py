"""Thundergrid's types, made from the contract's.

A struct becomes a type of its name and fields. A resolver answers with the
reply struct itself; GraphQL reads its attributes by their names, so nothing
is copied. GraphQL has no type for a map, for a struct of unbounded depth
and for a value of several forms: they are JSON.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
import strawberry
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from bridge.contract.telling import class_of
from grid_graphql.telling import meaning, purpose, rules, unannotated
from grid_graphql.vocabulary import BigInt, enum_of

# The first number that GraphQL's Int does not hold.
INT_ENDS = 2**31

# An int without an upper rule is a count, which stays below `INT_ENDS`, unless its name ends in one of these.
LARGE = frozenset({"bytes", "flops", "parameters", "seed"})

_NAMED = frozenset({bool, str, float, date, datetime})
_LISTS = frozenset({tuple, list, set, frozenset, Sequence})
_MAPS = frozenset({dict, Mapping})


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
        return _whole(told, place.name)
    if plain in _NAMED:
        return plain
    if origin is Literal and all(isinstance(word, str) for word in parts):
        return enum_of(plain, class_of(place.struct).__name__ + place.type_name)
    if origin in _LISTS and parts[1:] in ((), (...,)):
        return list[side.figure if parts[0] is float else shape(parts[0], place, side)]  # type: ignore[misc]
    if is_struct(plain) and not is_document(plain):
        return side.struct(plain)
    return JSON


def is_struct(told: Any) -> bool:
    """Tell whether a type is a struct's, also one with type arguments."""
    return isinstance(class_of(told), type) and issubclass(class_of(told), msgspec.Struct)


@cache
def is_document(struct: Any) -> bool:
    """Tell whether a struct is a document rather than a record: it holds itself, or a map of structs."""
    held, seen = set(_held_by(struct)), set[Any]()
    while held - seen:
        one = (held - seen).pop()
        seen.add(one)
        held.update(_held_by(one))
    return struct in held or any(_maps_structs(field.type) for field in msgspec.structs.fields(struct))


@cache
def type_of(struct: Any) -> Any:
    """Return the type of answers that are this struct."""
    members: dict[str, Any] = {"__annotations__": {}}
    for field in msgspec.structs.fields(struct):
        annotation = shape(field.type, Place(struct, field.name), ANSWERS)
        members[field.name] = _field(annotation, meaning(field, struct))
        members["__annotations__"][field.name] = annotation
    name = class_of(struct).__name__
    return strawberry.type(type(name, (), members), name=name, description=purpose(struct))


class Figures(StrawberryField):
    """A field whose floats may be null: GraphQL knows no NaN, and the losses of a diverged training hold some."""

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        return _finite(getattr(source, self.python_name))


def _field(annotation: Any, description: str | None) -> Any:
    if not _may_lack_a_figure(annotation):
        return strawberry.field(description=description)
    if description and get_origin(annotation) is list:
        description += " Null where it is not finite."
    return Figures(description=description)


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


def _whole(told: Any, name: str) -> Any:
    most = [rule.le for rule in rules(told) if rule.le is not None]
    most += [rule.lt - 1 for rule in rules(told) if rule.lt is not None]
    large = min(most) >= INT_ENDS if most else name.rpartition("_")[2] in LARGE
    return BigInt if large else int


def _held_by(struct: Any) -> Iterator[Any]:
    for field in msgspec.structs.fields(struct):
        yield from _structs_in(field.type)


def _structs_in(told: Any) -> Iterator[Any]:
    if is_struct(told):
        yield told
    else:
        for part in get_args(told):
            yield from _structs_in(part)


def _maps_structs(told: Any) -> bool:
    if get_origin(told) in _MAPS:
        return any(True for _ in _structs_in(told))
    return any(map(_maps_structs, get_args(told)))


def _any_value(_structs: tuple[Any, ...], _place: Place) -> Any:
    return JSON


ANSWERS = Side(type_of, _any_value, float | None)
