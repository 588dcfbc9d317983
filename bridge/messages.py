"""Requests and replies of every procedure, as frozen types.

Bytes, JSON, Erlang terms and command-line arguments all become these structs
at the door. Unknown fields are refused, rules ride on the annotations, and
nobody inside checks twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from bridge.settings import Queue
from cerebros.errors import CerebrosError, InvalidArgument
from cerebros.metrics import Spent, TrainingMetrics
from cerebros.objectives import OBJECTIVES
from telemetry.events import Scalar

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


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Budget(_Message, frozen=True, kw_only=True):
    """What a search may spend.

    Attributes:
        trials: candidates trained.
        wall_s: seconds from the run's start to its last trial's start.
        parameters: trainable weights a candidate may have.
        flops: floating-point operations that one of its predictions may take, two per multiply-accumulate.
        epochs: passes over the training rows per trial, at most.
        probes: one-epoch trainings that inform the shortlist when the
            database knows no earlier trials on this dataset.
        shortlist: candidates the Parzen estimator hands to the search.
        window: trials that may be in flight; trial n is proposed from the
            results of trials 0 to n - window, whatever finished first.
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
    rungs: Annotated[int, Meta(ge=1, le=5)] = 1
    repeats: Annotated[int, Meta(ge=1, le=16)] = 1


class StartRun(_Message, frozen=True, kw_only=True):
    """Start a search (`nas`) or a whole training cycle (`cycle`) for one PAC.

    Attributes:
        manifest: path of the dataset manifest on the bridge's host.
        task: what the PAC shall be able to do, in words; it becomes the
            capability embedding. The manifest's description when empty.
        objectives: names from `cerebros.objectives`, or the name of one set of `priv/objectives`, with its limits.
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
    objectives: Annotated[tuple[str, ...], Meta(min_length=1)] = tuple(OBJECTIVES)
    sampler: Sampler = "rose"
    seed: Seed = 8675309
    deadline_s: Seconds | None = None
    correlation_id: Id | None = None
    queue: Queue = "cpu"
    priority: Annotated[int, Meta(ge=0, le=9)] = 0


class GetRun(_Message, frozen=True, kw_only=True):
    run_id: Id


class ListRuns(_Message, frozen=True, kw_only=True):
    pac_id: Id | None = None
    state: RunState | None = None
    limit: PageSize = 50


class CancelRun(_Message, frozen=True, kw_only=True):
    run_id: Id
    reason: Annotated[str, Meta(max_length=1024)] = ""


class WatchRun(_Message, frozen=True, kw_only=True):
    """Stream a run's events, the stored ones first, until the run has ended.

    Attributes:
        after_seq: the last number the caller has seen; 0 for all events.
    """

    run_id: Id
    after_seq: Annotated[int, Meta(ge=0)] = 0


class ListTrials(_Message, frozen=True, kw_only=True):
    run_id: Id


class GetShortlist(_Message, frozen=True, kw_only=True):
    run_id: Id


class CheckDataset(_Message, frozen=True, kw_only=True):
    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]


class ListDatasets(_Message, frozen=True, kw_only=True):
    limit: PageSize = 50


class ListArtifacts(_Message, frozen=True, kw_only=True):
    run_id: Id


class GetArtifact(_Message, frozen=True, kw_only=True):
    digest: Digest


class GetCapability(_Message, frozen=True, kw_only=True):
    """The PAC's current capability vector, or the given version of it."""

    pac_id: Id
    version: Annotated[int, Meta(ge=1)] | None = None


class ListCapabilities(_Message, frozen=True, kw_only=True):
    pac_id: Id | None = None
    limit: PageSize = 50


class NearestCapabilities(_Message, frozen=True, kw_only=True):
    """Current vectors of other PACs, nearest to this PAC's by cosine distance."""

    pac_id: Id
    limit: PageSize = 10


class Rollback(_Message, frozen=True, kw_only=True):
    """Make an earlier version current again, by writing it as a new version."""

    pac_id: Id
    version: Annotated[int, Meta(ge=1)]
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]


class Promote(_Message, frozen=True, kw_only=True):
    """Write the model of a finished run as its PAC's next capability vector, under the run's newest verdict."""

    run_id: Id


class EvaluatePolicy(_Message, frozen=True, kw_only=True):
    """Judge the model of a finished run by the policy in force now; the signed verdict is kept."""

    run_id: Id


class EstimateRun(_Message, frozen=True, kw_only=True):
    """Ask what a run would take; the fields are those of `StartRun`."""

    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]
    kind: RunKind = "cycle"
    budget: Budget = Budget()


class StudyObjective(_Message, frozen=True, kw_only=True):
    """A figure that the caller measures, and whether less or more of it is better."""

    name: Id
    direction: Literal["minimize", "maximize"]


