"""An ended run's model under a verdict, and what the next run will take."""

import asyncio
import os
import threading
from time import monotonic

import msgspec
import pytest

from bridge.policy.rows import VerdictRows
from bridge.policy.rules import read_policy
from bridge.policy.seal import Seal
from bridge.service import worker_on
from cerebros.errors import FailedPrecondition, NotFound, PermissionDenied
from tests.calling import call, with_settings
from tests.conftest import EXAMPLES, SMALL


async def finished(bridge, request):
    run = await call(bridge, "start_run", request)
    working = asyncio.create_task(worker_on(bridge, only=run.run_id).work(until_idle=True))
    await working
    return await call(bridge, "get_run", {"run_id": run.run_id})


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """A dataset that no other test searches."""
    own = tmp_path_factory.mktemp("promotion") / "breast_cancer.toml"
    text = (EXAMPLES / "breast_cancer.toml").read_text(encoding="utf-8")
    assert "seed = 17" in text
    own.write_text(text.replace("seed = 17", "seed = 170"), encoding="utf-8")
    return str(own)


@pytest.fixture(scope="module")
async def searched(bridge, manifest):
    """A search alone: it ends with a scored model and without a verdict."""
    spec = {"kind": "nas", "manifest": manifest, "budget": SMALL}
    request = {"run_id": "searched", "pac_id": "nurse", "spec": spec}
    with pytest.raises(FailedPrecondition, match="run a small budget first"):
        await call(bridge, "estimate", {"spec": {"manifest": manifest, "kind": "nas"}})
    run = await finished(bridge, request)
    assert run.state == "succeeded"
    return run


async def test_a_search_is_promoted_once_it_was_judged_and_once_only(bridge, searched):
    with pytest.raises(FailedPrecondition, match="evaluate_policy gives one"):
        await call(bridge, "promote", {"run_id": "searched"})

    verdict = await call(bridge, "evaluate_policy", {"run_id": "searched"})
    assert verdict.decision == "allow"
    assert bridge.deps.one(Seal.of).signed(verdict)

    entry, again = await asyncio.gather(*(call(bridge, "promote", {"run_id": "searched"}) for _ in range(2)))
    assert entry == again
    assert (entry.pac_id, entry.version, entry.verdict_id) == ("nurse", 1, verdict.verdict_id)
    assert entry.accuracy == searched.metrics.accuracy
    assert await call(bridge, "get_capability", {"pac_id": "nurse"}) == entry


async def test_a_forged_verdict_promotes_nothing(bridge, searched, sql):
    verdict = await call(bridge, "evaluate_policy", {"run_id": "searched"})
    forged = '{"expires_at": "2999-01-01T00:00:00Z"}'  # a later end, but the signature is of the earlier one
    this = {"verdict_id": verdict.verdict_id, "forged": forged}
    sql.execute("UPDATE verdicts SET verdict = verdict || %(forged)s WHERE verdict_id = %(verdict_id)s", this)
    with pytest.raises(PermissionDenied, match="evaluate_policy gives a new one"):
        await call(bridge, "promote", {"run_id": "searched"})
    sql.execute("DELETE FROM verdicts WHERE verdict_id = %(verdict_id)s", this)


@pytest.mark.parametrize(
    ("rule", "decision", "told"),
    [({"min_gain": 2.0}, "deny", "naive answer"), ({"verdict_ttl_s": 0.0}, "allow", "not valid any more")],
    ids=["denied", "expired"],
)
async def test_without_a_verdict_that_holds_nothing_is_promoted(bridge, searched, tmp_path, rule, decision, told):
    policy = tmp_path / "policy.toml"
    fields = msgspec.structs.asdict(read_policy("")) | rule
    policy.write_text("\n".join(f"{name} = {value!r}" for name, value in fields.items()))
    strict = with_settings(bridge, policy=str(policy))

    assert (await call(strict, "evaluate_policy", {"run_id": "searched"})).decision == decision

    with pytest.raises(PermissionDenied, match=told):
        await call(strict, "promote", {"run_id": "searched"})


