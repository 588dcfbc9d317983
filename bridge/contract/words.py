"""The words and the base type that the messages of all procedures share.

Bytes, JSON, Erlang terms and command-line arguments all become these structs
at the door. Unknown fields are refused, rules ride on the annotations, and
nobody inside checks twice.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Ids travel into file names, SQL and logs, so their alphabet is small.
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Meta(gt=0, le=30 * 86400)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Seed = Annotated[int, Meta(ge=0, le=2**53)]

Queue = Literal["cpu", "gpu"]
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


class Item(Message, frozen=True, kw_only=True):
    """One struct of a stream.

    A reader that grants credit slowly may be shown only the newest of several
    replaceable items that follow each other; it then says how many it stands for.
    """

    @property
    def replaceable(self) -> bool:
        """True where the next replaceable item says the same, and better."""
        return False

    def standing_for(self, dropped: int) -> Item:
        """Return this item with the number of earlier ones that it replaced."""
        return self