class CreateStudy(_Message, frozen=True, kw_only=True):
    """Open an optimiser for a caller who evaluates by itself.

    Attributes:
        space: `{root, types}`: node types with their parameters and slots
            (`cerebros/rose_tree.py`).
        objectives: one to four; a proposal's cost grows steeply with them.
        lease_s: a trial that is not reported for so long is handed out again.
    """

    space: dict[str, Any]
    objectives: Annotated[tuple[StudyObjective, ...], Meta(min_length=1, max_length=4)]
    study_id: Id | None = None
    sampler: StudySampler = "rose"
    seed: Seed = 8675309
    lease_s: Seconds = 3600.0


class Suggest(_Message, frozen=True, kw_only=True):
    """Ask for the next trials; each call hands out others, also when it is a retry."""

    study_id: Id
    count: Annotated[int, Meta(ge=1, le=64)] = 1


class Report(_Message, frozen=True, kw_only=True):
    """Tell how a trial ended.

    Attributes:
        epoch: that of the suggestion; a trial handed out again has a higher one.
        outcome: `ok` with a value for each objective; any other without values.
    """

    study_id: Id
    number: Annotated[int, Meta(ge=0)]
    epoch: Annotated[int, Meta(ge=1)]
    outcome: Outcome = "ok"
    values: dict[str, float] = {}
    reason: Annotated[str, Meta(max_length=1024)] = ""


class BestTrials(_Message, frozen=True, kw_only=True):
    study_id: Id
    limit: PageSize = 50


class ListStudies(_Message, frozen=True, kw_only=True):
    limit: PageSize = 50


class DeleteStudy(_Message, frozen=True, kw_only=True):
    study_id: Id


class CheckGate(_Message, frozen=True, kw_only=True):
    """Ask the Balance Readiness Gate; `pac_id` narrows it to one PAC."""

    pac_id: Id | None = None


class GetTrainingLock(_Message, frozen=True, kw_only=True):
    pac_id: Id


class SetTrainingLock(_Message, frozen=True, kw_only=True):
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


class ListQueues(_Message, frozen=True, kw_only=True):
    pass


class LimitQueue(_Message, frozen=True, kw_only=True):
    """How many runs of a queue may be at work at once, on all machines together; None for no limit."""

    name: Queue
    running_at_most: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class Drain(_Message, frozen=True, kw_only=True):
    """Take this front out of service: it is not ready any more and refuses new runs; what runs goes on."""


class Health(_Message, frozen=True, kw_only=True):
    pass


class RunError(_Message, frozen=True, kw_only=True):
    code: str
    error_class: str
    message: str

    @classmethod
    def of(cls, error: CerebrosError) -> RunError:
        return cls(code=error.code.value, error_class=error.error_class.value, message=error.message)


class Trial(_Message, frozen=True, kw_only=True):
    """One candidate; `tree` is its rose tree as JSON, None where a list leaves it out."""

    number: int
    outcome: Outcome
    tree_hash: str
    tree: dict[str, Any] | None = None
    metrics: TrainingMetrics | None = None
    reason: str | None = None
    curve: tuple[float, ...] = ()


class TrialList(_Message, frozen=True, kw_only=True):
    trials: tuple[Trial, ...]


class Run(_Message, frozen=True, kw_only=True):
    """A run as it stands. `front` holds the trials no other trial beats; `promoted_version` the VCV it wrote."""

    run_id: str
    kind: RunKind
    pac_id: str
    state: RunState
    dataset: str
    stages_done: tuple[str, ...]
    last_seq: int
    epoch: int
    queue: Queue
    priority: int
    trials_total: int
    trials_ok: int
    trials_failed: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metrics: TrainingMetrics | None = None
    front: tuple[Trial, ...] = ()
    promoted_version: int | None = None
    error: RunError | None = None


class RunList(_Message, frozen=True, kw_only=True):
    runs: tuple[Run, ...]


class RunEvent(_Message, frozen=True, kw_only=True):
    """Event number `seq` of a run; numbers start at 1 and have no gaps."""

    run_id: str
    seq: int
    name: str
    measurements: dict[str, float | int | None]
    metadata: dict[str, Scalar]
    at: datetime


class Candidate(_Message, frozen=True, kw_only=True):
    """A shortlisted tree with its Parzen log densities; `score = log_l - log_g`."""

    rank: int
    tree: dict[str, Any]
    tree_hash: str
    log_l: float
    log_g: float
    score: float


class Shortlist(_Message, frozen=True, kw_only=True):
    run_id: str
    observations: int
    probes: int
    candidates: tuple[Candidate, ...]


class Dataset(_Message, frozen=True, kw_only=True):
    name: str
    digest: str
    task: str
    rows: int
    licence: str
    checked_at: datetime


class DatasetList(_Message, frozen=True, kw_only=True):
    datasets: tuple[Dataset, ...]


class Artifact(_Message, frozen=True, kw_only=True):
    """Content-addressed bytes of a run; `path` is where the bridge's host keeps them."""

    digest: str
    kind: str
    bytes: int
    path: str
    run_id: str
    created_at: datetime


