"""Thundergrid's types: what `bridge/contract/replies.py` holds, described for GraphQL.

A resolver answers with the reply struct itself; GraphQL reads its attributes
by these names, so nothing is copied. A test keeps the names the same.
"""

from __future__ import annotations

import math
from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from bridge.contract import replies
from grid_graphql.vocabulary import (
    AccuracyKind,
    BigInt,
    Decision,
    Direction,
    EnergyMethod,
    GateStatus,
    LockState,
    Outcome,
    Queue,
    RunKind,
    RunState,
    Sampler,
    ServingStatus,
)


@strawberry.type(description="Measured figures of one training; where one is modelled its method says so.")
class TrainingMetrics:
    accuracy: float = strawberry.field(description="Share of correct labels, F1 or R², as `accuracyKind` says.")
    accuracy_kind: AccuracyKind = strawberry.field(description="What `accuracy` means.")
    loss: float = strawberry.field(description="Loss on held-out rows, in the task's own unit.")
    latency_p50_s: float = strawberry.field(description="Median seconds for one prediction at batch size 1.")
    latency_p95_s: float = strawberry.field(description="95th percentile of those seconds.")
    latency_p99_s: float = strawberry.field(description="99th percentile of those seconds.")
    duration_s: float = strawberry.field(description="Seconds that the training took by the clock.")
    cpu_s: float = strawberry.field(description="Seconds of processor time that the training took.")
    energy_j: float = strawberry.field(description="Joules that the training took, by `energyMethod`.")
    energy_method: EnergyMethod = strawberry.field(description="Where the joules come from.")
    cost_usd: float = strawberry.field(description="Dollars: `cpuS` times the operator's price table.")
    peak_mem_bytes: BigInt = strawberry.field(description="Most bytes of memory in use, a GPU's peak added.")
    parameters: BigInt = strawberry.field(description="Trainable weights.")
    flops: BigInt = strawberry.field(description="Floating-point operations of one prediction.")
    epochs: int = strawberry.field(description="Passes over the training rows.")
    device: str = strawberry.field(description="Where it ran, kind and name: `cpu: AMD EPYC`.")
    trials_total: int = strawberry.field(description="Trials behind these figures.")
    trials_ok: int = strawberry.field(description="Those of them that gave a result.")
    trials_failed: int = strawberry.field(description="Those that ended without one.")
    trials_pruned: int = strawberry.field(description="Those that were stopped early as hopeless.")
    latency_spread_s: float | None = strawberry.field(
        description="How far the medians of successive stretches of the timed predictions lie apart."
    )
    accuracy_spread: float | None = strawberry.field(
        description="Standard deviation of the accuracy between seeds, where there were several."
    )
    population: int = strawberry.field(
        description="Networks trained side by side; seconds, joules and dollars are then shares of what all took."
    )


@strawberry.type(description="Why a run failed.")
class RunError:
    code: str = strawberry.field(description="A stable code, spelt as gRPC spells its status.")
    error_class: str = strawberry.field(description="Thunderline's class, which decides about retries.")
    message: str = strawberry.field(description="The value, the rule and the next move.")


def _finite_curve(trial: strawberry.Parent[replies.Trial]) -> list[float | None]:
    return [loss if math.isfinite(loss) else None for loss in trial.curve]


@strawberry.type(description="One candidate of a search and how it ended.")
class Trial:
    number: int = strawberry.field(description="Its number in the run, from 0.")
    outcome: Outcome = strawberry.field(description="How it ended.")
    tree_hash: str = strawberry.field(description="Digest of the tree; equal trees have equal digests.")
    tree: JSON | None = strawberry.field(description="Its rose tree; null where a list leaves it out.")
    metrics: TrainingMetrics | None = strawberry.field(description="Its figures; null where it gave none.")
    reason: str | None = strawberry.field(description="Why it ended otherwise than `ok`.")
    # GraphQL knows no NaN, and the curve of a diverged trial holds some.
    curve: list[float | None] = strawberry.field(
        resolver=_finite_curve, description="Validation loss after each epoch; null where it was not finite."
    )


