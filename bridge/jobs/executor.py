"""Executor of jobs: a limited number of slots, on this machine or on others, all under the same rules."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from bridge.jobs.work import Answer, Answered, Assignment, Checkpoint, Job, JobType, Message, Noted, Refused
from cerebros import errors
from cerebros.errors import CerebrosError, DeadlineExceeded, Internal, OutOfMemory

Keep = Callable[[Checkpoint], Awaitable[None]]
Hear = Callable[[Any], Awaitable[None]]
Take = Callable[[Checkpoint | Noted], Awaitable[None]]


class JobLost(Internal):
    """The process was killed from outside, or by the kernel, more than once."""


class JobCrashed(Internal):
    """The process ended itself with a defect; its account is the message."""


class JobTimedOut(DeadlineExceeded):
    """The job took longer than its limit and was killed."""


# What a job raises that ended without an answer.
NO_ANSWER = (JobLost, JobCrashed, JobTimedOut, OutOfMemory)


class Slot(ABC):
    """Does one job after another, wherever it is.

    `begin` and `read` raise one of `NO_ANSWER` where none will come; then the
    slot can only be ended.
    """

    @abstractmethod
    async def begin(self, job: Assignment) -> None:
        """Give it a job; returns when the job has begun, and only then may be asked for a checkpoint."""

    @abstractmethod
    async def read(self) -> Message:
        """The job's next checkpoint or note or, last, its answer or refusal."""

    @abstractmethod
    def ask_for_checkpoint(self) -> None:
        """Have the training send its state at the end of its epoch."""

    @abstractmethod
    async def end(self) -> None:
        """Kill what works here."""


class Executor:
    """Runs jobs in up to `slots` slots at the same time.

    A slot that has answered is free for the next job. After anything else,
    a cancel too, it is ended, and the next job has a fresh one from `start`.
    """

    def __init__(self, slots: int, start: Callable[[], Awaitable[Slot]]) -> None:
        self._places = asyncio.Semaphore(slots)
        self._start = start
        self._free: list[Slot] = []
        # Where a training has begun, and whether the checkpoint that was asked of it has been kept.
        self._training: dict[Slot, asyncio.Event] = {}

    async def run(
        self, kind: JobType[Job, Answer], job: Job, *, keep: Keep | None = None, hear: Hear | None = None
    ) -> Answer:
        """Run a job to its answer; `keep` gets each checkpoint on the way, `hear` each note.

        Cancelling the caller kills the job.

        Raises:
            CerebrosError: the job refused, with its own typed error.
            JobLost, JobCrashed, JobTimedOut, OutOfMemory: there is no answer.
        """
        newest: Checkpoint | None = None

        async def taken(message: Checkpoint | Noted) -> None:
            nonlocal newest
            if isinstance(message, Checkpoint):
                if keep is not None:
                    await keep(message)
                newest = message
            elif hear is not None and kind.note is not None:
                await hear(msgspec.msgpack.decode(message.note, type=kind.note))

        try:
            answer = await self._answer(kind.assign(job), taken)
        except JobLost:  # once may be chance; a job that is lost again is the reason itself
            if newest is not None:
                job = msgspec.structs.replace(job, resume=newest)
            answer = await self._answer(kind.assign(job), taken)
        if isinstance(answer, Refused):
            raise _error_named(answer.error)(answer.message)
        return msgspec.msgpack.decode(answer.answer, type=kind.answer)

    async def checkpoint_all(self, within_s: float) -> None:
        """Ask every training for its state; returns when all are kept, or the time is over."""
        asked = tuple(self._training.items())
        for slot, kept in asked:
            kept.clear()
            slot.ask_for_checkpoint()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for _, kept in asked:
                    await kept.wait()

    async def close(self) -> None:
        """End all slots; jobs must have been awaited or cancelled before."""
        while self._free:
            await self._free.pop().end()

    async def _answer(self, job: Assignment, take: Take) -> Answered | Refused:
        async with self._places:
            slot = await self._begin(job)
            async with _ended_on_failure(slot):
                answer = await self._read(slot, job, take)
            self._free.append(slot)
            return answer

    async def _read(self, slot: Slot, job: Assignment, take: Take) -> Answered | Refused:
        kept = asyncio.Event()
        if job.resumable:  # the others have no state to ask for
            self._training[slot] = kept
        try:
            while isinstance(message := await slot.read(), Checkpoint | Noted):
                await take(message)
                if isinstance(message, Checkpoint):
                    kept.set()
            return message
        finally:
            self._training.pop(slot, None)
            kept.set()

    async def _begin(self, job: Assignment) -> Slot:
        while self._free:
            # One that died while it was free says nothing about this job, which keeps its second chance.
            with suppress(JobLost, JobCrashed):
                return await _begin_in(self._free.pop(), job)
        return await _begin_in(await self._start(), job)


async def _begin_in(slot: Slot, job: Assignment) -> Slot:
    async with _ended_on_failure(slot):
        await slot.begin(job)
    return slot


@asynccontextmanager
async def _ended_on_failure(slot: Slot) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:  # a cancel is one of them
        await asyncio.shield(slot.end())
        raise


def _error_named(name: str) -> type[CerebrosError]:
    error = getattr(errors, name, Internal)
    return error if issubclass(error, CerebrosError) else Internal
