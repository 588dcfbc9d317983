"""The kinds of architecture search: the search alone (`nas`), and the whole training cycle around it (`cycle`)."""

from __future__ import annotations

import msgspec

from bridge.capability.promotion import PROMOTE
from bridge.contract.nas import Cycle, Nas
from bridge.contract.policy import Contender
from bridge.contract.procedure import Caller
from bridge.contract.runs import RunEstimate
from bridge.datasets.checks import CHECK, require_training_allowed
from bridge.datasets.manifests import dataset_named
from bridge.nas.estimates import estimate
from bridge.nas.goals import goals_named
from bridge.nas.payload import SearchPayload, SearchRecord
from bridge.nas.rows import SearchRows
from bridge.nas.score import SCORE
from bridge.nas.search import SEARCH, earlier_search
from bridge.nas.shortlist import SHORTLIST, candidate_trees
from bridge.policy.verdicts import VERDICT
from bridge.runs.kinds import Deps, Kind, Prepared, kind_of
from cerebros.data.manifest import Manifest, dataset_digest
from cerebros.errors import FailedPrecondition
from cerebros.metrics import TrainingMetrics

# Older runs tell of older code and other neighbours on the machine.
ESTIMATED_FROM = 20


async def prepare(spec: Nas | Cycle, caller: Caller, deps: Deps) -> Prepared[SearchPayload]:
    """Read the manifest and refuse what cannot work.

    Raises:
        InvalidArgument: an objective or a limit is unknown, or a candidate is no tree of the space.
        ManifestRejected: the manifest is out of the caller's reach, cannot be read, or breaks a rule.
        FailedPrecondition: the warm start has not ended, or was on another dataset.
        PermissionDenied: the data's owner does not allow training.
    """
    goals = goals_named(spec.objectives, spec.limits)
    data = await dataset_named(spec.manifest, caller, deps)
    manifest = data.manifest
    candidate_trees(spec.candidates)
    if spec.warm_start is not None:
        await _require_comparable(spec.warm_start, manifest, deps)
    require_training_allowed(manifest)
    return Prepared(
        payload=SearchPayload(spec, manifest, data.base, goals, data.reach),
        dataset=manifest.name,
        dataset_digest=dataset_digest(manifest),
        identity=(msgspec.structs.replace(spec, manifest="."), manifest, data.base),
        trials=spec.budget.trials,
        wall_s=spec.budget.wall_s,
    )


async def _require_comparable(run_id: str, manifest: Manifest, deps: Deps) -> None:
    """Refuse a warm start by a run whose trials are still changing, or were measured on other data."""
    if not (await deps.runs.run_state(run_id)).ended:
        raise FailedPrecondition(f"run {run_id!r} has not ended and cannot be a warm start yet; watch_run tells when")
    if dataset_digest((await earlier_search(run_id, deps)).manifest) != dataset_digest(manifest):
        raise FailedPrecondition(
            f"run {run_id!r} was on another dataset, whose figures say little about this one; "
            "name a run on the same dataset, or none"
        )


def held_out_metrics(run: SearchRecord) -> TrainingMetrics | None:
    """Return the scored model's held-out figures; they are kept even if the verdict denies promotion."""
    model = run.get(SCORE)
    return None if model is None else model.metrics


def contender(run: SearchRecord) -> Contender | None:
    """Return the scored model together with everything that a verdict judges."""
    model, manifest = run.get(SCORE), run.payload.manifest
    if model is None:
        return None
    return Contender(
        run_id=run.run_id,
        pac_id=run.pac_id,
        task=run.payload.spec.task or manifest.description,
        skills=(manifest.task, manifest.name),
        report=run[CHECK],
        purposes=manifest.purposes,
        retain_until=manifest.retain_until,
        metrics=model.metrics,
        goals=run.payload.goals,
        baseline=model.baseline,
        artifact_digest=model.weights.digest,
        description_digest=model.description.digest,
    )


async def estimate_search(spec: Nas | Cycle, caller: Caller, deps: Deps) -> RunEstimate:
    """Estimate the costs of a run from the latest succeeded ones of its kind on the same dataset."""
    data = await dataset_named(spec.manifest, caller, deps)
    measured = await SearchRows(deps).measured_runs(dataset_digest(data.manifest), kind_of(type(spec)), ESTIMATED_FROM)
    return estimate(spec.budget, measured)


NAS = Kind(Nas, SearchPayload, prepare, (CHECK, SHORTLIST, SEARCH, SCORE), held_out_metrics, estimate_search, contender)
CYCLE = Kind(
    Cycle,
    SearchPayload,
    prepare,
    (CHECK, SHORTLIST, SEARCH, SCORE, VERDICT, PROMOTE),
    held_out_metrics,
    estimate_search,
    contender,
)

KINDS = (CYCLE, NAS)
