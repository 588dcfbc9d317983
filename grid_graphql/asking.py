"""How resolvers ask the bridge: a procedure called with GraphQL's words, its refusal told as GraphQL tells errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, cast

import strawberry
from graphql import GraphQLError
from strawberry.types import has_object_definition

from bridge.api import procedures
from bridge.api.procedures import Bridge
from cerebros.errors import CerebrosError

Answer = TypeVar("Answer")
Resolver = TypeVar("Resolver", bound=Callable[..., Any])


@dataclass(frozen=True)
class Context:
    """What a resolver gets besides its arguments."""

    bridge: Bridge


Info = strawberry.Info[Context, None]


def field(description: str, *, streams: bool = False) -> Callable[[Resolver], Resolver]:
    """A field of a root type, resolved by the method below it.

    `strawberry.field` does the same; called with a description it has no type, which strict mypy asks of a decorator.
    """
    return cast(Callable[[Resolver], Resolver], strawberry.field(description=description, is_subscription=streams))


async def ask(info: Info, procedure: str, answer: type[Answer], **raw: Any) -> Answer:
    """A procedure's reply, typed as `answer`: the struct that it is, or that struct's GraphQL double.

    An argument that is null is one that was not given, so the procedure's own default holds.

    Raises:
        GraphQLError: the procedure refused.
    """
    words = {name: _word(value) for name, value in raw.items() if value is not None}
    try:
        return cast(Answer, await procedures.call(info.context.bridge, procedure, words))
    except CerebrosError as error:
        raise refusal(error) from None


def given(part: object) -> dict[str, Any]:
    """An input's fields by their names."""
    return {one.name: getattr(part, one.name) for one in fields(cast(Any, part))}


def refusal(error: CerebrosError) -> GraphQLError:
    """An error of ours, its code and what to do about it among the extensions."""
    return GraphQLError(
        error.message,
        extensions={
            "code": error.code,
            "class": error.error_class,
            "retryable": error.retryable,
            "retryAfterS": error.retry_after_s,
        },
    )


def _word(value: object) -> object:
    match value:
        case StrEnum():
            return value.value
        case list():
            return [_word(part) for part in value]
        case _ if has_object_definition(value):  # an input within an input
            return {name: _word(part) for name, part in given(value).items()}
    return value
