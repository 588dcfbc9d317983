"""Jobs, their types, and the msgpack messages that a job process exchanges on its standard streams.

A room registers a job type as a `JobType` value: the struct of
the job, the struct of its answer, and the import path of the function that
does the work, so that only the job process imports that function.
"""

from __future__ import annotations

import signal
import struct
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from cerebros.metrics import Spent

# Each message is preceded by its length, 4 bytes, big endian.
LENGTH = struct.Struct(">I")

# The variable by which a process hears of the operator's limit; a job type may have one of its own.
MEMORY_VARIABLE = "CEREBROS_TRIAL_MEMORY_BYTES"

# Asks a job process for a checkpoint at the end of its epoch.
CHECKPOINT_SIGNAL = signal.SIGUSR1

Job = TypeVar("Job", bound=msgspec.Struct)
Answer = TypeVar("Answer", bound=msgspec.Struct)


@dataclass(frozen=True)
class JobType(Generic[Job, Answer]):
    """Type of a job: its messages, its work and its limits.

    Attributes:
        job: struct of the job.
        answer: struct of its answer.
        work: `module:function`, imported in the job process only. The function takes the job and
            returns the answer. That of a resumable type takes the job and a `CheckpointDue`, and yields
            checkpoints and then the answer.
        threads: number of threads for arithmetic. Two on busy cores cost many times the CPU of one; a slot on Ray
            has one core.
        memory_bytes, timeout_s: limits of its own; None for the operator's.
        resumable: the job has the fields `resume` and `checkpoint_s`, and goes on from a checkpoint.
        note: message that a resumable job may also yield, for whoever follows it.
    """

    job: type[Job]
    answer: type[Answer]
    work: str
    threads: int = 1
    memory_bytes: int | None = None
    timeout_s: float | None = None
    resumable: bool = False
    note: type[msgspec.Struct] | None = None

    def assign(self, job: Job) -> Assignment:
        """Describe one job completely, so that a process without a list of job types can do it."""
        return Assignment(
            work=self.work,
            job_type=f"{self.job.__module__}:{self.job.__qualname__}",
            threads=self.threads,
            memory_bytes=self.memory_bytes,
            timeout_s=self.timeout_s,
            resumable=self.resumable,
            job=msgspec.Raw(msgspec.msgpack.encode(job)),
        )


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One job as its process gets it; the two paths are `module:name`."""

    work: str
    job_type: str
    threads: int
    memory_bytes: int | None
    timeout_s: float | None
    resumable: bool
    job: msgspec.Raw


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The process has taken the job and handles `CHECKPOINT_SIGNAL`; before, that signal would kill it."""


class Checkpoint(msgspec.Struct, frozen=True, tag="checkpoint"):
    """State of a training after `resource` epochs or steps, with its validation losses and costs so far."""

    resource: int
    curve: tuple[float, ...]
    spent: Spent
    state: bytes


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """Message that a job sends before its answer; the type is the job type's `note`."""

    note: msgspec.Raw


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """Answer that ends a job; the type is the job type's `answer`."""

    answer: msgspec.Raw


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Typed error of a job, raised again where the job was asked for."""

    error: str
    message: str


# A job is followed by any number of checkpoints and notes, then by one answer or refusal. Its process says before
# them that it has begun.
Message = Checkpoint | Noted | Answered | Refused


def sent(message: Any) -> Checkpoint | Noted | Answered:
    """Wrap a value that a resumable job yields: it is the answer unless it is a checkpoint or a note already."""
    if isinstance(message, Checkpoint | Noted):
        return message
    return Answered(msgspec.Raw(msgspec.msgpack.encode(message)))


def note(value: msgspec.Struct) -> Noted:
    """Wrap a message that a job sends before its answer."""
    return Noted(msgspec.Raw(msgspec.msgpack.encode(value)))
