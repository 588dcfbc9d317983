"""Faults of the log: the reader of a service's stderr is killed, or hangs."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from random import Random

import httpx
import psutil
from uuid_utils import uuid7

from tests.faults.arena import MANIFEST, SMALL, Arena, Attack, arranged, promise, until

START = """mutation($run: String!, $manifest: String!, $budget: BudgetInput!) {
  startRun(input: {runId: $run, pacId: $run, spec: {nas: {manifest: $manifest, budget: $budget}}}) { state }
}"""

# An upper bound for an answer on a machine with more to do.
ANSWER_S = 15.0


def kill_reader(reading: int, _writing: int) -> int:
    os.close(reading)
    return -1


def hang_reader(reading: int, writing: int) -> int:
    """Fill the pipe; by a description of our own, so that the mode of the service's stays as it is."""
    own = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(own, b"\n")
    os.close(own)
    return reading


def lost_log(strike: Callable[[int, int], int]) -> Attack:
    """A service whose log nobody takes any more starts runs, works on them, and starts its killed worker again."""

    async def attack(arena: Arena, _dice: Random, *guards: str) -> str:
        reading, writing = os.pipe()
        address = f"127.0.0.1:{_free_port()}"
        settings = {"grpc_address": "127.0.0.1:0", "http_address": address, "log_level": "debug"}
        try:
            async with (
                arena.process("up", changes=guards, stderr=writing, **settings) as service,
                httpx.AsyncClient(base_url=f"http://{address}", timeout=ANSWER_S) as http,
            ):
                await arranged(partial(_ready, http), "the service is not ready")
                (worker,) = psutil.Process(service.pid).children()
                reading = strike(reading, writing)
                first = await _started(http)
                await arena.until_ended(first)
                worker.kill()
                await until(partial(_not_ready, http), "without its worker the service stays ready", 10.0)
                again_s = await until(partial(_ready, http), "the killed worker is not started again", 30.0)
                second = await _started(http)
                states = [(await arena.until_ended(run_id))["state"] for run_id in (first, second)]
                promise(states == ["succeeded"] * 2, f"the runs are {states}")
                page = (await http.get("/metrics")).text
                (lost,) = re.findall(r"^cerebros_log.*no_room.* (\S+)$", page, re.MULTILINE)
                return f"runs succeeded, killed worker back after {again_s:.1f} s, {lost} lines lost"
        finally:
            os.close(writing)
            if reading >= 0:
                os.close(reading)

    return attack


async def _ready(http: httpx.AsyncClient) -> bool:
    with suppress(httpx.TransportError):
        return (await http.get("/readyz")).status_code == 200
    return False


async def _not_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 503


async def _started(http: httpx.AsyncClient) -> str:
    """Start a run by the service.

    Raises:
        Broken: it answers with an error, or not at all.
    """
    run_id = f"run-{uuid7()}"
    variables = {"run": run_id, "manifest": MANIFEST, "budget": SMALL}
    try:
        answer = (await http.post("/graphql", json={"query": START, "variables": variables})).json()
    except httpx.TransportError as problem:
        promise(False, f"no answer: {type(problem).__name__}")
    promise("errors" not in answer, f"the answer is {answer.get('errors')}")
    return run_id


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