@strawberry.type(description="A run as it stands.")
class Run:
    run_id: str = strawberry.field(description="The run's id.")
    kind: RunKind = strawberry.field(description="Search or whole cycle.")
    pac_id: str = strawberry.field(description="The PAC it is for.")
    state: RunState = strawberry.field(description="Where it stands.")
    dataset: str = strawberry.field(description="Name of the dataset.")
    stages_done: list[str] = strawberry.field(description="Stages that are done; a resumed run skips them.")
    last_seq: int = strawberry.field(description="Number of its newest event, from 1.")
    epoch: int = strawberry.field(
        description="How often a worker claimed it: once more after a lost worker, a drain, a lock or database trouble."
    )
    queue: Queue = strawberry.field(description="Which workers may take it.")
    priority: int = strawberry.field(description="From 0 to 9; higher ones are taken first.")
    trials_total: int = strawberry.field(description="Trials so far.")
    trials_ok: int = strawberry.field(description="Those of them that gave a result.")
    trials_failed: int = strawberry.field(description="Those that ended without one.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    started_at: datetime | None = strawberry.field(description="When a worker first claimed it.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    metrics: TrainingMetrics | None = strawberry.field(description="Figures of its result.")
    front: list[Trial] = strawberry.field(description="The trials that no other trial beats.")
    promoted_version: int | None = strawberry.field(description="The VCV version it wrote, if it wrote one.")
    error: RunError | None = strawberry.field(description="Why it failed, if it failed.")


@strawberry.type(description="Event number `seq` of a run.")
class RunEvent:
    run_id: str = strawberry.field(description="The run's id.")
    seq: int = strawberry.field(description="Its number: from 1, without gaps.")
    name: str = strawberry.field(description="`cerebros.<thing>.<queued|start|progress|rung|stop|exception>`.")
    measurements: JSON = strawberry.field(description="How much: numbers, null where there is none.")
    metadata: JSON = strawberry.field(description="Of what: strings, numbers, booleans and nulls.")
    at: datetime = strawberry.field(description="When it was committed.")


@strawberry.type(description="A shortlisted tree with its Parzen log densities.")
class Candidate:
    rank: int = strawberry.field(description="Place in the shortlist, the best first.")
    tree: JSON = strawberry.field(description="The rose tree.")
    tree_hash: str = strawberry.field(description="Digest of the tree.")
    log_l: float = strawberry.field(description="Log density under the good trials.")
    log_g: float = strawberry.field(description="Log density under the rest.")
    score: float = strawberry.field(description="`logL` minus `logG`; more is more promising.")


@strawberry.type(description="The candidates proposed for a run.")
class Shortlist:
    run_id: str = strawberry.field(description="The run's id.")
    observations: int = strawberry.field(description="Earlier trials that the estimator knew.")
    probes: int = strawberry.field(description="One-epoch trainings among them that this run made itself.")
    candidates: list[Candidate] = strawberry.field(description="In order of rank.")


@strawberry.type(description="Content-addressed bytes that a run left.")
class Artifact:
    digest: str = strawberry.field(description="SHA-256 of the bytes.")
    kind: str = strawberry.field(description="`weights`, or the `description` of their network.")
    bytes: BigInt = strawberry.field(description="How many bytes.")
    path: str = strawberry.field(description="Where the bridge's host keeps them.")
    run_id: str = strawberry.field(description="The run that left them.")
    created_at: datetime = strawberry.field(description="When they were stored.")


@strawberry.type(description="One immutable version of a PAC's capability vector.")
class VcvEntry:
    pac_id: str = strawberry.field(description="The PAC's id.")
    version: int = strawberry.field(description="Its version: from 1, rising by one per PAC.")
    task: str = strawberry.field(description="What the PAC can do, in words.")
    capability: list[float] = strawberry.field(description="Unit embedding of `task`, 384 numbers.")
    skills: list[str] = strawberry.field(description="Names of what it can do.")
    accuracy: float = strawberry.field(description="Share of correct labels, F1 or R², on held-out rows.")
    latency_s: float = strawberry.field(description="Median seconds for one prediction.")
    cost_usd: float = strawberry.field(description="Dollars that the training cost.")
    energy_j: float = strawberry.field(description="Joules that the training took.")
    trust: float = strawberry.field(description="Share of the PAC's verdicts that allowed, as of `createdAt`.")
    reliability: float = strawberry.field(description="Share of its ended runs that succeeded, likewise.")
    resources: JSON = strawberry.field(description="What it needs to serve.")
    policy_flags: list[str] = strawberry.field(
        description="Purposes that the dataset's manifest allows; a rollback adds `rollback: <reason>`."
    )
    dataset_digest: str = strawberry.field(description="SHA-256 of the dataset it learnt from.")
    artifact_digest: str = strawberry.field(description="SHA-256 of its weights.")
    run_id: str = strawberry.field(description="The run that wrote it.")
    verdict_id: str = strawberry.field(description="The verdict that allowed it.")
    created_at: datetime = strawberry.field(description="When it was written.")
    rolled_back_from: int | None = strawberry.field(
        description="The earlier version that it repeats, if a rollback wrote it."
    )


@strawberry.type(description="Another PAC's current vector and how far it is.")
class Neighbour:
    entry: VcvEntry = strawberry.field(description="The vector.")
    distance: float = strawberry.field(description="Cosine distance, 0 to 2.")


@strawberry.type(description="A signed policy decision about one artifact; after `expiresAt` it allows nothing.")
class Verdict:
    verdict_id: str = strawberry.field(description="Digest of what was judged, by which policy and when.")
    decision: Decision = strawberry.field(description="Whether the model may be promoted.")
    reasons: list[str] = strawberry.field(description="Each broken rule in words; empty where it allows.")
    artifact_digest: str = strawberry.field(description="SHA-256 of the weights that were judged.")
    dataset_digest: str = strawberry.field(description="SHA-256 of the dataset.")
    policy_digest: str = strawberry.field(description="SHA-256 of the policy.")
    inputs_digest: str = strawberry.field(description="SHA-256 of the figures.")
    issued_at: datetime = strawberry.field(description="When it was given.")
    expires_at: datetime = strawberry.field(description="Until when it holds.")
    signature: str = strawberry.field(description="Ed25519 over the canonical JSON of all other fields.")


@strawberry.type(description="What some work takes.")
class Spent:
    duration_s: float = strawberry.field(description="Seconds by the clock.")
    cpu_s: float = strawberry.field(description="Seconds of processor time.")
    energy_j: float = strawberry.field(description="Joules.")
    cost_usd: float = strawberry.field(description="Dollars by the operator's price table.")


@strawberry.type(description="What a run would take.")
class RunEstimate:
    method: str = strawberry.field(description="How the figures were made, in words.")
    runs: int = strawberry.field(description="Measured runs behind them.")
    expected: Spent = strawberry.field(description="By their mean.")
    low: Spent = strawberry.field(description="By the cheapest of them, figure by figure.")
    high: Spent = strawberry.field(description="By the dearest of them, figure by figure.")


@strawberry.type(description="A figure that a study's caller measures.")
class StudyObjective:
    name: str = strawberry.field(description="Reports give its value under this name.")
    direction: Direction = strawberry.field(description="Whether less or more of it is better.")


@strawberry.type(description="An optimiser for a caller who evaluates by itself.")
class Study:
    study_id: str = strawberry.field(description="The study's id.")
    space: JSON = strawberry.field(description="What there is to decide: node types with parameters and slots.")
    objectives: list[StudyObjective] = strawberry.field(description="What is optimised.")
    sampler: Sampler = strawberry.field(description="What proposes candidates.")
    seed: BigInt = strawberry.field(description="Seed of every random choice.")
    lease_s: float = strawberry.field(description="Seconds after which a trial without a report is handed out again.")
    trials_total: int = strawberry.field(description="Trials that were handed out so far.")
    trials_ok: int = strawberry.field(description="Those of them that were reported with values.")
    trials_out: int = strawberry.field(description="Those of them that were not reported yet.")
    created_at: datetime = strawberry.field(description="When it was opened.")


@strawberry.type(description="A trial to evaluate.")
class Suggestion:
    study_id: str = strawberry.field(description="The study's id.")
    number: int = strawberry.field(description="Its number in the study, from 0; no two trials share one.")
    epoch: int = strawberry.field(description="How often it was handed out; report it with this number.")
    tree: JSON = strawberry.field(description="The candidate's rose tree.")
    tree_hash: str = strawberry.field(description="Digest of the tree; equal trees have equal digests.")
    lease_s: float = strawberry.field(description="Seconds for which it is the caller's alone.")


@strawberry.type(description="A trial of a study.")
class StudyTrial:
    number: int = strawberry.field(description="Its number in the study, from 0.")
    epoch: int = strawberry.field(description="How often it was handed out.")
    outcome: Outcome | None = strawberry.field(description="How it ended; null while it is out.")
    tree: JSON = strawberry.field(description="The candidate's rose tree.")
    tree_hash: str = strawberry.field(description="Digest of the tree.")
    values: JSON = strawberry.field(description="The value of each objective, by its name.")
    reason: str | None = strawberry.field(description="Why it ended otherwise than `ok`.")


@strawberry.type(description="One rule of the gate and what it found.")
class GateFinding:
    rule: str = strawberry.field(description="The rule's name.")
    status: GateStatus = strawberry.field(description="What the gate thinks of it.")
    value: float | None = strawberry.field(description="The figure found; null where nothing was measured.")
    limit: float | None = strawberry.field(description="The figure allowed; null where there is none.")
    message: str = strawberry.field(description="The finding, in words.")


@strawberry.type(description="What the Balance Readiness Gate says.")
class GateReport:
    overall_status: GateStatus = strawberry.field(description="The worst status of any finding.")
    timestamp: datetime = strawberry.field(description="When it was asked.")
    findings: list[GateFinding] = strawberry.field(description="One per rule.")


@strawberry.type(description="Whether a PAC may be trained.")
class TrainingLock:
    pac_id: str = strawberry.field(description="The PAC.")
    state: LockState = strawberry.field(description="How it stands.")
    holder: str = strawberry.field(description="Who set it; empty where nobody ever did.")
    reason: str = strawberry.field(description="Why.")
    epoch: int = strawberry.field(description="How often it was set.")
    since: datetime | None = strawberry.field(description="When it was set last.")
    run_id: str | None = strawberry.field(description="The run that trains the PAC now, if one does.")


@strawberry.type(description="Where runs wait.")
class QueueStatus:
    name: str = strawberry.field(description="Its name.")
    running_at_most: int | None = strawberry.field(description="Runs that may be at work at once; null for no limit.")
    queued: int = strawberry.field(description="Runs that wait.")
    running: int = strawberry.field(description="Runs at work.")
    workers: int = strawberry.field(description="Workers that take from it and gave a sign of life lately.")


@strawberry.type(description="How the service is doing.")
class HealthReport:
    status: ServingStatus = strawberry.field(description="Whether it can do its work.")
    version: str = strawberry.field(description="Version of the bridge.")
    database: str = strawberry.field(description="What the database answered.")
    workers: int = strawberry.field(description="Workers whose heartbeat is fresh.")
    queued: int = strawberry.field(description="Runs that wait.")
    running: int = strawberry.field(description="Runs in work.")
