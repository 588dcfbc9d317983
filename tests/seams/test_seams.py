"""A capability of one's own needs no edit of the engine, the jobs, the store or a transport.

`counting.py` is all there is of it; `contract.py` adds what its `.proto` says.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import takewhile
from time import monotonic

import grpc
import httpx
import psutil
import pytest
from uuid_utils import uuid7

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from bridge.service import open_bridge, worker_on
from bridge.transports.grpc.server import start_grpc
from bridge.transports.http.app import make_app
from cerebros.errors import DeadlineExceeded
from grid_graphql.asking import Context
from grid_graphql.schema import make_schema
from tests.calling import TESTER, call, until, watch
from tests.seams.contract import contract_with_counting
from tests.seams.counting import ALL_KINDS, ALL_PROCEDURES
from tests.transports.test_erlang_port import owned

LEASE_S = 1.5


@pytest.fixture(scope="module")
async def bridge(settings, database_url) -> AsyncIterator[Bridge]:
    async with open_bridge(settings, database_url, kinds=ALL_KINDS, procedures=ALL_PROCEDURES) as opened:
        yield opened


@pytest.fixture
def environment(settings, database_url) -> dict[str, str]:
    own = {"DATABASE_URL": database_url, "CEREBROS_HOME": str(settings.home), "CEREBROS_LOG_LEVEL": "critical"}
    return os.environ | own | {"CEREBROS_LEASE_S": str(LEASE_S)}


def counting(number: int, pause_s: float = 0.0) -> dict:
    run_id = f"count-{uuid7()}"
    return {"run_id": run_id, "pac_id": run_id, "spec": {"kind": "counting", "number": number, "pause_s": pause_s}}


@asynccontextmanager
async def worker(environment):
    """A worker process that knows the room, killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.seams", "worker", env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def events_of(bridge, run_id):
    return [event async for event in watch(bridge, {"run_id": run_id})]


async def test_its_run_goes_through_its_stages_streams_its_events_and_is_billed(bridge):
    run = await call(bridge, "start_run", counting(50))
    await worker_on(bridge, only=run.run_id).work(until_idle=True)
    ended, events = await call(bridge, "get_run", {"run_id": run.run_id}), await events_of(bridge, run.run_id)
    assert (ended.state, ended.kind, ended.stages_done) == ("succeeded", "counting", ("count", "say"))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    (said,) = [event for event in events if event.name == "cerebros.count.stop"]
    assert said.measurements == {"number": 50}
    ticks = [event.measurements["number"] for event in events if event.name == "cerebros.count.progress"]
    assert ticks == [10, 20, 30, 40, 50]
    spent = await bridge.deps.runs.spending(run.run_id)
    assert spent.cpu_s > 0
    assert spent.cost_usd == pytest.approx(spent.cpu_s)  # a dollar a second
    assert events[-1].measurements["cost_usd"] == pytest.approx(spent.cost_usd)


async def test_its_run_is_cancelled_with_its_job(bridge, environment):
    run = await call(bridge, "start_run", counting(10_000, pause_s=0.05))

    async def kept():
        return await bridge.deps.trials.checkpoint_rows(run.run_id, 0)

    async with worker(environment) as process:
        await until(kept)
        (job,) = [p for p in psutil.Process(process.pid).children() if "bridge.jobs.child" in p.cmdline()]
        await call(bridge, "cancel_run", {"run_id": run.run_id, "reason": "enough"})
        events = await events_of(bridge, run.run_id)
        assert events[-1].metadata["state"] == "cancelled"
        await until(lambda: asyncio.to_thread(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE))


async def test_its_run_outlives_its_worker_and_goes_on_where_it_was(bridge, environment, sql):
    run = await call(bridge, "start_run", counting(60, pause_s=0.05))

    async def kept():
        return await bridge.deps.trials.checkpoint_rows(run.run_id, 0)

    async with worker(environment):
        await until(kept)  # and is killed
    async with worker(environment):
        events = await events_of(bridge, run.run_id)
    assert events[-1].metadata["state"] == "succeeded"
    assert (await call(bridge, "get_run", {"run_id": run.run_id})).attempt == 2
    ((result,),) = sql.execute("SELECT result FROM stages WHERE run_id = %s AND name = 'count'", (run.run_id,))
    assert result["first"] > 1
    assert result["last"] == 60


async def test_a_worker_that_does_not_know_the_kind_leaves_its_runs_alone(bridge, settings, database_url):
    run = await call(bridge, "start_run", counting(1))
    async with open_bridge(settings, database_url) as without:
        await worker_on(without, only=run.run_id).work(until_idle=True)
    assert (await call(bridge, "get_run", {"run_id": run.run_id})).state == "queued"
    await call(bridge, "cancel_run", {"run_id": run.run_id})


