"""How resolvers ask the bridge: with GraphQL's words, and with its refusals told as GraphQL tells errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLError

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from cerebros.errors import CerebrosError


@dataclass(frozen=True)
class Context:
    """What a resolver gets besides its arguments."""

    bridge: Bridge
    caller: Caller


Info = strawberry.Info[Context, None]


# The argument of a request that is given as one input.
WHOLE = "input"


def answering(procedure: str, listed: str | None, *, whole: bool) -> Callable[..., Awaitable[Any]]:
    """Return the resolver that asks a procedure.

    Args:
        listed: the one field of the reply that is the answer; None where it is the reply itself.
        whole: the request is one argument; else each of its fields is one.
    """

    async def resolve(info: Info, **given: Any) -> Any:
        context = info.context
        try:
            reply = await context.bridge.call(context.caller, procedure, _raw(given[WHOLE] if whole else given))
        except CerebrosError as error:
            raise refusal(error) from None
        return reply if listed is None else getattr(reply, listed)

    return resolve


def following(stream: str, *, whole: bool) -> Callable[..., AsyncGenerator[Any, None]]:
    """Return the resolver that follows a stream; `whole` as for `answering`."""

    async def resolve(info: Info, **given: Any) -> AsyncGenerator[Any, None]:
        context = info.context
        try:
            raw = _raw(given[WHOLE] if whole else given)
            async with aclosing(context.bridge.stream(context.caller, stream, raw)) as items:
                async for item in items:
                    yield item
        except CerebrosError as error:
            raise refusal(error) from None

    return resolve


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


def _raw(given: dict[str, Any]) -> Any:
    """The map that the bridge decodes: an argument that is null was not given, and an enum's value is its word."""
    return msgspec.to_builtins({name: value for name, value in given.items() if value is not None})
