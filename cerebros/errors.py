"""Every error this project answers with, and the code each one carries.

A code is part of the contract with callers: it is never reused for another
meaning. `ErrorClass` is Thunderline's coarser view; it decides about retries.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """Stable names of what went wrong, spelt as gRPC spells its status codes."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class ErrorClass(StrEnum):
    """Thunderline's six classes; only transient, timeout and dependency are worth a retry."""

    VALIDATION = "validation"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    TIMEOUT = "timeout"
    DEPENDENCY = "dependency"
    SECURITY = "security"


CLASS_OF: dict[Code, ErrorClass] = {
    Code.INVALID_ARGUMENT: ErrorClass.VALIDATION,
    Code.NOT_FOUND: ErrorClass.PERMANENT,
    Code.ALREADY_EXISTS: ErrorClass.PERMANENT,
    Code.FAILED_PRECONDITION: ErrorClass.PERMANENT,
    Code.PERMISSION_DENIED: ErrorClass.SECURITY,
    Code.UNAUTHENTICATED: ErrorClass.SECURITY,
    Code.RESOURCE_EXHAUSTED: ErrorClass.TRANSIENT,
    Code.DEADLINE_EXCEEDED: ErrorClass.TIMEOUT,
    Code.CANCELLED: ErrorClass.PERMANENT,
    Code.UNAVAILABLE: ErrorClass.DEPENDENCY,
    Code.INTERNAL: ErrorClass.PERMANENT,
}

RETRYABLE = frozenset({ErrorClass.TRANSIENT, ErrorClass.TIMEOUT, ErrorClass.DEPENDENCY})

# A full queue or a lost database is seldom itself again sooner; callers who wait longer each time do well.
RETRY_AFTER_S = 1.0


class CerebrosError(Exception):
    """The family's parent: a message that names the value, the rule and the next move."""

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def error_class(self) -> ErrorClass:
        return CLASS_OF[self.code]

    @property
    def retryable(self) -> bool:
        return self.error_class in RETRYABLE

    @property
    def retry_after_s(self) -> float | None:
        """Seconds a caller does well to wait before the same call; None where waiting does not help."""
        return RETRY_AFTER_S if self.retryable else None


class InvalidArgument(CerebrosError):
    """The request can never succeed as written."""

    code = Code.INVALID_ARGUMENT


class ManifestRejected(InvalidArgument):
    """A dataset manifest, or the data it names, breaks a rule."""


class SpaceRejected(InvalidArgument):
    """A search space contradicts itself, or a tree does not belong to its space."""


class NotFound(CerebrosError):
    """The named thing does not exist."""

    code = Code.NOT_FOUND


class AlreadyExists(CerebrosError):
    """The id is taken by something else."""

    code = Code.ALREADY_EXISTS


class FailedPrecondition(CerebrosError):
    """The system is not in the state this needs; somebody has to change that first."""

    code = Code.FAILED_PRECONDITION


class ArtifactCorrupt(FailedPrecondition):
    """Stored bytes do not have the digest they were stored under."""


class PermissionDenied(CerebrosError):
    """The caller is known and may not do this."""

    code = Code.PERMISSION_DENIED


class Unauthenticated(CerebrosError):
    """The caller did not prove who it is."""

    code = Code.UNAUTHENTICATED


class ResourceExhausted(CerebrosError):
    """A limit is reached; the same call may succeed later."""

    code = Code.RESOURCE_EXHAUSTED


class DeadlineExceeded(CerebrosError):
    """The answer did not come in the time the caller allowed."""

    code = Code.DEADLINE_EXCEEDED


class Cancelled(CerebrosError):
    """The caller, or the owner of the run, ended it."""

    code = Code.CANCELLED


class Unavailable(CerebrosError):
    """Something this service depends on does not answer."""

    code = Code.UNAVAILABLE


class Internal(CerebrosError):
    """A defect of ours."""

    code = Code.INTERNAL


class StaleWorker(CerebrosError):
    """Another worker has claimed the run since; what this one holds must not be written."""

    code = Code.CANCELLED


def family() -> tuple[type[CerebrosError], ...]:
    """Every concrete error, for the tests that ask each transport for its row."""

    def descend(parent: type[CerebrosError]) -> list[type[CerebrosError]]:
        children = parent.__subclasses__()
        return children + [error for child in children for error in descend(child)]

    return tuple(descend(CerebrosError))
