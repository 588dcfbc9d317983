"""Work of a job process on a dataset; needs no torch."""

from __future__ import annotations

from pathlib import Path

from bridge.datasets.sources import read_table
from bridge.datasets.work import CheckJob, Data
from cerebros.data import check as dataset_check
from cerebros.data.check import DatasetReport
from cerebros.data.dataset import Table


def check(job: CheckJob) -> DatasetReport:
    """Read every row and report what is remarkable.

    Raises:
        ManifestRejected: the data is not what its manifest says.
    """
    return dataset_check.check(job.data.manifest, table_of(job.data))


def table_of(data: Data) -> Table:
    """All rows of a dataset."""
    return read_table(data.manifest, Path(data.base), data.reach)
