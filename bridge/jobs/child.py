"""A job process: `python -m bridge.jobs.child`. Reads jobs on stdin, one at a time; sends checkpoints and answers.

It dies with its parent, keeps stdout to itself so that no library can print
into the protocol, and never handles an exception it does not understand:
it ends, and the parent records what the trial came to.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
from threadpoolctl import threadpool_limits

from bridge.jobs.memory import account, limit_bytes, limit_memory, ran_out
from bridge.jobs.work import (
    CHECKPOINT_SIGNAL,
    LENGTH,
    MEMORY_VARIABLE,
    Answered,
    Assignment,
    Begun,
    Checkpoint,
    Message,
    Noted,
    Refused,
    sent,
)
from bridge.process.parentage import die_with_parent
from cerebros.errors import CerebrosError, OutOfMemory


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which ends its jobs itself
    die_with_parent(signal.SIGKILL)
    usual_memory_bytes = int(os.environ.get(MEMORY_VARIABLE, "0"))
    requests, answers = _private_streams()
    due = CheckpointDue()
    while (message := _read(requests)) is not None:
        assignment = msgspec.msgpack.decode(message, type=Assignment)
        limit_memory(assignment.memory_bytes or usual_memory_bytes)
        _write(answers, Begun())
        for said in _messages(assignment, due):
            _write(answers, said)


class CheckpointDue:
    """Function that tells a training, after each epoch, whether a checkpoint is due."""

    def __init__(self) -> None:
        self._asked = False
        self._last = time.monotonic()
        signal.signal(CHECKPOINT_SIGNAL, lambda *_: setattr(self, "_asked", True))

    def __call__(self, every_s: float) -> bool:
        now = time.monotonic()
        if not self._asked and now - self._last < every_s:
            return False
        self._asked, self._last = False, now
        return True

    def start(self) -> None:
        """Begin a new training; a checkpoint that was asked for while it was being prepared is still due."""
        self._last = time.monotonic()


def _messages(assignment: Assignment, due: CheckpointDue) -> Iterator[Message]:
    try:
        os.environ["OMP_NUM_THREADS"] = str(assignment.threads)  # read by libraries that the work loads from here on
        work = _named(assignment.work)
        _limit_threads(assignment.threads)
        job = msgspec.msgpack.decode(assignment.job, type=_named(assignment.job_type))
        if assignment.resumable:
            yield from _until_answered(map(sent, work(job, due)), assignment.work)
        else:
            yield sent(work(job))
    except CerebrosError as error:
        yield Refused(type(error).__name__, error.message)
    except (MemoryError, RuntimeError, ImportError, OSError) as problem:
        if not ran_out(problem):
            raise
        yield Refused(OutOfMemory.__name__, account(str(problem), limit_bytes()))


def _until_answered(messages: Iterator[Checkpoint | Noted | Answered], work: str) -> Iterator[Message]:
    """Yield up to the answer: what follows it would be taken for the next job's."""
    for message in messages:
        yield message
        if isinstance(message, Answered):
            return
    raise RuntimeError(f"{work} ended without an answer")


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _limit_threads(threads: int) -> None:
    # What is loaded already has read the variable; torch has a number of its own.
    threadpool_limits(threads)
    if (torch := sys.modules.get("torch")) is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    return requests, answers


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return stream.read(LENGTH.unpack(head)[0])


def _write(stream: BinaryIO, said: Begun | Message) -> None:
    message = msgspec.msgpack.encode(said)
    stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()


if __name__ == "__main__":
    main()
