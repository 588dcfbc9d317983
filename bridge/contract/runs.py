"""Runs: how one is started, followed and ended, and what is known about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from bridge.contract.words import Digest, Id, Item, Message, Outcome, PageSize, Queue, RunState, Seconds
from cerebros.errors import CerebrosError
from cerebros.metrics import Large, Spent, TrainingMetrics
from cerebros.space.rose_tree import Tree
from telemetry.events import Scalar, is_progress


class RunError(Message, frozen=True, kw_only=True):
    """Reason why a run failed."""

    code: Annotated[str, Meta(description="Stable code, spelt as gRPC spells its status.")]
    error_class: Annotated[
        str, Meta(description="`validation`, `transient`, `permanent`, `timeout`, `dependency` or `security`.")
    ]
    message: Annotated[str, Meta(description="Message that names the value, the rule and the next move.")]

    @classmethod
    def of(cls, error: CerebrosError) -> RunError:
        return cls(code=error.code.value, error_class=error.error_class.value, message=error.message)


class Trial(Message, frozen=True, kw_only=True):
    """One candidate of a run and how it ended."""

    number: Annotated[int, Meta(description="Number of the trial in its run, from 0.")]
    outcome: Annotated[Outcome, Meta(description="End of the trial; only `ok` gives figures that count.")]
    tree_hash: Annotated[str, Meta(description="Digest of the tree; equal trees have equal digests.")]
    tree: Annotated[Tree, Meta(description="Rose tree of the candidate.")]
    metrics: Annotated[TrainingMetrics | None, Meta(description="Figures of the trial; absent where it gave none.")] = (
        None
    )
    reason: Annotated[str | None, Meta(description="Reason why it ended otherwise than `ok`.")] = None
    curve: Annotated[tuple[float, ...], Meta(description="Validation loss after each epoch.")] = ()


class TrialList(Message, frozen=True, kw_only=True):
    """Trials of a run."""

    trials: Annotated[tuple[Trial, ...], Meta(description="Trials, in order of their numbers.")]


class Run(Message, frozen=True, kw_only=True):
    """A run as it stands."""

    run_id: Annotated[str, Meta(description="Id of the run.")]
    kind: Annotated[str, Meta(description="Kind of the run, as its `spec` names it.")]
    pac_id: Annotated[str, Meta(description="PAC that the run is for.")]
    state: Annotated[RunState, Meta(description="State of the run; the last four are final.")]
    dataset: Annotated[str, Meta(description="Name of the dataset.")]
    stages_done: Annotated[
        tuple[str, ...], Meta(description="Names of the stages that are done; a resumed run skips them.")
    ]
    last_seq: Annotated[int, Meta(description="Number of the run's newest event, from 1.")]
    attempt: Annotated[
        int,
        Meta(
            description="Number of times a worker claimed the run: once more after a lost worker, a drain, a lock or "
            "trouble with the database."
        ),
    ]
    queue: Annotated[Queue, Meta(description="Workers that may take the run.")]
    priority: Annotated[int, Meta(description="Priority in its queue; higher ones are taken first.")]
    trials_total: Annotated[int, Meta(description="Number of trials so far.")]
    trials_ok: Annotated[int, Meta(description="Number of trials that gave a result.")]
    trials_failed: Annotated[int, Meta(description="Number of trials that ended without a result.")]
    trials_pruned: Annotated[int, Meta(description="Number of trials that were stopped early as hopeless.")]
    created_at: Annotated[datetime, Meta(description="Time at which the run was accepted.")]
    started_at: Annotated[
        datetime | None, Meta(description="Time at which a worker first claimed the run; absent while none has.")
    ] = None
    finished_at: Annotated[
        datetime | None, Meta(description="Time at which the run ended; absent while it has not.")
    ] = None
    metrics: Annotated[
        TrainingMetrics | None, Meta(description="Figures of the run's result; absent where it has none.")
    ] = None
    pareto_set: Annotated[
        tuple[Trial, ...] | None,
        Meta(description="Trials that no other trial beats; absent until all have ended, and where the run has none."),
    ] = None
    promoted_version: Annotated[
        int | None,
        Meta(description="Version of the PAC's capability vector that the run wrote; absent where it wrote none."),
    ] = None
    error: Annotated[RunError | None, Meta(description="Reason why the run failed; absent unless it did.")] = None


class RunList(Message, frozen=True, kw_only=True):
    """Runs of a list."""

    runs: Annotated[tuple[Run, ...], Meta(description="Runs, newest first.")]


class RunEvent(Item, frozen=True, kw_only=True):
    """Event number `seq` of a run; numbers start at 1 and have no gaps."""

    run_id: Annotated[str, Meta(description="Id of the run.")]
    seq: Annotated[int, Meta(description="Number of the event: from 1, without gaps.")]
    name: Annotated[str, Meta(description="`cerebros.<thing>.<queued|start|progress|rung|stop|exception>`.")]
    measurements: Annotated[
        dict[str, float | int | None],
        Meta(description="Measured figures: numbers, null where a figure does not exist."),
    ]
    metadata: Annotated[
        dict[str, Scalar], Meta(description="Subject of the event: strings, numbers, booleans and nulls.")
    ]
    at: Annotated[datetime, Meta(description="Time at which the event was committed.")]

    @property
    def replaceable(self) -> bool:
        return is_progress(self.name)

    def standing_for(self, dropped: int) -> RunEvent:
        return msgspec.structs.replace(self, measurements={**self.measurements, "dropped": dropped})


Spec = TypeVar("Spec", bound=msgspec.Struct)


class StartRun(Message, Generic[Spec], frozen=True, kw_only=True):
    """Start a run for one PAC; `spec` says of which kind, and what that kind needs to know.

    The answer comes at once and a worker does the work. The same `run_id` with the same payload answers
    the same run; with another payload ALREADY_EXISTS.
    """

    pac_id: Annotated[Id, Meta(description="PAC that the run is for.")]
    spec: Annotated[Spec, Meta(description="Kind of the run, and what that kind needs to know.")]
    run_id: Annotated[Id | None, Meta(description="Id that the caller gives the run; a UUIDv7 when absent.")] = None
    deadline_s: Annotated[
        Seconds | None,
        Meta(
            description="Seconds of the service's own clock after which the run ends as `timed_out`; no deadline when "
            "absent."
        ),
    ] = None
    correlation_id: Annotated[
        Id | None, Meta(description="Caller's id of what the run belongs to; it returns in the run's events.")
    ] = None
    queue: Annotated[Queue, Meta(description="Workers that may take the run.")] = "cpu"
    priority: Annotated[int, Meta(ge=0, le=9, description="Priority in the queue; higher ones are taken first.")] = 0


class EstimateRun(Message, Generic[Spec], frozen=True, kw_only=True):
    """Estimate what a run of this `spec` would take, by measured runs of the same kind on the same dataset.

    FAILED_PRECONDITION where there are none.
    """

    spec: Annotated[Spec, Meta(description="Kind of the run, and what that kind needs to know.")]


class RunEstimate(Message, frozen=True, kw_only=True):
    """Estimated cost of a run."""

    method: Annotated[str, Meta(description="Method of the estimate, in words.")]
    runs: Annotated[int, Meta(description="Number of measured runs behind the estimate.")]
    expected: Annotated[Spent, Meta(description="Mean of the measured runs.")]
    low: Annotated[Spent, Meta(description="Cheapest of the measured runs, figure by figure.")]
    high: Annotated[Spent, Meta(description="Dearest of the measured runs, figure by figure.")]


class GetRun(Message, frozen=True, kw_only=True):
    """Read one run as it stands."""

    run_id: Annotated[Id, Meta(description="Id of the run.")]


class ListRuns(Message, frozen=True, kw_only=True):
    """List runs, newest first."""

    pac_id: Annotated[Id | None, Meta(description="PAC whose runs are listed; those of all PACs when absent.")] = None
    kind: Annotated[Id | None, Meta(description="Kind of the listed runs; any kind when absent.")] = None
    state: Annotated[RunState | None, Meta(description="State of the listed runs; any state when absent.")] = None
    limit: Annotated[PageSize, Meta(description="Largest number of runs in the answer.")] = 50


class CancelRun(Message, frozen=True, kw_only=True):
    """Ask a run to end; one that has ended already is answered as it is."""

    run_id: Annotated[Id, Meta(description="Id of the run.")]
    reason: Annotated[str, Meta(max_length=1024, description="Reason, for those who read the log.")] = ""


class WatchRun(Message, frozen=True, kw_only=True):
    """Stream a run's events without gap or repeat, the stored ones first, until the run has ended."""

    run_id: Annotated[Id, Meta(description="Id of the run.")]
    after_seq: Annotated[
        int, Meta(ge=0, le=2**53, description="Number of the last event that the caller has seen; 0 for all events.")
    ] = 0


