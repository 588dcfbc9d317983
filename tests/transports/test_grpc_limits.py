"""Bounds of what comes in over gRPC (issue 11, kind 5), at the real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest

from bridge.api.bridge import STREAMS_AT_MOST, Bridge
from bridge.contract.operator import Health, HealthReport
from bridge.contract.procedure import Caller, Procedure
from bridge.operator.procedures import HEALTH
from bridge.runs.kinds import Deps
from bridge.transports.grpc import server as grpc_server
from bridge.transports.grpc.server import AT_WORK, MESSAGE_BYTES_AT_MOST, OPTIONS, start_grpc
from tests.calling import call, until
from tests.rpcs import RPCS, message

PATH = RPCS["health"].path


@pytest.fixture
async def port(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    short = {"grpc.server_handshake_timeout_ms": 500, "grpc.http2.settings_timeout": 500}
    monkeypatch.setattr(grpc_server, "OPTIONS", tuple((dict(OPTIONS) | short).items()))
    monkeypatch.setattr(grpc_server, "CONNECTIONS_AT_MOST", 20)
    started = await start_grpc(bridge, address="127.0.0.1:0", socket_path=None)
    yield started.port
    await started.stop(grace_s=0.1)


def channel_to(port: int) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


async def code_of(channel: grpc.aio.Channel, payload: bytes = b"", **options: object) -> grpc.StatusCode:
    try:
        await channel.unary_unary(PATH)(payload, **options)
    except grpc.aio.AioRpcError as refused:
        return refused.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("opening", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n"])
async def test_a_connection_that_does_not_begin_is_closed(port, opening):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening)
    while await reader.read(1000):
        pass
    writer.close()


async def test_connections_are_bounded_and_those_that_end_make_room(port):
    async with AsyncExitStack() as held:
        channels = [await held.enter_async_context(channel_to(port)) for _ in range(30)]
        codes = await asyncio.gather(*(code_of(channel, timeout=20) for channel in channels))
        assert codes.count(grpc.StatusCode.OK) == 20
        assert codes.count(grpc.StatusCode.UNAVAILABLE) == 10
    async with channel_to(port) as channel:
        assert await code_of(channel, wait_for_ready=True, timeout=60) is grpc.StatusCode.OK


async def test_a_client_with_more_calls_than_a_connection_may_have_waits_and_is_answered(port):
    async with channel_to(port) as channel:
        codes = await asyncio.gather(*(code_of(channel) for _ in range(3000)))
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert grpc.StatusCode.OK in codes


async def test_one_stream_too_many_is_told_so_and_calls_beside_it_are_answered(bridge, port, start):
    await call(bridge, "start_run", request := start())
    watch_run = message("watch_run", run_id=request["run_id"]).SerializeToString()
    async with channel_to(port) as channel:
        watching = [channel.unary_stream(RPCS["watch_run"].path)(watch_run) for _ in range(STREAMS_AT_MOST)]
        for stream in watching:
            await stream.read()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_stream(RPCS["watch_run"].path)(watch_run).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await code_of(channel, timeout=60) is grpc.StatusCode.OK
        for stream in watching:
            stream.cancel()
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


@pytest.mark.parametrize(
    ("size", "code"), [(4_000, "OK"), (20_000, "RESOURCE_EXHAUSTED"), (10**6, "RESOURCE_EXHAUSTED")]
)
async def test_metadata_is_bounded(port, size, code):
    async with channel_to(port) as channel:
        assert await code_of(channel, metadata=[("x-a", "v" * size)]) is grpc.StatusCode[code]
        assert await code_of(channel) is grpc.StatusCode.OK


async def test_a_request_that_is_too_large_is_refused(port):
    async with channel_to(port) as channel:
        assert await code_of(channel, b"x" * (MESSAGE_BYTES_AT_MOST + 1)) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_calls_of_one_connection_leave_turns_to_others(bridge):
    at_work: list[str | None] = []
    gate = asyncio.Event()

    async def healthy_after_the_gate(deps: Deps, caller: Caller, request: Health) -> HealthReport:
        at_work.append(caller.correlation_id)
        await gate.wait()
        return await HEALTH.run(deps, caller, request)

    async def ask(channel: grpc.aio.Channel, name: str) -> None:
        await channel.unary_unary(PATH)(b"", metadata=[("x-correlation-id", name)])

    held = Bridge.of(bridge.deps, [Procedure("health", Health, HealthReport, "service:read", healthy_after_the_gate)])
    server = await start_grpc(held, address="127.0.0.1:0", socket_path=None, rpcs=[RPCS["health"]])
    async with channel_to(server.port) as greedy, channel_to(server.port) as modest:
        crowd = [asyncio.create_task(ask(greedy, "greedy")) for _ in range(1000)]
        await until(lambda: len(at_work) >= AT_WORK)
        one = asyncio.create_task(ask(modest, "modest"))
        await until(lambda: "modest" in at_work)
        assert at_work == ["greedy"] * AT_WORK + ["modest"]
        gate.set()
        await asyncio.gather(one, *crowd)
    assert len(at_work) == 1001
    await server.stop(grace_s=0.1)


async def test_an_answer_that_is_too_large_says_so_and_whether_the_call_took_effect(bridge, monkeypatch, start):
    monkeypatch.setattr(grpc_server, "MESSAGE_BYTES_AT_MOST", 20)
    server = await start_grpc(bridge, address="127.0.0.1:0", socket_path=None)
    details = {}
    async with channel_to(server.port) as channel:
        for name, fields in (("start_run", start()), ("list_runs", {})):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(RPCS[name].path)(message(name, **fields).SerializeToString())
            details[name] = refused.value.details()
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await server.stop(grace_s=0.1)
    assert ["took effect" in details[name] for name in ("start_run", "list_runs")] == [True, False]
