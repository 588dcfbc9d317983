"""Counting, as a job process does it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bridge.jobs.child import CheckpointDue
from bridge.jobs.meter import Meter
from bridge.jobs.work import Checkpoint, Noted, note
from cerebros.metrics import NOTHING, PriceTable
from tests.seams.counting import Counted, CountJob, Tick


def count(job: CountJob, due: CheckpointDue) -> Iterator[Checkpoint | Noted | Counted]:
    """Count, keeping the number reached whenever that is due."""
    meter = Meter(PriceTable(usd_per_cpu_hour=3600.0, watts_per_cpu=10.0))
    before, begun = (job.resume.spent, job.resume.resource) if job.resume else (NOTHING, 0)
    due.start()
    for number in range(begun + 1, job.number + 1):
        sum(range(20_000))  # what a second of counting costs can be told
        time.sleep(job.pause_s)
        if number % 10 == 0:
            yield note(Tick(number))
        if due(job.checkpoint_s):
            yield Checkpoint(number, (), before + meter.read().spent, b"")
    yield Counted(begun + 1, job.number, before + meter.read().spent)
