"""What callers send: the request of every procedure, as a frozen type with its rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.contract.words import (
    Digest,
    Id,
    LockState,
    Message,
    Outcome,
    PageSize,
    RunKind,
    RunState,
    Sampler,
    Seconds,
    Seed,
    StudySampler,
)
from bridge.process.settings import Queue
from cerebros.search.objectives import USUAL


class Budget(Message, frozen=True, kw_only=True):
    """What a search may spend.

    Attributes:
        trials: candidates trained.
        wall_s: seconds from the run's start to its last trial's start.
        parameters: trainable weights a candidate may have.
        flops: floating-point operations that one of its predictions may take, two per multiply-accumulate.
        epochs: passes over the training rows per trial, at most.
        probes: one-epoch trainings that inform the shortlist when the database
            knows fewer than `STARTUP_TRIALS` (8) earlier trials on this dataset.
        shortlist: candidates the Parzen estimator hands to the search.
        window: trainings that may be in flight; training n is decided from the
            results of trainings 0 to n - window, whatever finished first.
        population: with more than 1, so many new trials are proposed together and
            trained side by side in one process, which is one training of the window.
            Fast for narrow data and on a GPU; their seconds and joules are shares.
        rungs: 1 trains every trial to the end. With more, successive halving:
            trials wait at rungs (3: after 1/9 and 1/3 of the epochs), only the
            best third goes on from each, the others end as pruned.
        repeats: with more than 1, the most accurate few of the front are
            trained with so many seeds each, and the best mean is chosen.
    """

    trials: Annotated[int, Meta(ge=1, le=10_000)] = 24
    wall_s: Seconds = 900.0
    parameters: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 2_000_000
    flops: Annotated[int, Meta(ge=1)] | None = None
    epochs: Annotated[int, Meta(ge=1, le=10_000)] = 24
    probes: Annotated[int, Meta(ge=4, le=1000)] = 12
    shortlist: Annotated[int, Meta(ge=1, le=1000)] = 6
    window: Annotated[int, Meta(ge=1, le=256)] = 4
    population: Annotated[int, Meta(ge=1, le=64)] = 1
    rungs: Annotated[int, Meta(ge=1, le=5)] = 1
    repeats: Annotated[int, Meta(ge=1, le=16)] = 1


class StartRun(Message, frozen=True, kw_only=True):
    """Start a search (`nas`) or a whole training cycle (`cycle`) for one PAC.

    Attributes:
        manifest: path of the dataset manifest on the bridge's host.
        task: what the PAC shall be able to do, in words; it becomes the
            capability embedding. The manifest's description when empty.
        objectives: names from `cerebros.search.objectives`, or the name of one set of `priv/objectives`, with its limits.
        limits: hard limits by objective, in the unit of its figure: accuracy at least, all others at most. The
            search prefers what keeps them; a model that breaks one in the end is not promoted.
        warm_start: an ended run on the same dataset, whose trials the search knows from the start.
        candidates: trees `{t, p, c}` to try first, such as a shortlist that somebody has reviewed; the
            run's own shortlist then holds these and nothing else.
        sampler: `rose` screens candidates with a Gaussian process,
            `rose-parzen` trusts the densities alone, `optuna-motpe` and
            `nsga2` (population 20) are Optuna's, `random` is the baseline.
        deadline_s: seconds of the service's own clock, which stands still
            while no process of the service is up.
        queue: which workers may take the run.
        priority: from 0 to 9; higher ones are taken first.
    """

    pac_id: Id
    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]
    run_id: Id | None = None
    kind: RunKind = "cycle"
    task: Annotated[str, Meta(max_length=4096)] = ""
    budget: Budget = Budget()
    objectives: Annotated[tuple[str, ...], Meta(min_length=1)] = USUAL
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    warm_start: Id | None = None
    candidates: Annotated[tuple[dict[str, Any], ...], Meta(max_length=1000)] = ()
    sampler: Sampler = "rose"
    seed: Seed = 8675309
    deadline_s: Seconds | None = None
    correlation_id: Id | None = None
    queue: Queue = "cpu"
    priority: Annotated[int, Meta(ge=0, le=9)] = 0


class GetRun(Message, frozen=True, kw_only=True):
    run_id: Id


class ListRuns(Message, frozen=True, kw_only=True):
    pac_id: Id | None = None
    state: RunState | None = None
    limit: PageSize = 50


class CancelRun(Message, frozen=True, kw_only=True):
    run_id: Id
    reason: Annotated[str, Meta(max_length=1024)] = ""


class WatchRun(Message, frozen=True, kw_only=True):
    """Stream a run's events, the stored ones first, until the run has ended.

    Attributes:
        after_seq: the last number the caller has seen; 0 for all events.
    """

    run_id: Id
    after_seq: Annotated[int, Meta(ge=0)] = 0


class ListTrials(Message, frozen=True, kw_only=True):
    """A page of a run's trials, by number.

    Attributes:
        after: the last number of the page before; -1 for the first page.
            Trials do not end in order: while the run is at work, one that
            ends later may have a smaller number.
    """

    run_id: Id
    after: Annotated[int, Meta(ge=-1)] = -1
    limit: PageSize = 1000


class GetShortlist(Message, frozen=True, kw_only=True):
    run_id: Id


class CheckDataset(Message, frozen=True, kw_only=True):
    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]


class ListDatasets(Message, frozen=True, kw_only=True):
    limit: PageSize = 50


class ListArtifacts(Message, frozen=True, kw_only=True):
    run_id: Id


class GetArtifact(Message, frozen=True, kw_only=True):
    digest: Digest


class GetCapability(Message, frozen=True, kw_only=True):
    """The PAC's current capability vector, or the given version of it."""

    pac_id: Id
    version: Annotated[int, Meta(ge=1)] | None = None


