"""The job that reads and checks a whole dataset."""

from __future__ import annotations

import msgspec

from bridge.datasets.files import Reach
from bridge.jobs.work import JobType
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest


class Data(msgspec.Struct, frozen=True):
    """A dataset by its manifest, the directory its relative paths start from, and the files that may be read for it.

    Attributes:
        reach: None in runs of earlier versions; then the files below `base` are in reach.
    """

    manifest: Manifest
    base: str
    reach: Reach | None = None


class CheckJob(msgspec.Struct, frozen=True):
    data: Data


CHECK_DATA = JobType(CheckJob, DatasetReport, "bridge.datasets.jobs:check")
