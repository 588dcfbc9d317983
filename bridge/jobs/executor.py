"""Where jobs run: what every executor gives its callers, on this machine or on others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec

from bridge.jobs.work import Answer, Checkpoint, Job, Message, Refused, ScoreJob, TrainJob
from cerebros import errors
from cerebros.errors import CerebrosError, DeadlineExceeded, Internal

Expected = TypeVar("Expected", bound=msgspec.Struct)


class JobLost(Internal):
    """The process was killed from outside, or by the kernel, more than once."""


class JobCrashed(Internal):
    """The process ended itself with a defect; its account is the message."""


class JobTimedOut(DeadlineExceeded):
    """The job took longer than its limit and was killed."""


class Executor(ABC):
    """Runs jobs in processes of their own, a limited number at the same time."""

    @abstractmethod
    def messages(self, job: Job) -> AsyncGenerator[Message, None]:
        """The job's checkpoints and, last, its answer; closing the generator kills the job.

        Raises:
            JobLost, JobCrashed, JobTimedOut: there is no answer.
        """

    @abstractmethod
    async def checkpoint_all(self, within_s: float) -> None:
        """Ask every training for its state; returns when all are kept, or the time is over."""

    @abstractmethod
    async def close(self) -> None:
        """End all processes; jobs must have been awaited or cancelled before."""

    async def run(
        self,
        job: Job,
        expected: type[Expected],
        keep: Callable[[Checkpoint], Awaitable[None]] | None = None,
    ) -> Expected:
        """Run a job to its answer; `keep` gets each checkpoint on the way.

        Cancelling the caller kills the job.

        Raises:
            CerebrosError: the job refused, with its own typed error.
            JobLost, JobCrashed, JobTimedOut: there is no answer.
        """
        newest: Checkpoint | None = None

        async def noted(checkpoint: Checkpoint) -> None:
            nonlocal newest
            if keep is not None:
                await keep(checkpoint)
            newest = checkpoint

        try:
            answer = await self._answer(job, noted)
        except JobLost:  # once may be chance; a job that is lost again is the reason itself
            if newest is not None:
                job = msgspec.structs.replace(job, resume=newest)
            answer = await self._answer(job, noted)
        if isinstance(answer, Refused):
            raise _error_named(answer.error)(answer.message)
        if not isinstance(answer, expected):
            raise Internal(f"a job answered {type(answer).__name__} where {expected.__name__} was due")
        return answer

    async def _answer(self, job: Job, keep: Callable[[Checkpoint], Awaitable[None]]) -> Answer:
        async with aclosing(self.messages(job)) as messages:
            async for message in messages:
                if not isinstance(message, Checkpoint):
                    return message
                await keep(message)
        raise JobLost("the job ended without an answer")


def is_training(job: Job) -> bool:
    """Whether the job can be asked for a checkpoint."""
    return isinstance(job, TrainJob | ScoreJob)


def _error_named(name: str) -> type[CerebrosError]:
    error = getattr(errors, name, Internal)
    return error if issubclass(error, CerebrosError) else Internal
