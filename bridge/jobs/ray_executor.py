"""Jobs on a Ray cluster: each slot is an actor somewhere on it, with a job process of its own.

The actor starts the same job process as a worker does on its own machine, so
limits, outcomes and events are the same. Only bytes of our own messages
cross; the nodes have this package installed and see the datasets' paths.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import msgspec
import ray
from ray.exceptions import AuthenticationError, RayActorError

from bridge.jobs.executor import Executor, JobCrashed, JobLost, JobTimedOut, is_training
from bridge.jobs.pool import JobPool
from bridge.jobs.work import Checkpoint, Job, Message
from cerebros.errors import FailedPrecondition, Unauthenticated, Unavailable

FAILURES: dict[str, type[JobLost | JobCrashed | JobTimedOut]] = {
    failure.__name__: failure for failure in (JobLost, JobCrashed, JobTimedOut)
}

# A process connects once; slots that start together wait for the first of them.
_CONNECTING = threading.Lock()


class JobHost:
    """One slot, on whatever node Ray has put it. What it sends is a name with bytes: a message, or a failure."""

    def __init__(self, memory_bytes: int, timeout_s: float) -> None:
        self._pool = JobPool(1, memory_bytes, timeout_s)

    async def messages(self, job: bytes) -> AsyncGenerator[tuple[str, bytes], None]:
        try:
            async for message in self._pool.messages(msgspec.msgpack.decode(job, type=Job)):
                yield "message", msgspec.msgpack.encode(message)
        except (JobLost, JobCrashed, JobTimedOut) as problem:
            yield type(problem).__name__, problem.message.encode()

    async def checkpoint_all(self, within_s: float) -> None:
        await self._pool.checkpoint_all(within_s)


class _Slot:
    """A host, and whether the checkpoint that was asked of it has been kept here."""

    def __init__(self, host: Any) -> None:
        self.host = host
        self.kept = asyncio.Event()


class RayExecutor(Executor):
    """Up to `processes` jobs at the same time on the cluster at `address`, each with a core and `gpus` of its node."""

    def __init__(self, address: str, processes: int, memory_bytes: int, timeout_s: float, gpus: int = 0) -> None:
        if not address:
            raise FailedPrecondition("CEREBROS_EXECUTOR is ray; set CEREBROS_RAY_ADDRESS to the cluster's host:port")
        self._address = address
        self._limits = memory_bytes, timeout_s
        self._gpus = gpus
        self._slots = asyncio.Semaphore(processes)
        self._free: list[_Slot] = []
        self._training: set[_Slot] = set()

    async def messages(self, job: Job) -> AsyncGenerator[Message, None]:
        async with self._slots:
            slot = self._free.pop() if self._free else await asyncio.to_thread(self._start)
            if is_training(job):
                self._training.add(slot)
            answered = False
            try:
                async for reference in slot.host.messages.remote(msgspec.msgpack.encode(job)):
                    message = _received(*await reference)
                    if not isinstance(message, Checkpoint):
                        answered = True
                        break
                    yield message
                    slot.kept.set()
            except RayActorError as problem:
                raise JobLost(f"its Ray actor is gone: {problem}") from None
            finally:
                self._training.discard(slot)
                slot.kept.set()
                if answered:
                    self._free.append(slot)
                else:  # its job process dies with it
                    ray.kill(slot.host)
        if answered:
            yield message

    async def checkpoint_all(self, within_s: float) -> None:
        asked = tuple(self._training)
        for slot in asked:
            slot.kept.clear()
            slot.host.checkpoint_all.remote(within_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for slot in asked:
                    await slot.kept.wait()

    async def close(self) -> None:
        while self._free:
            ray.kill(self._free.pop().host)

    def _start(self) -> _Slot:
        """A fresh host; blocks while Ray finds it a place.

        Raises:
            Unavailable, Unauthenticated: the cluster does not answer, or does not want us.
        """
        with _CONNECTING:
            if not ray.is_initialized():
                self._connect()
        host = ray.remote(JobHost).options(num_cpus=1, num_gpus=self._gpus).remote(*self._limits)
        return _Slot(host)

    def _connect(self) -> None:
        try:
            ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except AuthenticationError as problem:
            raise Unauthenticated(f"Ray at {self._address}: {problem}; set RAY_AUTH_TOKEN") from None
        except (ConnectionError, ValueError, RuntimeError) as problem:
            raise Unavailable(f"Ray at {self._address} does not answer: {problem}") from None


def _received(name: str, content: bytes) -> Message:
    if name in FAILURES:
        raise FAILURES[name](content.decode())
    message: Message = msgspec.msgpack.decode(content, type=Message)
    return message
