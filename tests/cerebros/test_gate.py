import msgspec
import pytest

from cerebros.gate import GateFigures, judge, overall

WELL = GateFigures(
    last_success_age_s=10.0,
    runs_without_telemetry=0,
    verdict_age_s=10.0,
    last_decision="allow",
    queued=0,
    expired_leases=0,
    failed_share=0.0,
)
DAY = 86400.0


def test_a_healthy_service_passes():
    assert overall(judge(WELL, DAY)) == "healthy"


@pytest.mark.parametrize(
    ("change", "rule", "status"),
    [
        ({"last_success_age_s": None}, "training_telemetry", "critical"),
        ({"runs_without_telemetry": 1}, "training_telemetry", "critical"),
        ({"verdict_age_s": None}, "policy_verdict", "critical"),
        ({"verdict_age_s": 2 * DAY}, "policy_verdict", "critical"),
        ({"last_decision": "deny"}, "policy_verdict", "critical"),
        ({"queued": 101}, "queue_depth", "warning"),
        ({"queued": 201}, "queue_depth", "critical"),
        ({"expired_leases": 1}, "worker_leases", "warning"),
        ({"failed_share": 0.5}, "failed_runs", "warning"),
    ],
)
def test_each_rule_fires_on_its_own_figure(change, rule, status):
    findings = judge(msgspec.structs.replace(WELL, **change), DAY)
    assert [(f.rule, f.status) for f in findings if f.status != "healthy"] == [(rule, status)]
    assert overall(findings) == status
