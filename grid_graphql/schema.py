"""Thundergrid's schema: queries, mutations, a subscription, and what a request may cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import strawberry
from graphql import GraphQLError
from strawberry.extensions import (
    AddValidationRules,
    MaskErrors,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    ParserCache,
    QueryDepthLimiter,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from bridge.api import procedures
from cerebros.errors import CerebrosError
from grid_graphql.asking import Info, field, refusal
from grid_graphql.inputs import RunId, Seen
from grid_graphql.mutations import Mutation
from grid_graphql.queries import Query
from grid_graphql.types import RunEvent
from grid_graphql.vocabulary import BIG_INT, BigInt


@strawberry.type(description="What can be followed.")
class Subscription:
    @field("A run's events behind `afterSeq`, without gap or repeat, until the run has ended.", streams=True)
    async def run_events(self, info: Info, run_id: RunId, after_seq: Seen = 0) -> AsyncGenerator[RunEvent, None]:
        events = procedures.watch(info.context.bridge, {"run_id": run_id, "after_seq": after_seq})
        try:
            async for event in cast(AsyncIterator[RunEvent], events):
                yield event
        except CerebrosError as error:
            raise refusal(error) from None


def _is_defect(error: GraphQLError) -> bool:
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


class Thundergrid(strawberry.Schema):
    """The schema; only defects of ours reach the log, a caller's mistakes are the caller's to read."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        super().process_errors([error for error in errors if _is_defect(error)], execution_context)


# The deepest data hangs four levels down (nearestCapabilities.entry.…, runs.front.metrics.…); one more
# leaves room for a fragment. Introspection is not counted.
MAX_DEPTH = 5

# An alias repeats a whole answer, up to 1,000 rows of it or one run's front. There is no other way to ask for
# more: no list inside a list takes a size, so these limits bound the cost of a query.
MAX_ALIASES = 16

# GraphiQL's introspection has about 350 tokens, a query for every field of every type about 250.
MAX_TOKENS = 1000

# Documents kept parsed and validated. Clients send few different ones, with variables; parsing and
# validation take most of a small query's time.
KEPT_DOCUMENTS = 256

# Made once: a limiter makes a new rule class each time it is made, and ValidationCache, whose key holds the
# rules, would never find a document again.
_LIMITS = [
    *QueryDepthLimiter(max_depth=MAX_DEPTH).validation_rules,
    *MaxAliasesLimiter(max_alias_count=MAX_ALIASES).validation_rules,
]

SCHEMA = Thundergrid(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(scalar_map={BigInt: BIG_INT}),
    extensions=[
        lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
        lambda: AddValidationRules(_LIMITS),
        lambda: ParserCache(maxsize=KEPT_DOCUMENTS),
        lambda: ValidationCache(maxsize=KEPT_DOCUMENTS),
        # The text of an unforeseen exception is for the log.
        lambda: MaskErrors(_is_defect, "INTERNAL: a defect of the bridge; its log says more"),
    ],
)
