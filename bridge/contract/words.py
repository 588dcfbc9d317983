"""What the messages of all procedures share: their words, their base, and the door they come in by.

Bytes, JSON, Erlang terms and command-line arguments all become these structs
at the door. Unknown fields are refused, rules ride on the annotations, and
nobody inside checks twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from cerebros.errors import InvalidArgument

# Ids travel into file names, SQL and logs, so their alphabet is small.
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Meta(gt=0, le=30 * 86400)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Seed = Annotated[int, Meta(ge=0, le=2**53)]

RunKind = Literal["cycle", "nas"]
LockState = Literal["open", "draining", "locked"]
Sampler = Literal["rose", "rose-parzen", "optuna-motpe", "nsga2", "random"]
# A study is brought back from its rows, which Optuna's samplers cannot promise to do alike.
StudySampler = Literal["rose", "rose-parzen", "random"]
RunState = Literal["queued", "running", "succeeded", "failed", "cancelled", "timed_out"]
Outcome = Literal["ok", "pruned", "diverged", "oom", "timeout", "lost", "error"]
Decision = Literal["allow", "deny"]

ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request and reply has in common."""


Request = TypeVar("Request", bound=msgspec.Struct)


def decode(raw: Mapping[str, Any], into: type[Request]) -> Request:
    """Turn a decoded map into the request it claims to be.

    Raises:
        InvalidArgument: a field is missing, unknown, of another type or
            outside its rule; the message names its path.
    """
    try:
        return msgspec.convert(raw, into)
    except msgspec.ValidationError as problem:
        allowed = ", ".join(field.name for field in msgspec.structs.fields(into))
        raise InvalidArgument(f"{into.__name__}: {problem}; its fields are {allowed}") from None
