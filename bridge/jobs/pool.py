"""Job processes of this machine: each is started when needed, does one job at a time, and may end in any way.

Each process leads its own process group, so that killing it leaves nothing
behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TypeVar

import msgspec

from bridge.jobs.executor import Executor, JobCrashed, JobLost, JobTimedOut, Slot
from bridge.jobs.memory import account, in_words, tells_of_it
from bridge.jobs.work import CHECKPOINT_SIGNAL, LENGTH, MEMORY_VARIABLE, Assignment, Begun, Message
from bridge.process.parentage import child_environment, module_command
from cerebros.errors import OutOfMemory

# The last lines of a crashed process's stderr are its own account of why.
STDERR_TAIL_BYTES = 2000

Done = TypeVar("Done")


class JobPool(Executor):
    """Up to `processes` jobs at the same time on this machine."""

    def __init__(self, processes: int, memory_bytes: int, timeout_s: float) -> None:
        super().__init__(processes, partial(start_process, memory_bytes, timeout_s))


class JobProcess(Slot):
    """One job process and its streams; each job in it may take `timeout_s` seconds."""

    def __init__(self, process: asyncio.subprocess.Process, memory_bytes: int, timeout_s: float) -> None:
        self._process = process
        self._memory_bytes = self._may_have_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._limit_s = timeout_s
        self._end = 0.0
        self._stderr = bytearray()
        self._drain = asyncio.create_task(self._read_stderr())

    async def begin(self, job: Assignment) -> None:
        self._limit_s = job.timeout_s or self._timeout_s
        self._may_have_bytes = job.memory_bytes or self._memory_bytes
        self._end = monotonic() + self._limit_s
        self._stderr.clear()  # the last words of the job before are not this one's
        await self._in_time(self._send(msgspec.msgpack.encode(job)))
        begun = await self._in_time(self._receive())  # before it the signal for a checkpoint would kill
        try:
            msgspec.msgpack.decode(begun, type=Begun)
        except msgspec.ValidationError:
            raise JobCrashed("the job process spoke of the job before; its work yields after its answer") from None

    async def read(self) -> Message:
        message: Message = msgspec.msgpack.decode(await self._in_time(self._receive()), type=Message)
        return message

    def ask_for_checkpoint(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(CHECKPOINT_SIGNAL)

    async def end(self) -> None:
        """Kill the process and its children; returns when it is gone."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._drain

    async def _in_time(self, work: Awaitable[Done]) -> Done:
        try:
            async with asyncio.timeout(self._end - monotonic()):
                return await work
        except TimeoutError:
            raise JobTimedOut(
                f"the job took longer than {self._limit_s:.0f} s and was killed;"
                " raise CEREBROS_TRIAL_TIMEOUT_S or give it less to do"
            ) from None

    async def _send(self, message: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe, see start_process
        with suppress(ConnectionError):  # it has ended, and what is received next says how
            if not stdin.is_closing():  # the event loop of a Ray actor would raise RuntimeError
                stdin.write(LENGTH.pack(len(message)) + message)
                await stdin.drain()

    async def _receive(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101
        try:
            head = await stdout.readexactly(LENGTH.size)
            return await stdout.readexactly(LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._account() from None

    async def _account(self) -> JobLost | JobCrashed | OutOfMemory:
        status = await self._process.wait()
        await self._drain
        tail = self._stderr.decode(errors="replace").strip().splitlines()
        if (words := next(filter(tells_of_it, reversed(tail)), None)) is not None:
            return OutOfMemory(account(words, self._may_have_bytes))
        if status < 0:
            killer = signal.Signals(-status)
            advice = _often_memory(self._may_have_bytes) if killer == signal.SIGKILL else ""
            return JobLost(f"job process was killed by {killer.name}{advice}")
        return JobCrashed(tail[-1] if tail else f"job process ended with status {status}")

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101
        while chunk := await stderr.read(4096):
            self._stderr = (self._stderr + chunk)[-STDERR_TAIL_BYTES:]


def _often_memory(memory_bytes: int) -> str:
    # Each process may take so much, so together they can take more than the machine has.
    return (
        "; often by the kernel, which is out of memory: lower CEREBROS_TRIAL_PROCESSES, or lower"
        f" {MEMORY_VARIABLE}, which is {in_words(memory_bytes)}, so that a trial that wants more ends as oom"
    )


async def start_process(memory_bytes: int, timeout_s: float) -> JobProcess:
    """Start a job process with a limit of memory, and of seconds for each job."""
    environment = child_environment(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    process = await asyncio.create_subprocess_exec(
        *module_command("bridge.jobs.child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=environment | {MEMORY_VARIABLE: str(memory_bytes)},
        limit=2**20,
    )
    return JobProcess(process, memory_bytes, timeout_s)
