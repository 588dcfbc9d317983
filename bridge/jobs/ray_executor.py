"""Jobs on a Ray cluster: each slot is an actor somewhere on it, with a job process of its own.

The actor starts the same job process as a worker does on its own machine, so
limits, outcomes and events are the same. Only bytes of our own messages
cross; the nodes have this package installed and see the datasets' paths.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable
from typing import Any

import msgspec
import ray
from ray.exceptions import AuthenticationError, ObjectLostError, RayActorError
from ray.job_config import JobConfig

from bridge.jobs.executor import NO_ANSWER, Executor, JobLost, Slot
from bridge.jobs.pool import JobProcess, start_process
from bridge.jobs.work import Assignment, Message
from cerebros.errors import FailedPrecondition, Unauthenticated, Unavailable

# What an actor answers with is a name with bytes: a message, or one of these with its account.
FAILURES = {failure.__name__: failure for failure in NO_ANSWER}

# A process connects once; slots that start together wait for the first of them.
_CONNECTING = threading.Lock()


class RayExecutor(Executor):
    """Up to `processes` jobs at the same time on the cluster at `address`, each with a core and `gpus` of its node."""

    def __init__(self, address: str, processes: int, memory_bytes: int, timeout_s: float, gpus: int = 0) -> None:
        if not address:
            raise FailedPrecondition("CEREBROS_EXECUTOR is ray; set CEREBROS_RAY_ADDRESS to the cluster's host:port")
        super().__init__(processes, lambda: asyncio.to_thread(_start, address, gpus, memory_bytes, timeout_s))


class JobHost:
    """The actor: a job process on whatever node Ray has put it."""

    def __init__(self, memory_bytes: int, timeout_s: float) -> None:
        self._limits = memory_bytes, timeout_s
        self._process: JobProcess | None = None

    async def begin(self, job: bytes) -> tuple[str, bytes]:
        if self._process is None:
            self._process = await start_process(*self._limits)
        return await _sent(self._process.begin(msgspec.msgpack.decode(job, type=Assignment)))

    async def read(self) -> tuple[str, bytes]:
        assert self._process is not None  # noqa: S101 - a job is read after it has begun
        return await _sent(self._process.read())

    async def ask_for_checkpoint(self) -> None:
        assert self._process is not None  # noqa: S101
        self._process.ask_for_checkpoint()


class _Actor(Slot):
    """Slot whose jobs run in an actor on the cluster."""

    def __init__(self, host: Any) -> None:
        self._host = host

    async def begin(self, job: Assignment) -> None:
        await _received(self._host.begin.remote(msgspec.msgpack.encode(job)))

    async def read(self) -> Message:
        message: Message = msgspec.msgpack.decode(await _received(self._host.read.remote()), type=Message)
        return message

    def ask_for_checkpoint(self) -> None:
        self._host.ask_for_checkpoint.remote()

    async def end(self) -> None:
        """Kill the actor; its job process dies with it."""
        ray.kill(self._host)


async def _sent(work: Awaitable[Message | None]) -> tuple[str, bytes]:
    try:
        return "message", msgspec.msgpack.encode(await work)
    except NO_ANSWER as problem:
        return type(problem).__name__, problem.message.encode()


async def _received(answer: Awaitable[tuple[str, bytes]]) -> bytes:
    try:
        name, content = await answer
    except (RayActorError, ObjectLostError) as problem:  # its node took the actor with it, or the answer
        raise JobLost(f"its Ray actor is gone: {problem}") from None
    if name in FAILURES:
        raise FAILURES[name](content.decode())
    return content


def _start(address: str, gpus: int, memory_bytes: int, timeout_s: float) -> _Actor:
    """Create an actor; blocks while Ray connects, and returns before Ray has placed it on a node.

    Raises:
        Unavailable, Unauthenticated: the cluster does not answer, or refuses the connection.
    """
    with _CONNECTING:
        if not ray.is_initialized():
            _connect(address)
    return _Actor(ray.remote(JobHost).options(num_cpus=1, num_gpus=gpus).remote(memory_bytes, timeout_s))


def _connect(address: str) -> None:
    try:
        ray.init(
            address,
            # As Ray's own clients have it: else Ray puts this process's working directory before all others of the
            # actors, and a `bridge.py` there would take the place of ours.
            job_config=JobConfig(_client_job=True),
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except AuthenticationError as problem:
        raise Unauthenticated(f"Ray at {address}: {problem}; set RAY_AUTH_TOKEN") from None
    except (ConnectionError, ValueError, RuntimeError) as problem:
        raise Unavailable(f"Ray at {address} does not answer: {problem}") from None
