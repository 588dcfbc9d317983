"""Datasets: their checks, and the list of those that passed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from bridge.contract.words import MANIFEST, Message, PageSize


class CheckDataset(Message, frozen=True, kw_only=True):
    """Read a dataset through its manifest and report on it."""

    manifest: Annotated[
        str,
        Meta(min_length=1, max_length=4096, description=MANIFEST),
    ]


class ListDatasets(Message, frozen=True, kw_only=True):
    """List the datasets that were checked, newest check first."""

    limit: Annotated[PageSize, Meta(description="Largest number of datasets in the answer.")] = 50


class Dataset(Message, frozen=True, kw_only=True):
    """A dataset that was checked."""

    name: Annotated[str, Meta(description="Name of the dataset.")]
    digest: Annotated[str, Meta(description="SHA-256 of its sources, columns, task and split.")]
    task: Annotated[str, Meta(description="`classification`, `multilabel` or `regression`.")]
    rows: Annotated[int, Meta(description="Number of rows.")]
    licence: Annotated[str, Meta(description="Licence that the manifest names.")]
    checked_at: Annotated[datetime, Meta(description="Time of the last check.")]


class DatasetList(Message, frozen=True, kw_only=True):
    """Datasets of a list."""

    datasets: Annotated[tuple[Dataset, ...], Meta(description="Datasets, newest check first.")]
