"""Job processes: started when needed, one job at a time each, ended in every way a job can end.

Each process leads its own process group, so that killing it leaves nothing
behind, and is replaced by a fresh one after it died.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec

from bridge.jobs.work import LENGTH, Answer, Job, Refused
from bridge.parentage import parent_environment
from cerebros import errors
from cerebros.errors import CerebrosError, DeadlineExceeded, Internal

# The last lines of a crashed process's stderr are its own account of why.
STDERR_TAIL_BYTES = 2000

Expected = TypeVar("Expected", bound=msgspec.Struct)


class JobLost(Internal):
    """The process was killed from outside, or by the kernel, more than once."""


class JobCrashed(Internal):
    """The process ended itself with a defect; its account is the message."""


class JobTimedOut(DeadlineExceeded):
    """The job took longer than its limit and was killed."""


class _Process:
    """One running job process and its streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr = bytearray()
        self._drain = asyncio.create_task(self._read_stderr())

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def run(self, job: Job) -> Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes, see _start
        assert stdout is not None  # noqa: S101
        message = msgspec.msgpack.encode(job)
        try:
            stdin.write(LENGTH.pack(len(message)) + message)
            await stdin.drain()
            head = await stdout.readexactly(LENGTH.size)
            body = await stdout.readexactly(LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._account() from None
        answer: Answer = msgspec.msgpack.decode(body, type=Answer)
        return answer

    async def _account(self) -> JobLost | JobCrashed:
        status = await self._process.wait()
        await self._drain
        if status < 0:
            return JobLost(f"job process was killed by {signal.Signals(-status).name}")
        tail = self._stderr.decode(errors="replace").strip().splitlines()
        return JobCrashed(tail[-1] if tail else f"job process ended with status {status}")

    async def end(self) -> None:
        """Kill the process and its children; returns when it is gone."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._drain

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101
        while chunk := await stderr.read(4096):
            self._stderr = (self._stderr + chunk)[-STDERR_TAIL_BYTES:]


class JobPool:
    """Up to `processes` jobs at the same time."""

    def __init__(self, processes: int, memory_bytes: int, timeout_s: float) -> None:
        self._free: list[_Process] = []
        self._slots = asyncio.Semaphore(processes)
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s

    async def run(self, job: Job, expected: type[Expected]) -> Expected:
        """Run a job to its answer.

        Cancelling the caller kills the job.

        Raises:
            CerebrosError: the job refused, with its own typed error.
            JobLost, JobCrashed, JobTimedOut: there is no answer.
        """
        try:
            answer = await self._attempt(job)
        except JobLost:  # once may be chance; a job that is lost again is the reason itself
            answer = await self._attempt(job)
        if isinstance(answer, Refused):
            raise _error_named(answer.error)(answer.message)
        if not isinstance(answer, expected):
            raise Internal(f"a job process answered {type(answer).__name__} where {expected.__name__} was due")
        return answer

    async def _attempt(self, job: Job) -> Answer:
        async with self._process() as process:
            try:
                return await asyncio.wait_for(process.run(job), self._timeout_s)
            except TimeoutError:
                raise JobTimedOut(f"the job took longer than {self._timeout_s:.0f} s and was killed") from None

    async def close(self) -> None:
        """End all processes; jobs must have been awaited or cancelled before."""
        while self._free:
            await self._free.pop().end()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[_Process]:
        async with self._slots:
            process = await self._take() or await self._start()
            healthy = False
            try:
                yield process
                healthy = process.alive
            finally:
                if healthy:
                    self._free.append(process)
                else:
                    await asyncio.shield(process.end())

    async def _take(self) -> _Process | None:
        """A free process that is still alive."""
        while self._free:
            if (process := self._free.pop()).alive:
                return process
            await process.end()
        return None

    async def _start(self) -> _Process:
        environment = (
            os.environ
            | parent_environment()
            | {
                "OMP_NUM_THREADS": "1",
                "CEREBROS_TRIAL_MEMORY_BYTES": str(self._memory_bytes),
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            }
        )
        return _Process(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bridge.jobs.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env=environment,
                limit=2**20,
            )
        )


def _error_named(name: str) -> type[CerebrosError]:
    error = getattr(errors, name, Internal)
    return error if issubclass(error, CerebrosError) else Internal
