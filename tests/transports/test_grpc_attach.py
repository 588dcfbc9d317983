"""Streams with credit, and what frees a stream: its deadline, its client's leaving, its client's freezing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from bridge.api.bridge import Bridge
from bridge.pb.cerebros.v1 import runs_pb2
from bridge.transports.grpc.server import GrpcServer, start_grpc
from tests.calling import call, until
from tests.rpcs import ATTACH, RPCS

# A client that watches a run, says so, and then does nothing but be.
WATCHER = """
import sys, grpc
from bridge.pb.cerebros.v1 import runs_pb2
channel = grpc.insecure_channel(sys.argv[1])
watch = channel.unary_stream("/cerebros.v1.Runs/WatchRun")
for event in watch(runs_pb2.WatchRunRequest(run_id=sys.argv[2]).SerializeToString()):
    print(runs_pb2.RunEvent.FromString(event).seq, flush=True)
"""


@pytest.fixture(scope="module")
async def server(bridge: Bridge) -> AsyncIterator[GrpcServer]:
    started = await start_grpc(bridge, address="127.0.0.1:0", socket_path=None)
    yield started
    await started.stop(grace_s=0.1)


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
async def ended_run(bridge: Bridge, start) -> str:
    """A run with two events: queued, and ended."""
    request = start()
    await call(bridge, "start_run", request)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})
    return request["run_id"]


def attach(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall:
    method = channel.stream_stream(ATTACH.path, response_deserializer=runs_pb2.RunEvent.FromString)
    return method()


async def send(stream: grpc.aio.StreamStreamCall, credit: int, **request: object) -> None:
    await stream.write(runs_pb2.AttachRequest(request=request, credit=credit).SerializeToString())


async def refusal(stream: grpc.aio.StreamStreamCall) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream.read()
    return refused.value


async def forgotten(bridge: Bridge, run_id: str, within_s: float) -> float:
    """Seconds until nobody watches the run any more."""
    began = time.monotonic()
    await until(lambda: run_id not in bridge.deps.notices._waiting, within_s)
    return time.monotonic() - began


async def test_events_come_one_per_credit_and_the_end_with_the_next(channel, ended_run):
    stream = attach(channel)
    await send(stream, run_id=ended_run, credit=1)
    assert (await stream.read()).seq == 1

    second = asyncio.create_task(stream.read())
    await asyncio.sleep(0.2)
    assert not second.done()

    await send(stream, credit=1)
    assert (await second).seq == 2
    await send(stream, credit=1)
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_stream_takes_up_behind_a_number(channel, ended_run):
    stream = attach(channel)
    await send(stream, run_id=ended_run, after_seq=1, credit=9)

    assert [event.seq async for event in stream] == [2]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "before it began"),
        ([{"run_id": "r", "credit": -1}], "negative"),
        ([{"run_id": "", "credit": 1}], "run_id"),
    ],
)
async def test_a_crooked_attach_is_refused(channel, messages, words):
    stream = attach(channel)
    for message in messages:
        await send(stream, **message)
    await stream.done_writing()

    error = await refusal(stream)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in error.details()


async def test_a_later_message_that_is_garbage_ends_the_stream(channel, bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    stream = attach(channel)
    await send(stream, run_id=request["run_id"], credit=1)
    assert (await stream.read()).seq == 1

    await stream.write(b"\xff" * 20)

    assert (await refusal(stream)).code() is grpc.StatusCode.INVALID_ARGUMENT
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_client_that_stops_granting_for_good_is_told_so(channel, ended_run):
    stream = attach(channel)
    await send(stream, run_id=ended_run, credit=1)
    assert (await stream.read()).seq == 1

    await stream.done_writing()

    assert "no credit is left" in (await refusal(stream)).details()


async def test_an_unknown_run_is_not_found(channel):
    stream = attach(channel)
    await send(stream, run_id="nobody", credit=1)

    assert (await refusal(stream)).code() is grpc.StatusCode.NOT_FOUND


async def test_a_client_that_leaves_is_forgotten(channel, bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    stream = attach(channel)
    await send(stream, run_id=request["run_id"], credit=9)
    assert (await stream.read()).seq == 1
    assert request["run_id"] in bridge.deps.notices._waiting

    stream.cancel()

    await forgotten(bridge, request["run_id"], within_s=5)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_deadline_ends_the_call_on_both_sides(channel, bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    rpc = RPCS["watch_run"]
    payload = rpc.request(run_id=request["run_id"]).SerializeToString()

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in channel.unary_stream(rpc.path)(payload, timeout=0.3):
            assert request["run_id"] in bridge.deps.notices._waiting

    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await forgotten(bridge, request["run_id"], within_s=1)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_frozen_clients_stream_is_freed_within_five_seconds(server, bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    run_id = request["run_id"]
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WATCHER, f"127.0.0.1:{server.port}", run_id, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert client.stdout is not None
        assert await client.stdout.readline() == b"1\n"
        assert run_id in bridge.deps.notices._waiting

        os.kill(client.pid, signal.SIGSTOP)

        took_s = await forgotten(bridge, run_id, within_s=10)
        assert took_s <= 5
    finally:
        client.kill()
        await client.wait()
    await call(bridge, "cancel_run", {"run_id": run_id})


async def test_a_quiet_client_that_lives_is_kept(channel, bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    stream = attach(channel)
    await send(stream, run_id=request["run_id"], credit=9)
    assert (await stream.read()).seq == 1

    # Three pings long nothing happens.
    await asyncio.sleep(7)

    await call(bridge, "cancel_run", {"run_id": request["run_id"]})
    assert (await stream.read()).seq == 2
