"""A job process: `python -m bridge.jobs.child`. Reads jobs on stdin, answers on stdout, one at a time.

It dies with its parent, keeps stdout to itself so that no library can print
into the protocol, and never handles an exception it does not understand:
it ends, and the parent records what the trial came to.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from bridge.jobs.work import LENGTH, Answer, CheckJob, EmbedJob, ExportJob, Job, Refused, ScoreJob, TrainJob
from bridge.parentage import die_with_parent
from cerebros.errors import CerebrosError


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which ends its jobs itself
    die_with_parent(signal.SIGKILL)
    _limit_memory(int(os.environ.get("CEREBROS_TRIAL_MEMORY_BYTES", "0")))
    requests, answers = _private_streams()
    trades = _trades()
    while (message := _read(requests)) is not None:
        job = msgspec.msgpack.decode(message, type=Job)
        _write(answers, _answer(trades[type(job)], job))


def _answer(trade: Callable[[Any], Answer], job: Job) -> Answer:
    try:
        return trade(job)
    except CerebrosError as error:
        return Refused(type(error).__name__, error.message)


def _trades() -> dict[type, Callable[[Any], Answer]]:
    import torch

    from bridge.jobs import training

    # One thread a process: two threads on busy cores cost many times the CPU of one.
    torch.set_num_threads(1)
    return {
        CheckJob: training.check,
        TrainJob: training.train,
        ScoreJob: training.score,
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


def _write(stream: BinaryIO, answer: Answer) -> None:
    message = msgspec.msgpack.encode(answer)
    stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()


if __name__ == "__main__":
    main()
