"""Operation: the gate, training locks, queues, draining and health."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from bridge.contract.words import COUNT, VOCABULARIES, GateStatus, Id, LockState, Message, Queue, ServingStatus


class CheckGate(Message, frozen=True, kw_only=True):
    """Ask the Balance Readiness Gate.

    NOT_FOUND for a PAC that never had a run.
    """

    pac_id: Annotated[Id | None, Meta(description="PAC to judge; the whole platform when absent.")] = None


class GateFinding(Message, frozen=True, kw_only=True):
    """One rule of the gate and its finding."""

    rule: Annotated[str, Meta(description="Name of the rule.")]
    status: Annotated[GateStatus, Meta(description="Judgement of the rule.")]
    value: Annotated[float | None, Meta(description="Figure found; absent where nothing was measured yet.")]
    limit: Annotated[float | None, Meta(description="Figure that the rule allows; absent where it has none.")]
    message: Annotated[str, Meta(description="Finding, in words.")]


class GateReport(Message, frozen=True, kw_only=True):
    """Answer of the Balance Readiness Gate."""

    overall_status: Annotated[GateStatus, Meta(description="Worst status of any finding.")]
    timestamp: Annotated[datetime, Meta(description="Time at which the gate was asked.")]
    findings: Annotated[tuple[GateFinding, ...], Meta(description="Findings, one per rule.")]


class GetTrainingLock(Message, frozen=True, kw_only=True):
    """Read a PAC's training lock, and the run that trains it now."""

    pac_id: Annotated[Id, Meta(description="Id of the PAC.")]


class SetTrainingLock(Message, frozen=True, kw_only=True):
    """Open or close a PAC for training."""

    pac_id: Annotated[Id, Meta(description="Id of the PAC.")]
    state: Annotated[LockState, Meta(description=VOCABULARIES["LockState"].description)]
    holder: Annotated[Id, Meta(description="Name of the one who decides this, for those who ask later.")]
    reason: Annotated[str, Meta(min_length=1, max_length=1024, description="Reason, for those who ask later.")]
    expected_revision: Annotated[
        Annotated[int, Meta(ge=0, le=COUNT)] | None,
        Meta(
            description="Revision that the caller has seen, 0 where nobody ever set the lock; FAILED_PRECONDITION "
            "where somebody was faster. Not compared when absent."
        ),
    ] = None


class TrainingLock(Message, frozen=True, kw_only=True):
    """A PAC's training lock as it stands."""

    pac_id: Annotated[str, Meta(description="Id of the PAC.")]
    state: Annotated[LockState, Meta(description="State of the lock.")]
    holder: Annotated[str, Meta(description="Name of the one who set the lock; empty where nobody ever did.")]
    reason: Annotated[str, Meta(description="Reason that the holder gave.")]
    revision: Annotated[int, Meta(description="Number of times the lock was set.")]
    since: Annotated[datetime | None, Meta(description="Time at which the lock was set last; absent if it never was.")]
    run_id: Annotated[str | None, Meta(description="Run that trains the PAC now; absent where none does.")]


class ListQueues(Message, frozen=True, kw_only=True):
    """List the queues with their waiting and working runs."""


class LimitQueue(Message, frozen=True, kw_only=True):
    """Limit how many runs of a queue may be at work at once, on all machines together."""

    name: Annotated[Queue, Meta(description="Name of the queue.")]
    running_at_most: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="Largest number of runs at work at once; no limit when absent."),
    ] = None


class QueueStatus(Message, frozen=True, kw_only=True):
    """A queue of runs as it stands."""

    name: Annotated[str, Meta(description="Name of the queue.")]
    running_at_most: Annotated[
        int | None, Meta(description="Largest number of runs at work at once; absent where there is no limit.")
    ]
    queued: Annotated[int, Meta(description="Number of runs that wait.")]
    running: Annotated[int, Meta(description="Number of runs at work.")]
    workers: Annotated[
        int, Meta(description="Number of workers that take from the queue and gave a sign of life lately.")
    ]


class QueueList(Message, frozen=True, kw_only=True):
    """All queues."""

    queues: Annotated[tuple[QueueStatus, ...], Meta(description="Queues, by name.")]


class Drain(Message, frozen=True, kw_only=True):
    """Take this server process out of service: it is no longer ready and refuses new runs; runs at work go on.

    `undrain` takes it back into service.
    """


class Undrain(Message, frozen=True, kw_only=True):
    """Take this server process back into service after a drain.

    FAILED_PRECONDITION where it drains because it was told to end.
    """


class Health(Message, frozen=True, kw_only=True):
    """Report how the service is doing; an unreachable database is an answer, not an error."""


class HealthReport(Message, frozen=True, kw_only=True):
    """State of the service."""

    status: Annotated[ServingStatus, Meta(description="Ability of the service to do its work.")]
    version: Annotated[str, Meta(description="Version of the bridge.")]
    database: Annotated[str, Meta(description="`reachable`, or the database's error.")]
    workers: Annotated[int, Meta(description="Number of workers whose heartbeat is fresh.")]
    queued: Annotated[int, Meta(description="Number of runs that wait.")]
    running: Annotated[int, Meta(description="Number of runs at work.")]
    worker: Annotated[
        str,
        Meta(
            description="State of the worker that this server process keeps, and how the one before ended: `alive`, "
            "`starting`, `ended`; `none` where it shall keep none. While its worker has ended or does not start, a "
            "server is `not_serving`."
        ),
    ]
