"""The words and numbers of Thundergrid: its enums, and whole numbers beyond 31 bits.

Enum values are lower-case because they are the very words that gRPC, the port
and the command line use; a test keeps them equal to those in `bridge/contract/words.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import strawberry
from graphql import GraphQLError

# GraphQL's own Int ends at 2^31 - 1, which a byte count or a number of operations passes.
BigInt = NewType("BigInt", int)


def _whole_number(value: object) -> BigInt:
    # Text is taken too: JavaScript cannot write the larger seeds as a number.
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return BigInt(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return BigInt(value)
    raise GraphQLError(f"BigInt cannot represent {value!r}; give a whole number, or its digits as text")


BIG_INT = strawberry.scalar(
    name="BigInt",
    description="A whole number of up to 64 bits, written as a JSON number; taken as a number or its digits.",
    serialize=int,
    parse_value=_whole_number,
)


@strawberry.enum(description="A search alone, or the whole training cycle around it.")
class RunKind(StrEnum):
    cycle = "cycle"
    nas = "nas"


@strawberry.enum(description="Where a run stands; the last four are final.")
class RunState(StrEnum):
    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"
    timed_out = "timed_out"


@strawberry.enum(description="How a trial ended; only `ok` gives figures that count.")
class Outcome(StrEnum):
    ok = "ok"
    pruned = "pruned"
    diverged = "diverged"
    oom = "oom"
    timeout = "timeout"
    lost = "lost"
    error = "error"


@strawberry.enum(description="What proposes candidates: our densities with or without screening, Optuna's, or chance.")
class Sampler(StrEnum):
    rose = "rose"
    rose_parzen = "rose-parzen"  # a GraphQL name has no hyphen
    optuna_motpe = "optuna-motpe"
    nsga2 = "nsga2"
    random = "random"


@strawberry.enum(description="Whether less or more of a figure is better.")
class Direction(StrEnum):
    minimize = "minimize"
    maximize = "maximize"


@strawberry.enum(description="What a verdict says.")
class Decision(StrEnum):
    allow = "allow"
    deny = "deny"


@strawberry.enum(description="What `accuracy` means: share of correct labels, F1 for multilabel, R² for regression.")
class AccuracyKind(StrEnum):
    accuracy = "accuracy"
    f1 = "f1"
    r2 = "r2"


@strawberry.enum(description="Where joules come from: a counter (`rapl`, `nvml`), or processor time times a wattage.")
class EnergyMethod(StrEnum):
    rapl = "rapl"
    nvml = "nvml"
    model = "model"


@strawberry.enum(description="What the gate thinks of a figure.")
class GateStatus(StrEnum):
    healthy = "healthy"
    warning = "warning"
    critical = "critical"


@strawberry.enum(description="Which workers may take a run.")
class Queue(StrEnum):
    cpu = "cpu"
    gpu = "gpu"


@strawberry.enum(
    description="Whether a PAC may be trained; `draining` lets the run at work end, `locked` sends it back."
)
class LockState(StrEnum):
    open = "open"
    draining = "draining"
    locked = "locked"


@strawberry.enum(description="Whether the service can do its work; a draining one starts no more runs.")
class ServingStatus(StrEnum):
    serving = "serving"
    draining = "draining"
    not_serving = "not_serving"
