from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from bridge.contract.policy import Contender
from bridge.policy.rules import Policy, PolicyInputs, judge, read_policy
from bridge.policy.seal import Seal
from cerebros.data.check import DatasetReport
from cerebros.errors import InvalidArgument
from cerebros.metrics import TrainingMetrics
from cerebros.search.objectives import Goal, ObjectiveSet

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLICY = read_policy("")

REPORT = DatasetReport(
    name="toy",
    digest="d" * 64,
    task="classification",
    label="y",
    rows=100,
    columns=3,
    features=2,
    inputs=2,
    train_rows=60,
    validation_rows=20,
    test_rows=20,
    missing={},
    nan_share=0.0,
    infinity_share=0.0,
    label_balance={"0": 50, "1": 50},
    duplicates=0,
    leaked_rows=0,
    warnings=(),
)
METRICS = TrainingMetrics(
    accuracy=0.9,
    accuracy_kind="accuracy",
    loss=0.2,
    latency_p50_s=1e-4,
    latency_p95_s=2e-4,
    latency_p99_s=3e-4,
    duration_s=1.0,
    cpu_s=1.0,
    energy_j=10.0,
    energy_method="model",
    cost_usd=1e-5,
    peak_mem_bytes=10**8,
    parameters=100,
    flops=200,
    epochs=5,
    device="cpu",
)


def inputs(**fields) -> PolicyInputs:
    run_cost_usd = fields.pop("run_cost_usd", 0.01)
    contender = Contender(
        run_id="r",
        pac_id="p",
        task="tell toys apart",
        skills=("classification", "toy"),
        report=REPORT,
        purposes=("train",),
        retain_until=None,
        metrics=METRICS,
        goals=ObjectiveSet("asked for", "", (Goal("accuracy"),)),
        baseline=0.5,
        artifact_digest="a" * 64,
        description_digest="b" * 64,
    )
    return PolicyInputs(msgspec.structs.replace(contender, **fields), run_cost_usd, NOW.date())


def test_a_model_that_breaks_a_limit_of_its_run_is_denied():
    goals = ObjectiveSet("asked for", "", (Goal("accuracy", at_least=0.95), Goal("latency", at_most=1e-9)))
    verdict = judge(inputs(goals=goals), POLICY, NOW)
    assert verdict.decision == "deny"
    assert "accuracy is 0.9, and the run asked for 0.95 at least" in verdict.reasons[0]
    assert "latency is" in verdict.reasons[0]


def test_a_good_model_is_allowed_until_the_verdict_expires():
    verdict = judge(inputs(), POLICY, NOW)
    assert (verdict.decision, verdict.reasons) == ("allow", ())
    assert verdict.expires_at == NOW + timedelta(seconds=POLICY.verdict_ttl_s)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"purposes": ("evaluate",)}, "not 'train'"),
        ({"retain_until": date(2026, 11, 20)}, "use newer data"),
        ({"baseline": 0.88}, "beats the naive answer by 0.020"),
        ({"metrics": msgspec.structs.replace(METRICS, latency_p95_s=1.0)}, "p95 latency is 1.0 s"),
        ({"run_cost_usd": 6.0}, "cost 6.00 USD"),
        ({"report": msgspec.structs.replace(REPORT, leaked_rows=1)}, "5.0% of the test rows"),
    ],
)
def test_each_rule_denies_with_its_reason(fields, reason):
    verdict = judge(inputs(**fields), POLICY, NOW)
    assert verdict.decision == "deny"
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


def test_a_verdict_is_bound_to_all_it_judged():
    verdict = judge(inputs(), POLICY, NOW)
    assert judge(inputs(), POLICY, NOW) == verdict
    other_policy = msgspec.structs.replace(POLICY, max_cost_usd=4.0)
    assert judge(inputs(), other_policy, NOW).policy_digest != verdict.policy_digest
    assert judge(inputs(baseline=0.6), POLICY, NOW).inputs_digest != verdict.inputs_digest
    assert judge(inputs(artifact_digest="b" * 64), POLICY, NOW).verdict_id != verdict.verdict_id


def test_a_signature_holds_for_its_own_key_and_unchanged_verdict_only(tmp_path):
    seal = Seal.at(tmp_path / "ours")
    verdict = seal.sign(judge(inputs(), POLICY, NOW))
    assert seal.signed(verdict)
    assert Seal.at(tmp_path / "ours").signed(verdict)
    assert not Seal.at(tmp_path / "theirs").signed(verdict)


def test_the_key_is_readable_by_its_owner_alone(tmp_path):
    Seal.at(tmp_path / "keys" / "key")
    assert (tmp_path / "keys" / "key").stat().st_mode & 0o777 == 0o600


def test_a_policy_with_an_unknown_limit_is_refused(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text("max_fun = 1")
    with pytest.raises(InvalidArgument, match="max_fun"):
        read_policy(str(file))
    assert isinstance(POLICY, Policy)
