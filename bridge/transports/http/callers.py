"""The caller of an HTTP request or of a WebSocket, from its headers."""

from __future__ import annotations

import time

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import HTTPConnection

from bridge.contract.procedure import Caller, valid_traceparent
from bridge.contract.words import Id, Seconds
from cerebros.errors import InvalidArgument


class Headers(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Headers that describe the caller; those of a WebSocket hold for every request over it.

    Attributes:
        traceparent: the W3C trace context.
        x_correlation_id: the caller's id of what the request belongs to.
        x_timeout_s: seconds after which the caller stops waiting.
    """

    traceparent: str | None = None
    x_correlation_id: Id | None = None
    x_timeout_s: Seconds | UnsetType = UNSET


def caller_of(connection: HTTPConnection) -> Caller:
    """Return the caller of a connection; over HTTP it has no name.

    Raises:
        InvalidArgument: a header breaks its rule.
    """
    try:
        headers = msgspec.convert(connection.headers, Headers, strict=False)
    except msgspec.ValidationError as problem:
        raise InvalidArgument(
            f"request headers: {problem}; examples: x-timeout-s: 2.5, x-correlation-id: order-17"
        ) from None
    return Caller(
        principal="",
        transport="http",
        traceparent=valid_traceparent(headers.traceparent),
        deadline=None if headers.x_timeout_s is UNSET else time.monotonic() + headers.x_timeout_s,
        correlation_id=headers.x_correlation_id,
    )
