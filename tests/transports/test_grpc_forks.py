"""Processes started beside a busy gRPC server, on the event loop that serves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import grpc
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

ROOT = Path(__file__).parents[2]

CHILDREN = 400

# A fresh process that loads our transport before gRPC, as every process of ours does: gRPC decides when it is loaded.
SERVING = "import bridge.transports.grpc.server; from tests.transports.test_grpc_forks import serve; print(serve())"


async def call_without_end(port: int) -> None:
    while True:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())


async def statuses_of_children(children: int, at_once: int) -> Counter[int]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health_aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    callers = [asyncio.create_task(call_without_end(port)) for _ in range(4)]
    statuses: Counter[int] = Counter()
    for _ in range(0, children, at_once):
        started = [await asyncio.create_subprocess_exec("true") for _ in range(at_once)]
        statuses.update([await child.wait() for child in started])
    for caller in callers:
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
    await server.stop(None)
    return statuses


def serve() -> Counter[int]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(statuses_of_children(CHILDREN, at_once=4))


def test_no_child_process_crashes_in_grpcs_handlers_of_fork():
    # One in ten did, and a job that lost two processes in a row was answered INTERNAL.
    serving = [sys.executable, "-c", SERVING]
    served = subprocess.run(serving, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert served.stdout == f"Counter({{0: {CHILDREN}}})\n", served.stderr
