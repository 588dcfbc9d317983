"""Thundergrid's schema: queries, mutations and subscriptions, and how a request is prepared and its errors told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import strawberry
from graphql import (
    GraphQLDefaultInput,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    get_operation_ast,
)
from strawberry.extensions import MaskErrors
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from bridge.contract.procedure import AnyProcedure
from cerebros.errors import Internal, InvalidArgument
from grid_graphql.asking import refusal
from grid_graphql.documents import Documents
from grid_graphql.fields import root_type
from grid_graphql.vocabulary import CONFIG

# The kinds of operations that have one answer.
ANSWERED_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})


def _is_defect(error: GraphQLError) -> bool:
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


class TypedErrors(MaskErrors):
    """Gives each error a code; the text of an unforeseen exception is for the log."""

    def __init__(self) -> None:
        super().__init__(lambda error: "code" not in (error.extensions or {}))

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        if _is_defect(error):
            return refusal(Internal("INTERNAL: a defect of the bridge; its log says more"), error)
        return refusal(InvalidArgument(error.message), error)


class Thundergrid(strawberry.Schema):
    """The schema; it logs our own defects only, not the mistakes of callers."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts, config=CONFIG, extensions=[TypedErrors])
        self._documents = Documents(self._schema)
        for kind in self._schema.type_map.values():
            if isinstance(kind, GraphQLInputObjectType):
                _make_defaults_readable(kind.fields.values())

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        super().process_errors([error for error in errors if _is_defect(error)], execution_context)

    async def execute(self, query: str | None, *given: Any, **named: Any) -> ExecutionResult:
        # Strawberry lets subscriptions in by POST, and then has no answer for them.
        return await super().execute(query, *given, **{**named, "allowed_operation_types": ANSWERED_ONCE})

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: Any
    ) -> PreExecutionError | None:
        # Strawberry's own step, which reads and checks on the event loop. No extension can stand in for it: one
        # that refuses a document while it is read ends a WebSocket.
        checked = await self._documents.checked(context.query or "", context.variables or {})
        if isinstance(checked, list):
            return PreExecutionError(data=None, errors=checked)
        operation = get_operation_ast(checked, context.operation_name)
        if operation is None:
            return _refused(_no_operation(context.operation_name))
        if OperationType(operation.operation.value) not in context.allowed_operations:
            return _refused(f"a {operation.operation.value} is followed over a WebSocket; it has no single answer")
        context.graphql_document = checked
        return None


def _make_defaults_readable(fields: Iterable[GraphQLInputField]) -> None:
    """Give defaults that are objects in the one form that introspection can write: it fails for Strawberry's."""
    for field in fields:
        if isinstance(field.default_value, dict):
            field.default = GraphQLDefaultInput(field.default_value)


def _no_operation(name: str | None) -> str:
    if name is None:
        return "the document has several operations; say in operationName which of them is meant"
    return f"the document has no operation {name!r}; name one that it has"


def _refused(message: str) -> PreExecutionError:
    return PreExecutionError(data=None, errors=[refusal(InvalidArgument(message))])


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
    )
