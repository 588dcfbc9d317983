"""The job that turns a task's text into a capability embedding."""

from __future__ import annotations

import msgspec

from bridge.jobs.work import JobType


class EmbedJob(msgspec.Struct, frozen=True):
    text: str


class Embedded(msgspec.Struct, frozen=True):
    """A unit vector of 384 numbers."""

    vector: tuple[float, ...]


EMBED = JobType(EmbedJob, Embedded, "bridge.capability.jobs:embed")
