"""Inputs of Thundergrid, made from the contract's structs.

An input is read as the map that the bridge decodes. A field that is null
counts as absent, so the contract's own default holds. Where a field takes one
of several structs, a caller gives one under the name of its tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_origin

import msgspec
import strawberry
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext

from bridge.contract.telling import class_of
from grid_graphql.telling import meaning, purpose
from grid_graphql.types import Place, Side, shape


@cache
def input_of(struct: Any) -> Any:
    """Return the input type of a struct."""
    fields = msgspec.structs.fields(struct)
    members = {field.name: _field(field, struct) for field in fields}
    annotations = {field.name: annotation_of(field, struct) for field in fields}
    return _input(f"{class_of(struct).__name__}Input", members, annotations, purpose(struct), _given)


def annotation_of(field: msgspec.structs.FieldInfo, struct: Any) -> Any:
    """Return the annotation that Strawberry reads as the type of a request's field."""
    return shape(field.type, Place(struct, field.name), INPUTS)


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """Return a field's default as a caller would write it."""
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return msgspec.to_builtins(default)


def _field(field: msgspec.structs.FieldInfo, struct: Any) -> Any:
    description = meaning(field, struct)
    if field.required:
        return strawberry.field(description=description)
    return strawberry.field(default_factory=lambda: default_of(field), description=description)


def _one_of(structs: tuple[Any, ...], place: Place) -> Any:
    """Return the input of a field that takes one of several structs; it is shared where a generic struct repeats."""
    owner = "" if get_origin(place.struct) else class_of(place.struct).__name__
    return _tagged_input(f"{owner}{place.type_name}Input", structs)


@cache
def _tagged_input(name: str, structs: tuple[Any, ...]) -> Any:
    tags = {str(one.__struct_config__.tag).replace("-", "_"): one for one in map(class_of, structs)}

    def fold(kind: type, value: Mapping[str, Any], context: InputContext) -> dict[str, Any]:
        [(tag, fields)] = _given(kind, value, context).items()
        return {str(tags[tag].__struct_config__.tag_field): tags[tag].__struct_config__.tag, **fields}

    members = {tag: strawberry.field(description=purpose(one)) for tag, one in zip(tags, structs, strict=True)}
    annotations = {tag: input_of(one) | None for tag, one in zip(tags, structs, strict=True)}
    return _input(name, members, annotations, "Exactly one of these.", fold, one_of=True)


def _input(
    name: str,
    members: dict[str, Any],
    annotations: dict[str, Any],
    description: str | None,
    read: Callable[[type, Mapping[str, Any], InputContext], dict[str, Any]],
    *,
    one_of: bool = False,
) -> Any:
    kind = type(name, (), {**members, "__annotations__": annotations})
    made = strawberry.input(kind, name=name, description=description, one_of=one_of)
    get_object_definition(made, strict=True).from_input = read
    return made


def _given(kind: type, value: Mapping[str, Any], context: InputContext) -> dict[str, Any]:
    """Return the fields that a caller gave, by their names in the contract."""
    definition = get_object_definition(kind, strict=True)
    given = {}
    for field in definition.fields:
        name = context.config.name_converter.from_field(field)
        if value.get(name) is not None:
            given[field.python_name] = context.convert(value[name], field.resolve_type(), name)
    return given


INPUTS = Side(input_of, _one_of, float)
