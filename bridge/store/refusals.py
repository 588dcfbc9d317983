"""PostgreSQL's errors in our words: what a caller can do about each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from bridge.store.address import masked
from cerebros.errors import CerebrosError, FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable

# The first line whose errors the problem is one of; a message is what happened, PostgreSQL's words, and the next move.
REFUSALS: tuple[tuple[tuple[type[psycopg.Error], ...], type[CerebrosError], str, str], ...] = (
    (
        (errors.DiskFull, errors.OutOfMemory, errors.TooManyConnections),
        ResourceExhausted,
        "the database is out of resources",
        "free some and retry",
    ),
    (
        (errors.InsufficientPrivilege,),
        FailedPrecondition,
        "the database user lacks a right",
        "grant it, or name another user in DATABASE_URL",
    ),
    (
        (errors.UndefinedTable, errors.InvalidSchemaName),
        FailedPrecondition,
        "the database has not the schema of this version",
        "run `cerebros-bridge migrate`",
    ),
    ((psycopg.DataError,), InvalidArgument, "the database cannot hold a value of the request", "change it"),
    # InternalError is a server that cannot, such as a standby that takes no writes.
    (
        (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError),
        Unavailable,
        "the database does not answer",
        "retry later, or check DATABASE_URL",
    ),
)


@contextmanager
def database_answered(url: str) -> Iterator[None]:
    """Turn PostgreSQL's errors into ours; those that are defects of our own statements stay as they are.

    Raises:
        CerebrosError: one of `REFUSALS`.
    """
    try:
        yield
    except psycopg.Error as problem:
        for types, refusal, what, next_move in REFUSALS:
            if isinstance(problem, types):
                raise refusal(f"{what}: {masked(problem, url)}; {next_move}") from None
        raise
