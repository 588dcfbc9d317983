"""Documents that callers send: read and checked once, off the event loop, and kept while they are in use."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, validate
from graphql.validation import specified_rules
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from cerebros.errors import CerebrosError, ResourceExhausted
from grid_graphql.asking import Turns, refusal
from grid_graphql.limits import Limits

# GraphiQL's introspection has about 350 tokens, a query for every field of every type about 250.
MAX_TOKENS = 1000

# Characters. Names are short; a text belongs into a variable.
MAX_LENGTH = 100_000

# Pairs of fields, roughly, that are compared for conflicts. By default graphql-core compares so many that a document of
# MAX_TOKENS with one field 250 times takes 0.24 s; none that is meant needs a tenth of these.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 20_000

# Errors told of one document. A caller mends these first; graphql-core's own 100 of them can take 0.2 s to word.
MAX_ERRORS = 10

# Seconds that a caller waits for its document's check, those before it included. A thread cannot be ended, so this
# ends the waiting only. What ends the work is that the limits come first, and that the rules have budgets: the worst
# document known takes 0.1 s. graphql-core is compiled and keeps the interpreter to itself for most of that time.
CHECK_S = 2.0

# Values of an answer that take a turn on the event loop, some milliseconds; introspection completes them in one piece.
MANY = 1000

# Bytes of documents kept. Clients send few different ones, with variables; reading and checking take most of a
# small query's time.
KEPT_BYTES = 16 * 2**20

# Measured: a document takes 610 to 800 bytes a token beside its text.
TOKEN_BYTES = 800

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class Valid(NamedTuple):
    """A document that may be executed, and the number of values that it asks for."""

    document: DocumentNode
    values: float


class Documents:
    """The valid documents of one schema, the least recently used ones forgotten."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._limits = Limits(schema)
        self._kept: OrderedDict[bytes, Valid] = OrderedDict()
        self._kept_bytes = 0
        self._turns = Turns()
        # One thread: a flood of new documents takes turns with the loop, and what is kept waits for none of it.
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="graphql-check")

    async def checked(self, text: str, variables: Mapping[str, Any]) -> DocumentNode | list[GraphQLError]:
        """Return a document that may be executed with these variables, or the reasons why it may not.

        One that asks for many values is returned when it is its turn on the event loop.
        """
        try:
            checked = await self._valid(text, variables)
        except CerebrosError as error:
            return [refusal(error)]
        if isinstance(checked, list):
            return checked
        if checked.values > MANY:
            await self._turns.next()
        return checked.document

    async def _valid(self, text: str, variables: Mapping[str, Any]) -> Valid | list[GraphQLError]:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        kept = self._kept.get(digest)
        if kept is None:
            checked = await self._in_time(text, variables)
            if isinstance(checked, Valid):
                self._keep(digest, checked)
            return checked
        self._kept.move_to_end(digest)
        if _takes_variables(kept.document):  # which may be sizes of lists
            return Valid(kept.document, self._limits.require(kept.document, variables))
        return kept

    async def _in_time(self, text: str, variables: Mapping[str, Any]) -> Valid | list[GraphQLError]:
        try:
            async with asyncio.timeout(CHECK_S):
                return await asyncio.get_running_loop().run_in_executor(self._checker, self._check, text, variables)
        except TimeoutError:
            raise ResourceExhausted(
                f"the document was not checked within {CHECK_S} s, for too many new ones arrive; send it again later, "
                "with its values in variables: a document that was sent before is not checked again"
            ) from None

    def _check(self, text: str, variables: Mapping[str, Any]) -> Valid | list[GraphQLError]:
        try:
            document = parse(text, max_tokens=MAX_TOKENS, max_source_length=MAX_LENGTH)
        except GraphQLError as error:
            return [error]
        values = self._limits.require(document, variables)  # before the rules, whose cost it bounds
        return validate(self._schema, document, _RULES, max_errors=MAX_ERRORS) or Valid(document, values)

    def _keep(self, digest: bytes, checked: Valid) -> None:
        if digest in self._kept:  # two callers sent it at once
            return
        self._kept[digest] = checked
        self._kept_bytes += _size(checked.document)
        while self._kept_bytes > KEPT_BYTES:
            _, forgotten = self._kept.popitem(last=False)
            self._kept_bytes -= _size(forgotten.document)


def _size(document: DocumentNode) -> int:
    """Return the bytes that a document takes; a character takes up to four."""
    assert document.loc is not None  # noqa: S101
    return 4 * len(document.loc.source.body) + TOKEN_BYTES * (document.token_count or 0)


def _takes_variables(document: DocumentNode) -> bool:
    return any(isinstance(one, OperationDefinitionNode) and one.variable_definitions for one in document.definitions)
