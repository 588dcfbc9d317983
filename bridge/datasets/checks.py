"""The check of a dataset: a stage that runs on data share, and a procedure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from bridge.contract.datasets import CheckDataset, DatasetList, ListDatasets
from bridge.contract.procedure import Caller, Procedure
from bridge.datasets.manifests import dataset_named
from bridge.datasets.rows import DatasetRows
from bridge.datasets.work import CHECK_DATA, CheckJob, Data
from bridge.policy.rules import require_use_allowed
from bridge.runs.kinds import ClaimedRun, Deps, Done, Stage
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest


class OnDataset(Protocol):
    """The payload of a run that learns from a dataset."""

    @property
    def data(self) -> Data: ...


async def checked(data: Data, deps: Deps) -> DatasetReport:
    """Read the whole dataset, check it, and register it when it is sound.

    Raises:
        ManifestRejected: it is not what its manifest says.
    """
    report = await deps.jobs.run(CHECK_DATA, CheckJob(data))
    await DatasetRows(deps).upsert_dataset(data.manifest, report)
    return report


def require_training_allowed(manifest: Manifest) -> None:
    """Refuse data whose owner does not allow training, or did so until a day that has passed.

    Raises:
        PermissionDenied: the manifest says no.
    """
    require_use_allowed(manifest.purposes, manifest.retain_until, datetime.now(UTC).date())


async def _check(run: ClaimedRun[OnDataset], deps: Deps) -> Done[DatasetReport]:
    require_training_allowed(run.payload.data.manifest)
    return Done(await checked(run.payload.data, deps))


# Reads, checks and registers the run's dataset; a rejected or forbidden one ends the run.
CHECK = Stage("check", DatasetReport, _check)


async def check_dataset(deps: Deps, caller: Caller, request: CheckDataset) -> DatasetReport:
    return await checked(await dataset_named(request.manifest, caller, deps), deps)


async def list_datasets(deps: Deps, _caller: Caller, request: ListDatasets) -> DatasetList:
    return DatasetList(datasets=await DatasetRows(deps).dataset_rows(request.limit))


CHECK_DATASET = Procedure("check_dataset", CheckDataset, DatasetReport, "dataset:check", check_dataset)

PROCEDURES = (
    CHECK_DATASET,
    Procedure("list_datasets", ListDatasets, DatasetList, "dataset:read", list_datasets, noun="datasets"),
)
