"""Job processes of this machine: started when needed, one job at a time each, ended in every way a job can end.

Each process leads its own process group, so that killing it leaves nothing
behind, and is replaced by a fresh one after it died.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import msgspec

from bridge.jobs.executor import Executor, JobCrashed, JobLost, JobTimedOut, is_training
from bridge.jobs.work import CHECKPOINT_SIGNAL, LENGTH, Begun, Checkpoint, Job, Message
from bridge.parentage import parent_environment

# The last lines of a crashed process's stderr are its own account of why.
STDERR_TAIL_BYTES = 2000


class _Process:
    """One job process and its streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr = bytearray()
        self._drain = asyncio.create_task(self._read_stderr())
        self.kept = asyncio.Event()

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def send(self, job: Job) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe, see _start
        message = msgspec.msgpack.encode(job)
        try:
            stdin.write(LENGTH.pack(len(message)) + message)
            await stdin.drain()
        except ConnectionError:
            raise await self._account() from None

    async def read(self) -> Begun | Message:
        """The next message.

        Raises:
            JobLost, JobCrashed: the process has ended instead.
        """
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101
        try:
            head = await stdout.readexactly(LENGTH.size)
            body = await stdout.readexactly(LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._account() from None
        message: Begun | Message = msgspec.msgpack.decode(body, type=Begun | Message)
        return message

    def ask_for_checkpoint(self) -> None:
        self.kept.clear()
        with suppress(ProcessLookupError):
            self._process.send_signal(CHECKPOINT_SIGNAL)

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


class JobPool(Executor):
    """Up to `processes` jobs at the same time."""

    def __init__(self, processes: int, memory_bytes: int, timeout_s: float) -> None:
        self._free: list[_Process] = []
        self._training: set[_Process] = set()
        self._slots = asyncio.Semaphore(processes)
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s

    async def messages(self, job: Job) -> AsyncGenerator[Message, None]:
        async with self._process() as process:
            end = monotonic() + self._timeout_s
            await process.send(job)
            try:
                while isinstance(message := await self._read(process, end), Begun | Checkpoint):
                    if isinstance(message, Checkpoint):
                        yield message
                        process.kept.set()  # whoever comes back for the next message has kept this one
                    elif is_training(job):
                        self._training.add(process)
            finally:
                self._training.discard(process)
                process.kept.set()
        yield message  # the process is free again

    async def _read(self, process: _Process, end: float) -> Begun | Message:
        try:
            async with asyncio.timeout(end - monotonic()):
                return await process.read()
        except TimeoutError:
            raise JobTimedOut(f"the job took longer than {self._timeout_s:.0f} s and was killed") from None

    async def checkpoint_all(self, within_s: float) -> None:
        asked = tuple(self._training)
        for process in asked:
            process.ask_for_checkpoint()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for process in asked:
                    await process.kept.wait()

    async def close(self) -> None:
        while self._free:
            await self._free.pop().end()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[_Process]:
        async with self._slots:
            process = await self._take() or await self._start()
            answered = False
            try:
                yield process
                answered = process.alive
            finally:
                if answered:
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