async def test_it_is_started_and_followed_over_grpc(bridge, tmp_path):
    rpcs = contract_with_counting(tmp_path)
    rpc = {rpc.procedure: rpc for rpc in rpcs if not rpc.credited}
    attach = next(rpc for rpc in rpcs if rpc.credited and rpc.procedure == "count_down")
    server = await start_grpc(bridge, address="127.0.0.1:0", socket_path=None, rpcs=rpcs)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            wanted = counting(3)
            start = rpc["start_run"].request(
                run_id=wanted["run_id"], pac_id="p", spec={"counting": {"number": 3, "pause_s": 0.0}}
            )
            started = await channel.unary_unary(rpc["start_run"].path)(start.SerializeToString())
            assert rpc["start_run"].reply.FromString(started).kind == "counting"
            asked = rpc["count_down"].request(number=3).SerializeToString()
            items = channel.unary_stream(rpc["count_down"].path)(asked, metadata=(("x-correlation-id", "c-1"),))
            numbers = [rpc["count_down"].reply.FromString(item) async for item in items]
            assert [(item.number, item.correlation_id) for item in numbers] == [(3, "c-1"), (2, "c-1"), (1, "c-1")]
            credited = channel.stream_stream(attach.path)()
            await credited.write(attach.request(request={"number": 2}, credit=9).SerializeToString())
            assert [attach.reply.FromString(item).number async for item in credited] == [2, 1]
    finally:
        await server.stop(grace_s=0)
    await call(bridge, "cancel_run", {"run_id": wanted["run_id"]})


def test_it_is_started_and_followed_over_the_port(environment):
    wanted = counting(3)
    with owned(environment, "--no-worker", "--stdio", program=["-m", "tests.seams"]) as owner:
        tag, call_id, started = owner.answer("call", 1, "start_run", wanted, {})
        assert (tag, call_id, started["kind"], started["state"]) == ("ok", 1, "counting", "queued")
        owner.send("call", 2, "count_down", {"number": 3}, {"credit": 2, "correlation_id": "c-2"})
        first, second = owner.read(), owner.read()
        assert [(item[0], item[2]["number"], item[2]["correlation_id"]) for item in (first, second)] == [
            ("item", 3, "c-2"),
            ("item", 2, "c-2"),
        ]
        assert not owner.waits(0.3)  # without credit the next one is not asked for
        owner.send("credit", 2, 5)
        assert owner.read()[2]["number"] == 1
        assert owner.read()[:2] == ("ok", 2)
        assert owner.answer("call", 3, "cancel_run", {"run_id": wanted["run_id"]}, {})[0] == "ok"


def test_a_server_of_it_brings_a_worker_that_knows_it(environment):
    wanted = counting(3)
    with owned(environment, "--stdio", program=["-m", "tests.seams"]) as owner:
        assert owner.answer("call", 1, "start_run", wanted, {})[0] == "ok"
        owner.send("call", 2, "watch_run", {"run_id": wanted["run_id"]}, {"credit": 100})
        items = list(takewhile(lambda answer: answer[0] == "item", iter(owner.read, None)))
    assert items[-1][2]["metadata"]["state"] == "succeeded"


async def test_it_is_started_and_followed_over_graphql(bridge):
    wanted = counting(3)
    query = """mutation ($run: String!) {
        startRun(input: {pacId: "p", runId: $run, spec: {counting: {number: 3}}}) { kind state } }"""
    transport = httpx.ASGITransport(app=make_app(bridge))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/graphql", json={"query": query, "variables": {"run": wanted["run_id"]}})
    assert answer.json() == {"data": {"startRun": {"kind": "counting", "state": "queued"}}}
    await call(bridge, "cancel_run", {"run_id": wanted["run_id"]})
    followed = await make_schema(bridge.procedures).subscribe(
        "subscription { countDown(number: 2) { number principal } }", context_value=Context(bridge, TESTER)
    )
    assert [item.data["countDown"] async for item in followed] == [
        {"number": 2, "principal": "tester"},
        {"number": 1, "principal": "tester"},
    ]


def test_it_is_started_and_followed_at_the_command_line(environment):
    def ran(*arguments):
        command = [sys.executable, "-m", "tests.seams", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    ended = ran("counting", "3", "--pac", "p", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["stages_done"] == ["count", "say"]
    assert "Seconds to rest after each number." in ran("counting", "--help").stdout
    followed = ran("call", "count_down", '{"number": 2}')
    assert [json.loads(line)["number"] for line in followed.stdout.splitlines()] == [2, 1]


async def test_its_reading_stops_when_the_callers_time_is_over(bridge):
    late = Caller(principal=TESTER.principal, transport="test", deadline=monotonic() + 0.2)
    run = await call(bridge, "start_run", counting(1))
    with pytest.raises(DeadlineExceeded):
        async for _ in bridge.stream(late, "watch_run", {"run_id": run.run_id}):
            pass
    with pytest.raises(DeadlineExceeded):  # also where the stream has its items at hand and never waits
        async for _ in bridge.stream(late, "count_down", {"number": 2}):
            pass
    await call(bridge, "cancel_run", {"run_id": run.run_id})