class ListCapabilities(Message, frozen=True, kw_only=True):
    pac_id: Id | None = None
    limit: PageSize = 50


class NearestCapabilities(Message, frozen=True, kw_only=True):
    """Current vectors of other PACs, nearest to this PAC's by cosine distance."""

    pac_id: Id
    limit: PageSize = 10


class Rollback(Message, frozen=True, kw_only=True):
    """Make an earlier version current again, by writing it as a new version."""

    pac_id: Id
    version: Annotated[int, Meta(ge=1)]
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]


class Promote(Message, frozen=True, kw_only=True):
    """Write the model of a finished run as its PAC's next capability vector, under the run's newest verdict."""

    run_id: Id


class EvaluatePolicy(Message, frozen=True, kw_only=True):
    """Judge the model of a finished run by the policy in force now; the signed verdict is kept."""

    run_id: Id


class EstimateRun(Message, frozen=True, kw_only=True):
    """Ask what a run would take; the fields are those of `StartRun`."""

    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]
    kind: RunKind = "cycle"
    budget: Budget = Budget()


class StudyObjective(Message, frozen=True, kw_only=True):
    """A figure that the caller measures, and whether less or more of it is better."""

    name: Id
    direction: Literal["minimize", "maximize"]


class CreateStudy(Message, frozen=True, kw_only=True):
    """Open an optimiser for a caller who evaluates by itself.

    Attributes:
        space: `{root, types, limits}`: node types with their parameters and
            slots, and limits on the whole tree (`cerebros/space/rose_tree.py`), or
            a flat form (`cerebros/space/spaces.py`); a list as `{parameters: […]}`.
        objectives: one to four; a proposal's cost grows steeply with them.
        lease_s: a trial that is not reported for so long is handed out again.
    """

    space: dict[str, Any]
    objectives: Annotated[tuple[StudyObjective, ...], Meta(min_length=1, max_length=4)]
    study_id: Id | None = None
    sampler: StudySampler = "rose"
    seed: Seed = 8675309
    lease_s: Seconds = 3600.0


class Suggest(Message, frozen=True, kw_only=True):
    """Ask for the next trials; each call hands out others, also when it is a retry."""

    study_id: Id
    count: Annotated[int, Meta(ge=1, le=64)] = 1


class Report(Message, frozen=True, kw_only=True):
    """Tell how a trial ended.

    Attributes:
        epoch: that of the suggestion; a trial handed out again has a higher one.
        outcome: `ok` with a value for each objective; any other without values.
    """

    study_id: Id
    number: Annotated[int, Meta(ge=0)]
    epoch: Annotated[int, Meta(ge=1)]
    outcome: Outcome = "ok"
    values: dict[str, float] = msgspec.field(default_factory=dict)
    reason: Annotated[str, Meta(max_length=1024)] = ""


class BestTrials(Message, frozen=True, kw_only=True):
    study_id: Id
    limit: PageSize = 50


class ListStudies(Message, frozen=True, kw_only=True):
    limit: PageSize = 50


class DeleteStudy(Message, frozen=True, kw_only=True):
    study_id: Id


class CheckGate(Message, frozen=True, kw_only=True):
    """Ask the Balance Readiness Gate; `pac_id` narrows it to one PAC."""

    pac_id: Id | None = None


class GetTrainingLock(Message, frozen=True, kw_only=True):
    pac_id: Id


class SetTrainingLock(Message, frozen=True, kw_only=True):
    """Open or close a PAC for training.

    Attributes:
        state: `draining` lets the run at work end and starts no other,
            `locked` sends it back to its queue as well.
        holder: who decides this, for those who ask later.
        expected_epoch: the epoch the caller has seen (0: nobody ever set
            it); the call is refused when somebody was faster.
    """

    pac_id: Id
    state: LockState
    holder: Id
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]
    expected_epoch: Annotated[int, Meta(ge=0)] | None = None


class ListQueues(Message, frozen=True, kw_only=True):
    pass


class LimitQueue(Message, frozen=True, kw_only=True):
    """How many runs of a queue may be at work at once, on all machines together; None for no limit."""

    name: Queue
    running_at_most: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class Drain(Message, frozen=True, kw_only=True):
    """Take this front out of service: it is not ready any more and refuses new runs; what runs goes on."""


class Health(Message, frozen=True, kw_only=True):
    pass