async def test_the_loop_is_free_while_a_promotion_reads_its_artifact(bridge, searched):
    """The artifact is a pipe for once, and whoever fills it takes two seconds."""
    verdict = await call(bridge, "evaluate_policy", {"run_id": "searched"})
    path = bridge.deps.artifacts.directory / verdict.artifact_digest
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    filling = threading.Timer(2.0, path.write_bytes, [content])
    filling.start()
    try:
        promoting, longest_s = asyncio.create_task(call(bridge, "promote", {"run_id": "searched"})), 0.0
        while not promoting.done():
            turn = monotonic()
            await asyncio.sleep(0.01)
            longest_s = max(longest_s, monotonic() - turn)
        assert promoting.result().verdict_id == verdict.verdict_id
    finally:
        filling.join()
        path.unlink()
        path.write_bytes(content)
    assert longest_s < 1.5


async def test_a_rollback_is_written_once_and_leaves_its_run_the_version_it_was_promoted_to(bridge, searched):
    await call(bridge, "evaluate_policy", {"run_id": "searched"})
    newest = await call(bridge, "promote", {"run_id": "searched"})
    back = {"pac_id": "nurse", "version": 1, "reason": "the newest is slower"}
    first, again = [await call(bridge, "rollback", back) for _ in range(2)]
    assert first == again
    assert (first.version, first.rolled_back_from) == (newest.version + 1, 1)
    assert (await call(bridge, "get_run", {"run_id": "searched"})).promoted_version == newest.version
    other = await call(bridge, "rollback", back | {"reason": "really"})
    assert other.version == first.version + 1
    assert (await call(bridge, "rollback", back)).version == other.version + 1


async def test_a_version_whose_verdict_has_expired_comes_back_as_the_refusal_says(bridge, searched, sql):
    first = await call(bridge, "get_capability", {"pac_id": "nurse", "version": 1})
    async with bridge.deps.database.transaction() as connection:
        verdict = await VerdictRows(bridge.deps).verdict_by_id(connection, first.verdict_id)
    expired = bridge.deps.one(Seal.of).sign(msgspec.structs.replace(verdict, expires_at=verdict.issued_at))
    sql.execute(
        "UPDATE verdicts SET verdict = %s, expires_at = %s WHERE verdict_id = %s",
        (msgspec.json.encode(expired).decode(), expired.expires_at, verdict.verdict_id),
    )
    with pytest.raises(PermissionDenied, match=r"run 'searched' is not valid any more .*; call evaluate_policy"):
        await call(bridge, "rollback", {"pac_id": "nurse", "version": 1, "reason": "the newest is slower"})
    await call(bridge, "evaluate_policy", {"run_id": "searched"})
    back = await call(bridge, "promote", {"run_id": "searched"})
    assert back == await call(bridge, "get_capability", {"pac_id": "nurse"})
    assert back.artifact_digest == first.artifact_digest


@pytest.mark.parametrize("procedure", ["promote", "evaluate_policy"])
async def test_a_run_that_waits_or_is_unknown_or_has_no_model_is_refused(bridge, start, procedure):
    with pytest.raises(NotFound):
        await call(bridge, procedure, {"run_id": "nobody"})
    run = await call(bridge, "start_run", start())
    with pytest.raises(FailedPrecondition, match="not ended"):
        await call(bridge, procedure, {"run_id": run.run_id})
    await call(bridge, "cancel_run", {"run_id": run.run_id})
    with pytest.raises(FailedPrecondition, match="without a scored model"):
        await call(bridge, procedure, {"run_id": run.run_id})


async def test_an_estimate_of_a_measured_budget_is_what_was_measured(bridge, searched, manifest, sql):
    spec = {"manifest": manifest, "kind": "nas", "budget": SMALL}
    told = await call(bridge, "estimate", {"spec": spec})
    (taken,) = sql.execute(
        "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM runs WHERE run_id = 'searched'"
    ).fetchone()
    assert told.runs == 1
    assert told.expected == told.low == told.high
    assert told.expected.duration_s == pytest.approx(taken)
    spent = await bridge.deps.runs.spending("searched")
    assert told.expected.cpu_s == pytest.approx(spent.cpu_s)
    assert told.expected.cost_usd == pytest.approx(spent.cost_usd)


async def test_an_estimate_grows_with_the_budget_and_knows_only_its_kind(bridge, searched, manifest):
    spec = {"manifest": manifest, "kind": "nas"}
    small = await call(bridge, "estimate", {"spec": spec | {"budget": SMALL}})
    large = await call(bridge, "estimate", {"spec": spec | {"budget": SMALL | {"trials": 400}}})
    assert large.expected.cpu_s > 50 * small.expected.cpu_s
    with pytest.raises(FailedPrecondition):
        await call(bridge, "estimate", {"spec": spec | {"kind": "cycle"}})