class ListTrials(Message, frozen=True, kw_only=True):
    """List a page of a run's trials, in order of their numbers; the last page is shorter than `limit`."""

    run_id: Annotated[Id, Meta(description="Id of the run.")]
    after: Annotated[
        int,
        Meta(
            ge=-1,
            description="Last number of the page before; -1 for the first page. Trials do not end in order: while the "
            "run is at work, one that ends later may have a smaller number.",
        ),
    ] = -1
    limit: Annotated[
        PageSize,
        Meta(
            description="Largest number of trials in the answer. Ask for fewer where trials have over 300 epochs: "
            "their curves pass the 4 MiB that gRPC clients take unless they are told to take more."
        ),
    ] = 1000


class Artifact(Message, frozen=True, kw_only=True):
    """Content-addressed bytes that a run left."""

    digest: Annotated[str, Meta(description="SHA-256 of the bytes.")]
    kind: Annotated[str, Meta(description="`weights`, or the `description` of their network.")]
    bytes: Annotated[Large, Meta(description="Number of bytes.")]
    path: Annotated[str, Meta(description="Path of the bytes on the bridge's host.")]
    run_id: Annotated[str, Meta(description="Run that left them.")]
    created_at: Annotated[datetime, Meta(description="Time at which they were stored.")]


class ArtifactList(Message, frozen=True, kw_only=True):
    """Artifacts of a run."""

    artifacts: Annotated[tuple[Artifact, ...], Meta(description="Artifacts, in order of creation.")]


class ListArtifacts(Message, frozen=True, kw_only=True):
    """List the artifacts that a run left."""

    run_id: Annotated[Id, Meta(description="Id of the run.")]


class GetArtifact(Message, frozen=True, kw_only=True):
    """Read where an artifact is, after its bytes were checked against its digest."""

    digest: Annotated[Digest, Meta(description="SHA-256 of the bytes.")]
