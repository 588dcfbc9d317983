"""A real server on a real database, called over a real channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from bridge.api.bridge import Bridge
from bridge.transports.grpc.codec import MESSAGE_BYTES
from bridge.transports.grpc.server import GrpcServer, start_grpc
from cerebros.errors import FailedPrecondition
from tests.calling import until
from tests.rpcs import RPCS, message

SERVICES = sorted({rpc.service for rpc in RPCS.values()})
SPACE = {"root": "r", "types": {"r": {"params": {"x": {"type": "choice", "options": [7, 8]}}}}}


@pytest.fixture(scope="module")
async def server(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[GrpcServer, Path]]:
    socket = tmp_path_factory.mktemp("grpc") / "bridge.sock"
    started = await start_grpc(bridge, address="127.0.0.1:0", socket_path=socket)
    yield started, socket
    await started.stop(grace_s=0.1)


@pytest.fixture
async def channel(server: tuple[GrpcServer, Path]) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server[0].port}") as opened:
        yield opened


async def ask(channel: grpc.aio.Channel, name: str, /, **fields: object):
    rpc = RPCS[name]
    return rpc.reply.FromString(await send(channel, rpc.path, message(name, **fields).SerializeToString()))


async def send(channel: grpc.aio.Channel, path: str, payload: bytes) -> bytes:
    return await channel.unary_unary(path)(payload)


def watch(channel: grpc.aio.Channel, **fields: object):
    rpc = RPCS["watch_run"]
    call = channel.unary_stream(rpc.path, response_deserializer=rpc.reply.FromString)
    return call(rpc.request(**fields).SerializeToString())


def metadata(error: grpc.aio.AioRpcError) -> dict[str, str]:
    return {key: value for key, value in error.trailing_metadata() if key.startswith("cerebros-")}


async def test_garbage_bytes_answer_invalid_argument(channel):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await send(channel, RPCS["get_run"].path, b"\xff" * 40)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cerebros.v1.GetRunRequest" in refused.value.details()


async def test_garbage_bytes_on_a_stream_answer_invalid_argument(channel):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_stream(RPCS["watch_run"].path)(b"\xff" * 40).read()

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_method_is_unimplemented(channel):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await send(channel, "/cerebros.v1.Runs/FlyToTheMoon", b"")

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("call", ["get_run", "watch_run"])
async def test_an_unknown_run_is_not_found_and_says_not_to_retry(channel, call):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (watch(channel, run_id="nobody").read() if call == "watch_run" else ask(channel, call, run_id="nobody"))

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert metadata(refused.value) == {"cerebros-error-class": "permanent", "cerebros-retryable": "false"}


async def test_an_error_is_rich_for_clients_that_read_rich_errors(channel):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel, "get_run", run_id="nobody")

    sent = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    status, info = status_pb2.Status.FromString(sent), error_details_pb2.ErrorInfo()
    assert (status.code, status.message) == (grpc.StatusCode.NOT_FOUND.value[0], refused.value.details())
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("NOT_FOUND", "cerebros.v1")
    assert dict(info.metadata) == {"class": "permanent", "retryable": "false"}


async def test_a_negative_budget_is_refused_by_name(channel, start):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel, "start_run", **start(budget={"trials": -1}))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "$.spec.budget.trials" in refused.value.details()
    assert metadata(refused.value)["cerebros-error-class"] == "validation"


async def test_an_error_longer_than_a_header_may_be_still_arrives(channel, start):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel, "start_run", **start(manifest="/" + "ü" * 4000))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(refused.value.details().encode()) <= MESSAGE_BYTES


async def test_a_reply_that_cannot_be_written_is_a_defect_that_keeps_its_words(channel, start, sql):
    request = start()
    await ask(channel, "start_run", **request)
    await ask(channel, "cancel_run", run_id=request["run_id"])
    sql.execute("""UPDATE events SET measurements = '"words"' WHERE run_id = %s""", (request["run_id"],))
    with pytest.raises(grpc.aio.AioRpcError) as stream:
        await watch(channel, run_id=request["run_id"]).read()

    study = {"study_id": request["run_id"], "space": SPACE, "objectives": [{"name": "words", "direction": "minimize"}]}
    await ask(channel, "create_study", **study)
    sql.execute("""UPDATE studies SET plan = plan || '{"seed": 1e20}' WHERE study_id = %s""", (study["study_id"],))
    try:
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await ask(channel, "list_studies")
    finally:
        sql.execute("DELETE FROM studies WHERE study_id = %s", (study["study_id"],))

    for refused, told in ((stream, "watch_run: AttributeError"), (unary, "list_studies: ValueError")):
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert refused.value.details() == f"{told}; this is a defect, please report it"


async def test_a_run_is_started_watched_and_cancelled(channel, start):
    request = start()
    started = await ask(channel, "start_run", **request)
    assert (started.state, started.kind, started.HasField("started_at")) == ("queued", "cycle", False)

    cancelled = await ask(channel, "cancel_run", run_id=request["run_id"], reason="a test ends it")
    assert (cancelled.state, cancelled.error.code) == ("cancelled", "CANCELLED")

    events = [event async for event in watch(channel, run_id=request["run_id"])]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.name for event in events] == ["cerebros.run.queued", "cerebros.run.stop"]
    later = [event.seq async for event in watch(channel, run_id=request["run_id"], after_seq=1)]
    assert later == [2]


async def test_a_watcher_that_leaves_is_forgotten(bridge, channel, start):
    request = start()
    await ask(channel, "start_run", **request)
    stream = watch(channel, run_id=request["run_id"])
    assert (await stream.read()).seq == 1
    assert request["run_id"] in bridge.deps.notices._waiting

    stream.cancel()

    await until(lambda: request["run_id"] not in bridge.deps.notices._waiting, within_s=5)
    await ask(channel, "cancel_run", run_id=request["run_id"])


async def test_the_unix_socket_serves_and_is_its_owners_alone(server):
    socket = server[1]
    assert socket.stat().st_mode & 0o777 == 0o600
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        assert (await ask(channel, "health")).status == "serving"


async def test_a_taken_address_is_refused_with_the_setting_to_change(bridge, server):
    with pytest.raises(FailedPrecondition, match="CEREBROS_GRPC_ADDRESS"):
        await start_grpc(bridge, address=f"127.0.0.1:{server[0].port}", socket_path=None)


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_health_is_serving(channel, service):
    stub = health_pb2_grpc.HealthStub(channel)

    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_service(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))

    answer = await call.read()

    assert {service.name for service in answer.list_services_response.service} >= set(SERVICES)


async def test_ten_thousand_calls_at_once_are_all_answered_in_bounded_memory(channel, start):
    # With gRPC's default of 3,000 pending calls the others answer CANCELLED.
    request = start()
    await ask(channel, "start_run", **request)
    before_bytes = psutil.Process().memory_info().rss
    calls = (ask(channel, "get_run", run_id=request["run_id"]) for _ in range(10_000))

    answers = await asyncio.gather(*calls, return_exceptions=True)

    # Client and server are this one process: 25 kB a call for both of them.
    assert psutil.Process().memory_info().rss - before_bytes < 250_000_000
    refusals = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
    assert refusals <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert any(not isinstance(answer, BaseException) for answer in answers)
    await ask(channel, "cancel_run", run_id=request["run_id"])
