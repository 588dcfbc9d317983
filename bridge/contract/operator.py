"""Operation: the gate, training locks, queues, draining and health."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from bridge.contract.words import Id, LockState, Message, Queue


class CheckGate(Message, frozen=True, kw_only=True):
    """Ask the Balance Readiness Gate; `pac_id` narrows it to one PAC."""

    pac_id: Id | None = None


class GateFinding(Message, frozen=True, kw_only=True):
    rule: str
    status: Literal["healthy", "warning", "critical"]
    value: float | None
    limit: float | None
    message: str


class GateReport(Message, frozen=True, kw_only=True):
    overall_status: Literal["healthy", "warning", "critical"]
    timestamp: datetime
    findings: tuple[GateFinding, ...]


class GetTrainingLock(Message, frozen=True, kw_only=True):
    pac_id: Id


class SetTrainingLock(Message, frozen=True, kw_only=True):
    """Open or close a PAC for training.

    Attributes:
        state: `draining` lets the run at work end and starts no other,
            `locked` sends it back to its queue as well.
        holder: who decides this, for those who ask later.
        expected_revision: the revision the caller has seen (0: nobody ever set
            it); the call is refused when somebody was faster.
    """

    pac_id: Id
    state: LockState
    holder: Id
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]
    expected_revision: Annotated[int, Meta(ge=0)] | None = None


class TrainingLock(Message, frozen=True, kw_only=True):
    """Whether a PAC may be trained; `run_id` is the run that trains it now. `revision` counts the changes."""

    pac_id: str
    state: LockState
    holder: str
    reason: str
    revision: int
    since: datetime | None
    run_id: str | None


class ListQueues(Message, frozen=True, kw_only=True):
    pass


class LimitQueue(Message, frozen=True, kw_only=True):
    """How many runs of a queue may be at work at once, on all machines together; None for no limit."""

    name: Queue
    running_at_most: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class QueueStatus(Message, frozen=True, kw_only=True):
    name: str
    running_at_most: int | None
    queued: int
    running: int
    workers: int


class QueueList(Message, frozen=True, kw_only=True):
    queues: tuple[QueueStatus, ...]


class Drain(Message, frozen=True, kw_only=True):
    """Take this front out of service: it is not ready any more and refuses new runs; what runs goes on."""


class Health(Message, frozen=True, kw_only=True):
    pass


class HealthReport(Message, frozen=True, kw_only=True):
    status: Literal["serving", "draining", "not_serving"]
    version: str
    database: str
    workers: int
    queued: int
    running: int