class ArtifactList(_Message, frozen=True, kw_only=True):
    artifacts: tuple[Artifact, ...]


class Verdict(_Message, frozen=True, kw_only=True):
    """A signed policy decision about one artifact.

    The signature is Ed25519 over the canonical JSON of all other fields; the
    digests bind it to exactly these weights, this data, this policy and these
    figures. After `expires_at` it allows nothing.
    """

    verdict_id: str
    decision: Decision
    reasons: tuple[str, ...]
    artifact_digest: str
    dataset_digest: str
    policy_digest: str
    inputs_digest: str
    issued_at: datetime
    expires_at: datetime
    signature: str = ""


class VcvDraft(_Message, frozen=True, kw_only=True):
    """What a run says about a PAC's new capability; the store adds what only the store knows.

    `capability` is the 384-dimensional unit embedding of the task text.
    `accuracy` and `latency_s` (the median at batch size 1) are those of the
    held-out score, `cost_usd` and `energy_j` those of training the model.
    """

    pac_id: str
    task: str
    capability: tuple[float, ...]
    skills: tuple[str, ...]
    accuracy: float
    latency_s: float
    cost_usd: float
    energy_j: float
    resources: dict[str, Scalar]
    policy_flags: tuple[str, ...]
    dataset_digest: str
    artifact_digest: str
    run_id: str
    verdict_id: str
    rolled_back_from: int | None = None


class VcvEntry(VcvDraft, frozen=True, kw_only=True):
    """One immutable version of a PAC's capability vector.

    `trust` is the share of the PAC's verdicts that allowed; `reliability` the
    share of its ended runs that succeeded; both as of `created_at`.
    """

    version: int
    trust: float
    reliability: float
    created_at: datetime


class VcvList(_Message, frozen=True, kw_only=True):
    entries: tuple[VcvEntry, ...]


class Neighbour(_Message, frozen=True, kw_only=True):
    entry: VcvEntry
    distance: float


class NeighbourList(_Message, frozen=True, kw_only=True):
    neighbours: tuple[Neighbour, ...]


class RunEstimate(_Message, frozen=True, kw_only=True):
    """What a run would take, by `method` from `runs` measured ones.

    `expected` goes by their mean, `low` and `high` by the cheapest and the
    dearest of them, figure by figure.
    """

    method: str
    runs: int
    expected: Spent
    low: Spent
    high: Spent


class Study(_Message, frozen=True, kw_only=True):
    """A study as it stands; `trials_out` were handed out and not reported yet."""

    study_id: str
    space: dict[str, Any]
    objectives: tuple[StudyObjective, ...]
    sampler: StudySampler
    seed: int
    lease_s: float
    trials_total: int
    trials_ok: int
    trials_out: int
    created_at: datetime


class StudyList(_Message, frozen=True, kw_only=True):
    studies: tuple[Study, ...]


class Suggestion(_Message, frozen=True, kw_only=True):
    """A trial to evaluate; report it with its number and epoch, within `lease_s` seconds of the service's clock."""

    study_id: str
    number: int
    epoch: int
    tree: dict[str, Any]
    tree_hash: str
    lease_s: float


class SuggestionList(_Message, frozen=True, kw_only=True):
    suggestions: tuple[Suggestion, ...]


class StudyTrial(_Message, frozen=True, kw_only=True):
    """A trial of a study; `outcome` is None while it is out."""

    number: int
    epoch: int
    outcome: Outcome | None
    tree: dict[str, Any]
    tree_hash: str
    values: dict[str, float]
    reason: str | None = None


class StudyTrialList(_Message, frozen=True, kw_only=True):
    trials: tuple[StudyTrial, ...]


class GateFinding(_Message, frozen=True, kw_only=True):
    rule: str
    status: Literal["healthy", "warning", "critical"]
    value: float | None
    limit: float | None
    message: str


class GateReport(_Message, frozen=True, kw_only=True):
    overall_status: Literal["healthy", "warning", "critical"]
    timestamp: datetime
    findings: tuple[GateFinding, ...]


class TrainingLock(_Message, frozen=True, kw_only=True):
    """Whether a PAC may be trained; `run_id` is the run that trains it now. `epoch` counts the changes."""

    pac_id: str
    state: LockState
    holder: str
    reason: str
    epoch: int
    since: datetime | None
    run_id: str | None


class QueueStatus(_Message, frozen=True, kw_only=True):
    name: str
    running_at_most: int | None
    queued: int
    running: int
    workers: int


class QueueList(_Message, frozen=True, kw_only=True):
    queues: tuple[QueueStatus, ...]


class HealthReport(_Message, frozen=True, kw_only=True):
    status: Literal["serving", "draining", "not_serving"]
    version: str
    database: str
    workers: int
    queued: int
    running: int


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
