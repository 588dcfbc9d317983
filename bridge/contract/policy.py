"""Policy: the signed verdict on a model."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from bridge.contract.words import Decision, Id, Message
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Purpose
from cerebros.metrics import TrainingMetrics
from cerebros.search.objectives import ObjectiveSet


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A run's model, with all that a verdict and a capability vector say about it.

    Attributes:
        task: what the model can do, in words; skills: names of that.
        report: what the check of its dataset found.
        purposes, retain_until: what the data's owner allows.
        metrics: measured on held-out rows.
        goals: what the run searched for, with its hard limits.
        baseline: what the naive answer scores on the same rows.
        artifact_digest: SHA-256 of the model's weights.
    """

    run_id: str
    pac_id: str
    task: str
    skills: tuple[str, ...]
    report: DatasetReport
    purposes: tuple[Purpose, ...]
    retain_until: date | None
    metrics: TrainingMetrics
    goals: ObjectiveSet
    baseline: float
    artifact_digest: str


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


class EvaluatePolicy(Message, frozen=True, kw_only=True):
    """Judge the model of a finished run by the policy in force now; the signed verdict is kept."""

    run_id: Id
