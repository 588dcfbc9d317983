"""Policy: the signed verdict on a model."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

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
        artifact_digest, description_digest: SHA-256 of the model's weights and of its description.
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
    description_digest: str


class Verdict(Message, frozen=True, kw_only=True):
    """A signed policy decision about one run's model; after `expires_at` it allows nothing.

    It is bound to exactly this run, these weights and their description, this data, this policy and these figures:
    a promotion and a rollback compare each of them with what is stored by then.
    """

    verdict_id: Annotated[str, Meta(description="Digest of the artifact, the policy and the time of the decision.")]
    run_id: Annotated[str, Meta(description="Run whose model was judged.")]
    pac_id: Annotated[str, Meta(description="PAC that the run trains.")]
    decision: Annotated[Decision, Meta(description="Decision: `allow` lets the model be promoted.")]
    reasons: Annotated[tuple[str, ...], Meta(description="Broken rules, in words; empty where it allows.")]
    artifact_digest: Annotated[str, Meta(description="SHA-256 of the weights that were judged.")]
    description_digest: Annotated[str, Meta(description="SHA-256 of the description of these weights.")]
    dataset_digest: Annotated[str, Meta(description="SHA-256 of the dataset.")]
    policy_digest: Annotated[str, Meta(description="SHA-256 of the policy.")]
    inputs_digest: Annotated[
        str, Meta(description="SHA-256 of all that was judged: the model's figures, the run's cost, the data's terms.")
    ]
    issued_at: Annotated[datetime, Meta(description="Time of the decision.")]
    expires_at: Annotated[datetime, Meta(description="End of the verdict's validity.")]
    signature: Annotated[
        str,
        Meta(description="Ed25519 signature over the canonical JSON of all other fields, in hexadecimal."),
    ] = ""


class EvaluatePolicy(Message, frozen=True, kw_only=True):
    """Judge the model of a finished run by the policy in force now; the signed verdict is kept.

    FAILED_PRECONDITION where the run has not ended or has no scored model.
    """

    run_id: Annotated[Id, Meta(description="Id of the run.")]
