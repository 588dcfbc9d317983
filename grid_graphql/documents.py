"""Documents that callers send: read and checked once, off the event loop, and kept while they are in use."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, validate
from graphql.validation import specified_rules
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from cerebros.errors import CerebrosError, ResourceExhausted
from grid_graphql.asking import refusal
from grid_graphql.limits import Limits

# A document that may be executed, or the reasons why it may not.
Checked = DocumentNode | list[GraphQLError]

# GraphiQL's introspection has about 350 tokens, a query for every field of every type about 250.
MAX_TOKENS = 1000

# Characters. Names are short; a text belongs into a variable.
MAX_LENGTH = 100_000

# Seconds that a caller waits for its document's check, those before it included. A thread cannot be ended, so this
# ends the waiting only. What ends the work is that the limits come first, and graphql-core's own budgets: the worst
# document known within MAX_TOKENS takes 0.3 s.
CHECK_S = 2.0

# Bytes of documents kept. Clients send few different ones, with variables; reading and checking take most of a
# small query's time.
KEPT_BYTES = 16 * 2**20

# Measured: a document takes 610 to 800 bytes a token beside its text.
TOKEN_BYTES = 800

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class Documents:
    """The valid documents of one schema, the least recently used ones forgotten."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._limits = Limits(schema)
        self._kept: OrderedDict[bytes, DocumentNode] = OrderedDict()
        self._kept_bytes = 0
        # One thread: a flood of new documents takes turns with the loop, and what is kept waits for none of it.
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="graphql-check")

    async def checked(self, text: str, variables: Mapping[str, Any]) -> Checked:
        """Return a document that may be executed with these variables, or the reasons why it may not."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        document = self._kept.get(digest)
        try:
            if document is not None:
                self._kept.move_to_end(digest)
                if _takes_variables(document):  # which may be sizes of lists
                    self._limits.require(document, variables)
                return document
            checked = await self._in_time(text, variables)
        except CerebrosError as error:
            return [refusal(error)]
        if isinstance(checked, DocumentNode):
            self._keep(digest, checked)
        return checked

    async def _in_time(self, text: str, variables: Mapping[str, Any]) -> Checked:
        try:
            async with asyncio.timeout(CHECK_S):
                return await asyncio.get_running_loop().run_in_executor(self._checker, self._check, text, variables)
        except TimeoutError:
            raise ResourceExhausted(
                f"the document was not checked within {CHECK_S} s, for too many new ones arrive; send it again later, "
                "with its values in variables: a document that was sent before is not checked again"
            ) from None

    def _check(self, text: str, variables: Mapping[str, Any]) -> Checked:
        try:
            document = parse(text, max_tokens=MAX_TOKENS, max_source_length=MAX_LENGTH)
        except GraphQLError as error:
            return [error]
        self._limits.require(document, variables)  # before the rules, whose cost it bounds
        return validate(self._schema, document, _RULES) or document

    def _keep(self, digest: bytes, document: DocumentNode) -> None:
        if digest in self._kept:  # two callers sent it at once
            return
        self._kept[digest] = document
        self._kept_bytes += _size(document)
        while self._kept_bytes > KEPT_BYTES:
            _, forgotten = self._kept.popitem(last=False)
            self._kept_bytes -= _size(forgotten)


def _size(document: DocumentNode) -> int:
    """Return the bytes that a document takes; a character takes up to four."""
    assert document.loc is not None  # noqa: S101
    return 4 * len(document.loc.source.body) + TOKEN_BYTES * (document.token_count or 0)


def _takes_variables(document: DocumentNode) -> bool:
    return any(isinstance(one, OperationDefinitionNode) and one.variable_definitions for one in document.definitions)
