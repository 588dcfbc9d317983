"""Thundergrid's schema: queries, mutations and subscriptions, and the limits of a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

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
from strawberry.types import ExecutionContext

from bridge.contract.procedure import AnyProcedure
from grid_graphql.fields import root_type
from grid_graphql.vocabulary import CONFIG


def _is_defect(error: GraphQLError) -> bool:
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


class Thundergrid(strawberry.Schema):
    """The schema; it logs our own defects only, not the mistakes of callers."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        super().process_errors([error for error in errors if _is_defect(error)], execution_context)


# The deepest data hangs four levels down (nearestCapabilities.entry.…, runs.paretoSet.metrics.…); one more
# leaves room for a fragment. Introspection is not counted.
MAX_DEPTH = 5

# An alias repeats a whole answer, up to 1,000 rows of it or one run's Pareto set. There is no other way to ask for
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

# One table is every process's; tests have a few more.
TABLES_AT_MOST = 16


def make_schema(procedures: Mapping[str, AnyProcedure]) -> Thundergrid:
    """Return the schema of a table of procedures; it is made once."""
    return _schema_of(tuple(procedures.values()))


@lru_cache(maxsize=TABLES_AT_MOST)
def _schema_of(procedures: tuple[AnyProcedure, ...]) -> Thundergrid:
    streams = [one for one in procedures if one.streams]
    reading = [one for one in procedures if one.reads and not one.streams]
    changing = [one for one in procedures if not one.reads]
    return Thundergrid(
        query=root_type("Query", reading, "Everything that can be read."),
        mutation=root_type("Mutation", changing, "Everything that can be changed."),
        subscription=root_type("Subscription", streams, "Everything that can be followed."),
        config=CONFIG,
        extensions=[
            lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
            lambda: AddValidationRules(_LIMITS),
            lambda: ParserCache(maxsize=KEPT_DOCUMENTS),
            lambda: ValidationCache(maxsize=KEPT_DOCUMENTS),
            # The text of an unforeseen exception is for the log.
            lambda: MaskErrors(_is_defect, "INTERNAL: a defect of the bridge; its log says more"),
        ],
    )
