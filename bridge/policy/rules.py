"""Policy: may this model be promoted? A verdict is signed and bound to all it judged."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Meta

from bridge.contract.replies import Verdict
from bridge.process.settings import shipped
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Purpose
from cerebros.errors import InvalidArgument, PermissionDenied
from cerebros.metrics import TrainingMetrics
from cerebros.search.objectives import ObjectiveSet

NotNegative = Annotated[float, Meta(ge=0)]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of a policy file; priv/policy/default.toml says what each means."""

    name: str
    min_gain: float
    max_latency_p95_s: NotNegative
    max_cost_usd: NotNegative
    max_leaked_share: NotNegative
    verdict_ttl_s: NotNegative


class PolicyInputs(msgspec.Struct, frozen=True):
    """Everything a verdict depends on.

    Attributes:
        goals: what the run searched for, with its hard limits.
        baseline: what the naive answer scores on the same rows.
        run_cost_usd: probes, trials and refit together.
        today: the day the data's retention is judged on.
    """

    report: DatasetReport
    purposes: tuple[Purpose, ...]
    retain_until: date | None
    metrics: TrainingMetrics
    goals: ObjectiveSet
    baseline: float
    run_cost_usd: float
    artifact_digest: str
    today: date


Rule = Callable[[PolicyInputs, Policy], str | None]


def read_policy(path: str) -> Policy:
    """The policy in this file, or the one that ships when the path is empty.

    Raises:
        InvalidArgument: no such file, or it breaks a rule.
    """
    file = Path(path) if path else shipped("policy") / "default.toml"
    try:
        return msgspec.convert(tomllib.loads(file.read_text()), Policy)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise InvalidArgument(
            f"policy {file}: {problem}; copy priv/policy/default.toml and change its values"
        ) from None


def reasons_to_deny(inputs: PolicyInputs, policy: Policy) -> tuple[str, ...]:
    """Each broken rule in words; empty when the model may be promoted."""
    return tuple(reason for rule in RULES if (reason := rule(inputs, policy)) is not None)


def require_use_allowed(purposes: Sequence[Purpose], retain_until: date | None, today: date) -> None:
    """Refuse data whose owner does not allow training, or did so until a day that has passed.

    Asked before anything is trained, and by the verdict once more.

    Raises:
        PermissionDenied: the manifest says no.
    """
    if "train" not in purposes:
        raise PermissionDenied(f"the manifest allows {list(purposes)}, not 'train'; ask the data's owner")
    if retain_until is not None and today > retain_until:
        raise PermissionDenied(f"the data was to be kept until {retain_until}; use newer data")


def _use(inputs: PolicyInputs, _policy: Policy) -> str | None:
    try:
        require_use_allowed(inputs.purposes, inputs.retain_until, inputs.today)
    except PermissionDenied as denial:
        return denial.message
    return None


def _gain(inputs: PolicyInputs, policy: Policy) -> str | None:
    gain = inputs.metrics.accuracy - inputs.baseline
    if gain >= policy.min_gain:
        return None
    return f"the score beats the naive answer by {gain:.3f}; the policy asks for {policy.min_gain}"


def _latency(inputs: PolicyInputs, policy: Policy) -> str | None:
    if inputs.metrics.latency_p95_s <= policy.max_latency_p95_s:
        return None
    return f"p95 latency is {inputs.metrics.latency_p95_s} s; the policy allows {policy.max_latency_p95_s} s"


def _cost(inputs: PolicyInputs, policy: Policy) -> str | None:
    if inputs.run_cost_usd <= policy.max_cost_usd:
        return None
    return f"the run cost {inputs.run_cost_usd:.2f} USD; the policy allows {policy.max_cost_usd} USD"


def _limits(inputs: PolicyInputs, _policy: Policy) -> str | None:
    return "; ".join(inputs.goals.broken_by(inputs.metrics)) or None


def _leakage(inputs: PolicyInputs, policy: Policy) -> str | None:
    share = inputs.report.leaked_rows / inputs.report.test_rows
    if share <= policy.max_leaked_share:
        return None
    return f"{share:.1%} of the test rows stand in training; the policy allows {policy.max_leaked_share:.1%}"


RULES: tuple[Rule, ...] = (_use, _gain, _limits, _latency, _cost, _leakage)


def judge(inputs: PolicyInputs, policy: Policy, now: datetime) -> Verdict:
    """The unsigned verdict on a model; the same inputs at the same time have the same verdict_id."""
    reasons = reasons_to_deny(inputs, policy)
    inputs_digest, policy_digest = _digest(inputs), _digest(policy)
    return Verdict(
        verdict_id=_digest((inputs_digest, policy_digest, now)),
        decision="deny" if reasons else "allow",
        reasons=reasons,
        artifact_digest=inputs.artifact_digest,
        dataset_digest=inputs.report.digest,
        policy_digest=policy_digest,
        inputs_digest=inputs_digest,
        issued_at=now,
        expires_at=now + timedelta(seconds=policy.verdict_ttl_s),
    )


class Seal:
    """Signs verdicts with this installation's Ed25519 key, and knows its own signatures."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def at(cls, path: Path) -> Seal:
        """The key in this file; it is made when absent, readable by its owner alone."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            draft = path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(fresh)
            try:
                os.link(draft, path)  # fails when another process was first: then its key is the one
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))

    def sign(self, verdict: Verdict) -> Verdict:
        return msgspec.structs.replace(verdict, signature=self._key.sign(_signed_part(verdict)).hex())

    def holds(self, verdict: Verdict, now: datetime) -> bool:
        """Whether the verdict was signed here, is unchanged and has not expired."""
        try:
            self._key.public_key().verify(bytes.fromhex(verdict.signature), _signed_part(verdict))
        except (InvalidSignature, ValueError):
            return False
        return now < verdict.expires_at


def _signed_part(verdict: Verdict) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(verdict, signature=""), order="deterministic")


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
