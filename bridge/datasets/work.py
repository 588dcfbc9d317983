"""The job that reads and checks a whole dataset."""

from __future__ import annotations

import msgspec

from bridge.jobs.work import JobType
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest


class Data(msgspec.Struct, frozen=True):
    """A dataset by its manifest and the directory its relative paths start from."""

    manifest: Manifest
    base: str


class CheckJob(msgspec.Struct, frozen=True):
    data: Data


CHECK_DATA = JobType(CheckJob, DatasetReport, "bridge.datasets.jobs:check")
