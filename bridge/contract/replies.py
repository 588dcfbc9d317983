"""What callers get: the replies of all procedures, as frozen types with units in their names."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from bridge.contract.requests import StudyObjective
from bridge.contract.words import (
    Decision,
    LockState,
    Message,
    Outcome,
    RunKind,
    RunState,
    StudySampler,
)
from bridge.process.settings import Queue
from cerebros.errors import CerebrosError
from cerebros.metrics import Spent, TrainingMetrics
from telemetry.events import Scalar


class RunError(Message, frozen=True, kw_only=True):
    code: str
    error_class: str
    message: str

    @classmethod
    def of(cls, error: CerebrosError) -> RunError:
        return cls(code=error.code.value, error_class=error.error_class.value, message=error.message)


class Trial(Message, frozen=True, kw_only=True):
    """One candidate; `tree` is its rose tree as JSON, None where a list leaves it out."""

    number: int
    outcome: Outcome
    tree_hash: str
    tree: dict[str, Any] | None = None
    metrics: TrainingMetrics | None = None
    reason: str | None = None
    curve: tuple[float, ...] = ()


class TrialList(Message, frozen=True, kw_only=True):
    trials: tuple[Trial, ...]


class Run(Message, frozen=True, kw_only=True):
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


class RunList(Message, frozen=True, kw_only=True):
    runs: tuple[Run, ...]


class RunEvent(Message, frozen=True, kw_only=True):
    """Event number `seq` of a run; numbers start at 1 and have no gaps."""

    run_id: str
    seq: int
    name: str
    measurements: dict[str, float | int | None]
    metadata: dict[str, Scalar]
    at: datetime


class Candidate(Message, frozen=True, kw_only=True):
    """A shortlisted tree with its Parzen log densities; `score = log_l - log_g`."""

    rank: int
    tree: dict[str, Any]
    tree_hash: str
    log_l: float
    log_g: float
    score: float


class Shortlist(Message, frozen=True, kw_only=True):
    run_id: str
    observations: int
    probes: int
    candidates: tuple[Candidate, ...]


class Dataset(Message, frozen=True, kw_only=True):
    name: str
    digest: str
    task: str
    rows: int
    licence: str
    checked_at: datetime


class DatasetList(Message, frozen=True, kw_only=True):
    datasets: tuple[Dataset, ...]


class Artifact(Message, frozen=True, kw_only=True):
    """Content-addressed bytes of a run; `path` is where the bridge's host keeps them."""

    digest: str
    kind: str
    bytes: int
    path: str
    run_id: str
    created_at: datetime


class ArtifactList(Message, frozen=True, kw_only=True):
    artifacts: tuple[Artifact, ...]


class Verdict(Message, frozen=True, kw_only=True):
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


class VcvDraft(Message, frozen=True, kw_only=True):
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


class VcvList(Message, frozen=True, kw_only=True):
    entries: tuple[VcvEntry, ...]


class Neighbour(Message, frozen=True, kw_only=True):
    entry: VcvEntry
    distance: float


class NeighbourList(Message, frozen=True, kw_only=True):
    neighbours: tuple[Neighbour, ...]


class RunEstimate(Message, frozen=True, kw_only=True):
    """What a run would take, by `method` from `runs` measured ones.

    `expected` goes by their mean, `low` and `high` by the cheapest and the
    dearest of them, figure by figure.
    """

    method: str
    runs: int
    expected: Spent
    low: Spent
    high: Spent


class Study(Message, frozen=True, kw_only=True):
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


class StudyList(Message, frozen=True, kw_only=True):
    studies: tuple[Study, ...]


class Suggestion(Message, frozen=True, kw_only=True):
    """A trial to evaluate; report it with its number and epoch, within `lease_s` seconds of the service's clock."""

    study_id: str
    number: int
    epoch: int
    tree: dict[str, Any]
    tree_hash: str
    lease_s: float


class SuggestionList(Message, frozen=True, kw_only=True):
    suggestions: tuple[Suggestion, ...]


class StudyTrial(Message, frozen=True, kw_only=True):
    """A trial of a study; `outcome` is None while it is out."""

    number: int
    epoch: int
    outcome: Outcome | None
    tree: dict[str, Any]
    tree_hash: str
    values: dict[str, float]
    reason: str | None = None


class StudyTrialList(Message, frozen=True, kw_only=True):
    trials: tuple[StudyTrial, ...]


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


class TrainingLock(Message, frozen=True, kw_only=True):
    """Whether a PAC may be trained; `run_id` is the run that trains it now. `epoch` counts the changes."""

    pac_id: str
    state: LockState
    holder: str
    reason: str
    epoch: int
    since: datetime | None
    run_id: str | None


class QueueStatus(Message, frozen=True, kw_only=True):
    name: str
    running_at_most: int | None
    queued: int
    running: int
    workers: int


class QueueList(Message, frozen=True, kw_only=True):
    queues: tuple[QueueStatus, ...]


class HealthReport(Message, frozen=True, kw_only=True):
    status: Literal["serving", "draining", "not_serving"]
    version: str
    database: str
    workers: int
    queued: int
    running: int
