"""Resolvers that ask the bridge, and the translation of its errors into GraphQL's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLError

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from bridge.runs.kinds import Deps
from cerebros.errors import CerebrosError


@dataclass(frozen=True)
class Context:
    """Context of a resolver: the bridge and the caller."""

    bridge: Bridge
    caller: Caller


Info = strawberry.Info[Context, None]


class Turns:
    """Turns on the event loop for what holds it for milliseconds: one such piece of work, then everybody else."""

    def __init__(self, _deps: Deps | None = None) -> None:
        self._one = asyncio.Lock()

    async def next(self) -> None:
        """Wait for the next turn."""
        async with self._one:
            await asyncio.sleep(0)


# Seconds after which an answer of many rows lets others go on: 1,000 rows with all their fields take 50 ms and more.
TURN_S = 0.005

# Rows that take no turn of their own; nearly every answer has fewer.
FEW = 20

# The argument of a request that is given as one input.
WHOLE = "input"


def answering(procedure: str, listed: str | None, *, whole: bool) -> Callable[..., Awaitable[Any]]:
    """Return the resolver that calls a procedure.

    Args:
        listed: the only field of the reply, which is then the answer; None if the answer is the whole reply.
        whole: the request is one argument; else each of its fields is one.
    """

    async def resolve(info: Info, **given: Any) -> Any:
        context = info.context
        try:
            reply = await context.bridge.call(context.caller, procedure, _raw(given[WHOLE] if whole else given))
        except CerebrosError as error:
            raise refusal(error) from None
        return reply if listed is None else _by_turns(getattr(reply, listed), context.bridge.deps.one(Turns))

    return resolve


async def _by_turns(items: Sequence[Any], turns: Turns) -> AsyncGenerator[Any, None]:
    """Give the items of a list; after every few milliseconds, others get their turn on the event loop."""
    clock = asyncio.get_running_loop().time
    ends = clock() + TURN_S if len(items) <= FEW else 0.0
    for item in items:
        if clock() > ends:
            await turns.next()
            ends = clock() + TURN_S
        yield item  # GraphQL completes all fields of the item before it asks for the next


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


def refusal(error: CerebrosError, at: GraphQLError | None = None) -> GraphQLError:
    """Return the GraphQL error of an error of ours, with its code and its retryability as extensions.

    Args:
        at: the error in whose place it stands, and whose place in the document and in the answer it takes.
    """
    place: dict[str, Any] = (
        {} if at is None else {"nodes": at.nodes, "source": at.source, "positions": at.positions, "path": at.path}
    )
    return GraphQLError(
        error.message,
        **place,
        extensions={
            "code": error.code,
            "class": error.error_class,
            "retryable": error.retryable,
            "retryAfterS": error.retry_after_s,
        },
    )


def _raw(given: dict[str, Any]) -> Any:
    """Return the map that the bridge decodes: arguments that are null are left out, and enum values are texts."""
    return msgspec.to_builtins({name: value for name, value in given.items() if value is not None})
