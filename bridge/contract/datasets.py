"""Datasets: their check and their catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from bridge.contract.words import Message, PageSize


class CheckDataset(Message, frozen=True, kw_only=True):
    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]


class ListDatasets(Message, frozen=True, kw_only=True):
    limit: PageSize = 50


class Dataset(Message, frozen=True, kw_only=True):
    name: str
    digest: str
    task: str
    rows: int
    licence: str
    checked_at: datetime


class DatasetList(Message, frozen=True, kw_only=True):
    datasets: tuple[Dataset, ...]
