"""The words and the base type that the messages of all procedures share.

Bytes, JSON, Erlang terms and command-line arguments all become these structs
at the door. Unknown fields are refused, rules ride on the annotations, and
nobody inside checks twice.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

import cerebros.gate
from cerebros.metrics import AccuracyKind, EnergyMethod

# Ids travel into file names, SQL and logs, so their alphabet is small. A pattern says its rule in words as well.
Id = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z",
        extra={"rule": "1 to 128 letters, digits or `._:-`, the first a letter or a digit"},
    ),
]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", extra={"rule": "64 lower-case hexadecimal digits"})]
Seconds = Annotated[float, Meta(gt=0, le=30 * 86400)]
# Numbers of things, from 0 or 1, fit PostgreSQL's and protobuf's integers of 32 bits.
COUNT = 2**31 - 1
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
GateStatus = cerebros.gate.Status
Direction = Literal["minimize", "maximize"]
ServingStatus = Literal["serving", "draining", "not_serving"]


class Vocabulary(NamedTuple):
    """A closed set of words, with its meaning."""

    literal: object
    description: str

    @property
    def words(self) -> tuple[str, ...]:
        return get_args(self.literal)


VOCABULARIES: dict[str, Vocabulary] = {
    "RunState": Vocabulary(RunState, "State of a run; the last four are final."),
    "Outcome": Vocabulary(Outcome, "End of a trial; only `ok` gives figures that count."),
    "Sampler": Vocabulary(
        Sampler,
        "Proposer of candidates: `rose` screens them with a Gaussian process, `rose-parzen` trusts the Parzen "
        "densities alone, `optuna-motpe` and `nsga2` (population 20) are Optuna's, `random` is the baseline.",
    ),
    "StudySampler": Vocabulary(StudySampler, "Proposer of a study's trials."),
    "Queue": Vocabulary(Queue, "Workers that may take a run."),
    "Decision": Vocabulary(Decision, "Decision of a verdict."),
    "LockState": Vocabulary(
        LockState,
        "Permission to train a PAC: `open` gives it, `draining` lets the run at work end and starts no other, "
        "`locked` sends it back to its queue as well.",
    ),
    "Direction": Vocabulary(Direction, "Direction in which a figure gets better."),
    "AccuracyKind": Vocabulary(AccuracyKind, "Measure that `accuracy` gives."),
    "EnergyMethod": Vocabulary(EnergyMethod, "Origin of joules."),
    "GateStatus": Vocabulary(GateStatus, "Judgement of the gate on a figure."),
    "ServingStatus": Vocabulary(
        ServingStatus, "Ability of the service to do its work; a draining one starts no more runs."
    ),
}

# Told of every field that names a manifest.
MANIFEST = (
    "Path of the dataset manifest on the bridge's host. Callers other than the command line reach those in "
    "CEREBROS_DATASET_ROOTS alone, and may begin a path there, or with a root's own name: `examples/digits.toml`."
)

ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every request and reply: immutable, and strict about unknown fields."""


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
