"""The errors of this project and their codes.

A code is part of the contract with callers and is never reused for another
meaning. `ErrorClass` is Thunderline's coarser division, which decides about
retries.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """Stable names of error kinds, spelt as gRPC's status codes."""

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
    """Thunderline's six classes of errors; transient, timeout and dependency errors can be retried."""

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

# A full queue or a lost database seldom recovers sooner; callers should wait longer each time.
RETRY_AFTER_S = 1.0


class CerebrosError(Exception):
    """Base class; the message names the value, the rule it broke and the next move."""

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def error_class(self) -> ErrorClass:
        """Thunderline's class of the error."""
        return CLASS_OF[self.code]

    @property
    def retryable(self) -> bool:
        """True if the same call may succeed later."""
        return self.error_class in RETRYABLE

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait before the same call is repeated; None where waiting does not help."""
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
    """The system is not in the required state; it must be changed before the call can succeed."""

    code = Code.FAILED_PRECONDITION


class ArtifactCorrupt(FailedPrecondition):
    """Stored bytes do not match the digest under which they were stored."""


class OutOfMemory(FailedPrecondition):
    """A job needs more memory than it may have, and would need it again."""


class PermissionDenied(CerebrosError):
    """The caller is known, and has no permission for this call."""

    code = Code.PERMISSION_DENIED


class Unauthenticated(CerebrosError):
    """The caller did not prove its identity."""

    code = Code.UNAUTHENTICATED


class ResourceExhausted(CerebrosError):
    """A limit is reached; the same call may succeed later."""

    code = Code.RESOURCE_EXHAUSTED


class DeadlineExceeded(CerebrosError):
    """The answer did not come within the caller's time limit."""

    code = Code.DEADLINE_EXCEEDED


class Cancelled(CerebrosError):
    """The caller, or the owner of the run, ended it."""

    code = Code.CANCELLED


class Unavailable(CerebrosError):
    """A dependency of this service does not answer."""

    code = Code.UNAVAILABLE


class Internal(CerebrosError):
    """A defect of this service."""

    code = Code.INTERNAL


class StaleWorker(CerebrosError):
    """Another worker has claimed the run since; this one's results must not be written."""

    code = Code.CANCELLED


def family() -> tuple[type[CerebrosError], ...]:
    """Return every concrete error class, for the tests that look for each in every transport's table."""

    def descend(parent: type[CerebrosError]) -> list[type[CerebrosError]]:
        children = parent.__subclasses__()
        return children + [error for child in children for error in descend(child)]

    return tuple(descend(CerebrosError))
