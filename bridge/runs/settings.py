"""Settings of runs: their queue, their worker's lease, checkpoints, draining, and how long events are kept."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.contract.words import Queue
from bridge.process.settings import Positive


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    queue: Annotated[Queue, Meta(description="Queue that this machine's worker takes runs from: `cpu` or `gpu`.")] = (
        "cpu"
    )
    queued_at_most: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Runs that may wait in a queue; more are refused.")
    ] = 10_000
    lease_s: Annotated[Positive, Meta(description="Seconds after which a silent worker has lost its run.")] = 15.0
    checkpoint_s: Annotated[Positive, Meta(description="Seconds between two checkpoints of a long training.")] = 10.0
    drain_s: Annotated[
        Positive, Meta(description="Seconds that SIGTERM leaves trainings to write a checkpoint, and calls to end.")
    ] = 8.0
    events_kept_days: Annotated[
        Positive, Meta(description="Days after a run's end until its events are deleted, all but the last.")
    ] = 30.0
