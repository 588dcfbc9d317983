"""Policy: may this model be promoted? A verdict is signed and bound to all it judged."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.contract.policy import Contender, Verdict
from bridge.process.settings import shipped
from cerebros.data.manifest import Purpose
from cerebros.errors import InvalidArgument, PermissionDenied

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
        run_cost_usd: what the whole run took, stages and trials.
        today: the day the data's retention is judged on.
    """

    contender: Contender
    run_cost_usd: float
    today: date


Rule = Callable[[PolicyInputs, Policy], str | None]


def read_policy(path: str) -> Policy:
    """The policy in this file, or the one that ships when the path is empty.

    Raises:
        InvalidArgument: no such file, or it breaks a rule.
    """
    file = Path(path) if path else shipped("policy") / "default.toml"
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Policy)
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
        require_use_allowed(inputs.contender.purposes, inputs.contender.retain_until, inputs.today)
    except PermissionDenied as denial:
        return denial.message
    return None


def _gain(inputs: PolicyInputs, policy: Policy) -> str | None:
    gain = inputs.contender.metrics.accuracy - inputs.contender.baseline
    if gain >= policy.min_gain:
        return None
    return f"the score beats the naive answer by {gain:.3f}; the policy asks for {policy.min_gain}"


def _latency(inputs: PolicyInputs, policy: Policy) -> str | None:
    if inputs.contender.metrics.latency_p95_s <= policy.max_latency_p95_s:
        return None
    return f"p95 latency is {inputs.contender.metrics.latency_p95_s} s; the policy allows {policy.max_latency_p95_s} s"


def _cost(inputs: PolicyInputs, policy: Policy) -> str | None:
    if inputs.run_cost_usd <= policy.max_cost_usd:
        return None
    return f"the run cost {inputs.run_cost_usd:.2f} USD; the policy allows {policy.max_cost_usd} USD"


def _limits(inputs: PolicyInputs, _policy: Policy) -> str | None:
    return "; ".join(inputs.contender.goals.broken_by(inputs.contender.metrics)) or None


def _leakage(inputs: PolicyInputs, policy: Policy) -> str | None:
    share = inputs.contender.report.leaked_rows / inputs.contender.report.test_rows
    if share <= policy.max_leaked_share:
        return None
    return f"{share:.1%} of the test rows stand in training; the policy allows {policy.max_leaked_share:.1%}"


RULES: tuple[Rule, ...] = (_use, _gain, _limits, _latency, _cost, _leakage)


def judge(inputs: PolicyInputs, policy: Policy, now: datetime) -> Verdict:
    """The unsigned verdict on a model; the same inputs at the same time have the same verdict_id."""
    reasons, subject, policy_digest = reasons_to_deny(inputs, policy), _subject(inputs), _digest(policy)
    return Verdict(
        verdict_id=_digest((subject["inputs_digest"], policy_digest, now)),
        decision="deny" if reasons else "allow",
        reasons=reasons,
        **subject,
        policy_digest=policy_digest,
        issued_at=now,
        expires_at=now + timedelta(seconds=policy.verdict_ttl_s),
    )


def differences(verdict: Verdict, inputs: PolicyInputs) -> tuple[str, ...]:
    """Each part of these inputs, in words, that is not the verdict's; empty when it is the verdict on them."""
    return tuple(
        f"its {name} is {judged!r}, what is stored now gives {now!r}"
        for name, now in _subject(inputs).items()
        if (judged := getattr(verdict, name)) != now
    )


def _subject(inputs: PolicyInputs) -> dict[str, str]:
    """Return all that a verdict on these inputs is on, by the names of its fields."""
    contender = inputs.contender
    return {
        "run_id": contender.run_id,
        "pac_id": contender.pac_id,
        "artifact_digest": contender.artifact_digest,
        "description_digest": contender.description_digest,
        "dataset_digest": contender.report.digest,
        "inputs_digest": _digest(inputs),
    }


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
