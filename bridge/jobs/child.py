"""A job process: `python -m bridge.jobs.child`. Reads jobs on stdin, one at a time; sends checkpoints and answers.

It dies with its parent, keeps stdout to itself so that no library can print
into the protocol, and never handles an exception it does not understand:
it ends, and the parent records what the trial came to.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec

from bridge.jobs.work import (
    CHECKPOINT_SIGNAL,
    LENGTH,
    Begun,
    CheckJob,
    EmbedJob,
    ExportJob,
    GroupJob,
    Job,
    Message,
    Refused,
    RepeatJob,
    ScoreJob,
    TrainJob,
)
from bridge.process.parentage import die_with_parent
from cerebros.errors import CerebrosError


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which ends its jobs itself
    die_with_parent(signal.SIGKILL)
    _limit_memory(int(os.environ.get("CEREBROS_TRIAL_MEMORY_BYTES", "0")))
    requests, answers = _private_streams()
    trades = _trades(CheckpointDue())
    while (message := _read(requests)) is not None:
        job = msgspec.msgpack.decode(message, type=Job)
        _write(answers, Begun())
        for sent in _messages(trades[type(job)], job):
            _write(answers, sent)


class CheckpointDue:
    """Tells a training, after each epoch, whether its state is wanted now."""

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
        """A new training begins; what was asked while it was being made ready still holds."""
        self._last = time.monotonic()


def _messages(trade: Callable[[Any], Iterator[Message]], job: Job) -> Iterator[Message]:
    try:
        yield from trade(job)
    except CerebrosError as error:
        yield Refused(type(error).__name__, error.message)


def _trades(due: CheckpointDue) -> dict[type, Callable[[Any], Iterator[Message]]]:
    import torch

    from bridge.nas import jobs as training

    # One thread a process: two threads on busy cores cost many times the CPU of one.
    torch.set_num_threads(1)
    return {
        CheckJob: training.check,
        TrainJob: lambda job: training.train(job, due),
        GroupJob: training.train_group,
        ScoreJob: lambda job: training.score(job, due),
        RepeatJob: training.repeat,
        EmbedJob: training.embed,
        ExportJob: training.export,
    }


def _limit_memory(limit_bytes: int) -> None:
    # RLIMIT_DATA counts what is really written to; RLIMIT_AS would count torch's reservations.
    if limit_bytes and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


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


def _write(stream: BinaryIO, sent: Begun | Message) -> None:
    message = msgspec.msgpack.encode(sent)
    stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()


if __name__ == "__main__":
    main()
