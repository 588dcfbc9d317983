"""Thundergrid's root types, made from the table of procedures: each field calls one procedure."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Hashable, Iterable
from typing import Annotated, Any, get_args, get_origin

import msgspec
import strawberry

from bridge.contract.procedure import AnyProcedure
from bridge.contract.telling import is_struct
from grid_graphql.asking import WHOLE, Info, answering, following
from grid_graphql.inputs import annotation_of, default_of, input_of
from grid_graphql.telling import account, meaning, unannotated
from grid_graphql.types import ANSWERS, Place, shape

# Strawberry gives a resolver something else under these names.
_TAKEN = frozenset({"cls", "info", "root", "self"})


def root_type(name: str, procedures: Iterable[AnyProcedure], description: str) -> Any:
    """Return a root type with a field for each procedure, None where there is none."""
    fields = {procedure.noun or procedure.name: _field(procedure) for procedure in procedures}
    return strawberry.type(type(name, (), fields), description=description) if fields else None


def listed_in(reply: Any) -> str | None:
    """Return the name of a reply's only field if that is a list of structs: the list is then the answer."""
    fields = msgspec.structs.fields(reply)
    listed = [
        field.name for field in fields if get_origin(unannotated(field.type)) is tuple and _holds_struct(field.type)
    ]
    return listed[0] if len(fields) == 1 and listed else None


def given_whole(request: Any) -> bool:
    """Tell whether a request is given as one input: one of its fields cannot be an argument."""
    return any(
        _holds_struct(field.type)
        or field.name in _TAKEN
        or not (field.required or isinstance(default_of(field), Hashable))  # Strawberry hashes an argument's default
        for field in msgspec.structs.fields(request)
    )


def _field(procedure: AnyProcedure) -> Any:
    listed = None if procedure.streams else listed_in(procedure.reply)
    told = procedure.reply if listed is None else msgspec.structs.fields(procedure.reply)[0].type
    answer = shape(told, Place(procedure.reply, listed or ""), ANSWERS)
    whole = given_whole(procedure.request)
    resolve: Any = (
        following(procedure.name, whole=whole) if procedure.streams else answering(procedure.name, listed, whole=whole)
    )
    # Strawberry reads a field's arguments from its resolver's signature.
    resolve.__signature__ = inspect.Signature(
        [_parameter("info", Info, inspect.Parameter.empty), *_arguments(procedure.request)]
    )
    return strawberry.field(
        resolver=resolve,
        graphql_type=AsyncGenerator[answer, None] if procedure.streams else answer,  # type: ignore[valid-type]
        description=account(procedure.request, procedure.run),
        is_subscription=procedure.streams,
    )


def _arguments(request: Any) -> list[inspect.Parameter]:
    if given_whole(request):
        return [_parameter(WHOLE, input_of(request), inspect.Parameter.empty)]
    return [
        _parameter(
            field.name,
            Annotated[annotation_of(field, request), strawberry.argument(description=meaning(field, request))],
            inspect.Parameter.empty if field.required else default_of(field),
        )
        for field in msgspec.structs.fields(request)
    ]


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _holds_struct(told: Any) -> bool:
    """Tell whether a type is that of a struct, of one of several, or of a list of them; a document is JSON."""
    return is_struct(told) or any(map(_holds_struct, get_args(told)))
