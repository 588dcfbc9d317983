"""Who may ask for what: the one table that every transport serves.

A transport turns bytes into a map, calls `call` or `watch`, and turns the
struct or the error into its own bytes. It decides nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import uuid_utils

from bridge.capability import promotion
from bridge.capability.rows import Catalogue
from bridge.contract.replies import (
    Artifact,
    ArtifactList,
    DatasetList,
    GateFinding,
    GateReport,
    HealthReport,
    NeighbourList,
    QueueList,
    Run,
    RunEstimate,
    RunEvent,
    RunList,
    Shortlist,
    Study,
    StudyList,
    StudyTrial,
    StudyTrialList,
    SuggestionList,
    TrainingLock,
    TrialList,
    VcvDraft,
    VcvEntry,
    VcvList,
    Verdict,
)
from bridge.contract.requests import (
    BestTrials,
    CancelRun,
    CheckDataset,
    CheckGate,
    CreateStudy,
    DeleteStudy,
    Drain,
    EstimateRun,
    EvaluatePolicy,
    GetArtifact,
    GetCapability,
    GetRun,
    GetShortlist,
    GetTrainingLock,
    Health,
    LimitQueue,
    ListArtifacts,
    ListCapabilities,
    ListDatasets,
    ListQueues,
    ListRuns,
    ListStudies,
    ListTrials,
    NearestCapabilities,
    Promote,
    Report,
    Rollback,
    SetTrainingLock,
    StartRun,
    Suggest,
    WatchRun,
)
from bridge.contract.words import decode
from bridge.jobs.executor import Executor
from bridge.jobs.work import Checked, CheckJob, Data
from bridge.nas.estimates import estimate
from bridge.nas.goals import goals_named
from bridge.nas.search import candidate_trees
from bridge.policy.rules import Seal, require_use_allowed
from bridge.process.defects import defects_answered
from bridge.process.settings import Settings
from bridge.runs.checkpoints import Checkpoints
from bridge.runs.claims import Payload
from bridge.runs.deps import Deps
from bridge.runs.engine import Engine
from bridge.runs.notices import Notices, until_woken
from bridge.runs.rows import RunStore
from bridge.store.artifacts import ArtifactFiles
from bridge.studies.studies import Studies
from cerebros import gate
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest, dataset_digest, parse_manifest
from cerebros.errors import (
    FailedPrecondition,
    ManifestRejected,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from telemetry import prometheus
from telemetry.events import RunQueued

VERSION = version("cerebros-bridge")


class Bridge(msgspec.Struct, frozen=True):
    """What the procedures work with: one per process of the front."""

    settings: Settings
    engine: Engine
    runs: RunStore
    catalogue: Catalogue
    notices: Notices
    artifacts: ArtifactFiles
    jobs: Executor
    seal: Seal
    draining: asyncio.Event
    checkpoints: Checkpoints
    studies: Studies

    @property
    def deps(self) -> Deps:
        """The same parts as a worker's stages take them."""
        return Deps(**{name: getattr(self, name) for name in Deps.__struct_fields__})


async def start_run(bridge: Bridge, request: StartRun) -> Run:
    """Queue a run; the same run_id with the same payload answers the run that is there.

    Raises:
        Unavailable: this front is being taken out of service.
        ResourceExhausted: too many runs wait in the queue.
    """
    if bridge.draining.is_set():
        raise Unavailable("this front is draining and starts no more runs; call another one, or this one again later")
    goals = goals_named(request.objectives, request.limits)
    manifest, base = await asyncio.to_thread(read_manifest, request.manifest)
    candidate_trees(request)
    if request.warm_start is not None:
        await _require_comparable(request.warm_start, manifest, bridge)
    require_use_allowed(manifest.purposes, manifest.retain_until, datetime.now(UTC).date())
    run_id = request.run_id or str(uuid_utils.uuid7())
    payload = Payload(msgspec.structs.replace(request, run_id=run_id), manifest, base, goals)
    event = RunQueued(
        trials=request.budget.trials,
        run_id=run_id,
        kind=request.kind,
        pac_id=request.pac_id,
        dataset=manifest.name,
        correlation_id=request.correlation_id,
    )
    # What is asked for, without how it was spelt: a retry with another correlation id is the same run.
    wanted = msgspec.structs.replace(payload.request, manifest="", correlation_id=None), manifest, base
    digest = hashlib.sha256(msgspec.json.encode(wanted, order="deterministic")).hexdigest()
    await bridge.engine.enqueue(payload, dataset_digest(manifest), digest, event, bridge.settings.queued_at_most)
    return await bridge.runs.get_run(run_id)


async def _require_comparable(run_id: str, manifest: Manifest, bridge: Bridge) -> None:
    """Refuse a warm start by a run whose trials are still changing, or were measured on other data."""
    if not (await bridge.runs.run_state(run_id)).ended:
        raise FailedPrecondition(f"run {run_id!r} has not ended and cannot be a warm start yet; watch_run tells when")
    if dataset_digest((await bridge.runs.payload_of(run_id)).manifest) != dataset_digest(manifest):
        raise FailedPrecondition(
            f"run {run_id!r} was on another dataset, whose figures say little about this one; "
            "name a run on the same dataset, or none"
        )


# Far more than the longest manifest that makes sense.
MANIFEST_BYTES_AT_MOST = 2**20


def read_manifest(file: str) -> tuple[Manifest, str]:
    """The manifest in a file, and the directory its relative paths start from.

    Raises:
        ManifestRejected: there is no such file, or it breaks a rule.
    """
    try:
        path = Path(file).resolve()
        if path.exists() and not (path.is_file() and path.stat().st_size <= MANIFEST_BYTES_AT_MOST):
            raise ManifestRejected(f"manifest {path} is no file of at most {MANIFEST_BYTES_AT_MOST} bytes; give one")
        text = path.read_text()
    except (OSError, ValueError, RuntimeError) as problem:  # a name with a NUL, links in a circle, no UTF-8
        raise ManifestRejected(
            f"manifest {file!r} cannot be read: {problem}; give a path on the bridge's host"
        ) from None
    return parse_manifest(text, str(path)), str(path.parent)


async def get_run(bridge: Bridge, request: GetRun) -> Run:
    return await bridge.runs.get_run(request.run_id)


async def list_runs(bridge: Bridge, request: ListRuns) -> RunList:
    return RunList(runs=await bridge.runs.list_runs(request.pac_id, request.state, request.limit))


async def cancel_run(bridge: Bridge, request: CancelRun) -> Run:
    """End a run: at once when no worker has it, else with its worker's next heartbeat.

    Cancelling a run that has ended changes nothing and answers how it ended.
    """
    await bridge.runs.run_state(request.run_id)  # a start that is not committed yet cannot be cancelled: NOT_FOUND
    await bridge.engine.cancel(request.run_id, request.reason)
    return await bridge.runs.get_run(request.run_id)


async def list_trials(bridge: Bridge, request: ListTrials) -> TrialList:
    await bridge.runs.run_state(request.run_id)
    return TrialList(trials=tuple(await bridge.runs.trials_after(request.run_id, request.after, request.limit)))


async def shortlist(bridge: Bridge, request: GetShortlist) -> Shortlist:
    await bridge.runs.run_state(request.run_id)
    return await bridge.runs.shortlist_of(request.run_id)


async def check_dataset(bridge: Bridge, request: CheckDataset) -> DatasetReport:
    """Read the whole dataset, check it, and register it when it is sound."""
    manifest, base = await asyncio.to_thread(read_manifest, request.manifest)
    report = (await bridge.jobs.run(CheckJob(Data(manifest, base)), Checked)).report
    await bridge.catalogue.upsert_dataset(manifest, report)
    return report


async def list_datasets(bridge: Bridge, request: ListDatasets) -> DatasetList:
    return DatasetList(datasets=await bridge.catalogue.dataset_rows(request.limit))


async def list_artifacts(bridge: Bridge, request: ListArtifacts) -> ArtifactList:
    await bridge.runs.run_state(request.run_id)
    directory = str(bridge.artifacts.directory)
    return ArtifactList(artifacts=await bridge.catalogue.artifact_rows(directory, run_id=request.run_id))


async def get_artifact(bridge: Bridge, request: GetArtifact) -> Artifact:
    """Where an artifact is, after its bytes were checked against its digest."""
    found = await bridge.catalogue.artifact_rows(str(bridge.artifacts.directory), digest=request.digest)
    if not found:
        raise NotFound(f"artifact {request.digest} is not known; list_artifacts shows those of a run")
    await asyncio.to_thread(bridge.artifacts.read, request.digest)
    return found[0]


async def get_capability(bridge: Bridge, request: GetCapability) -> VcvEntry:
    """The PAC's current version (the newest), or the one asked for."""
    entries = await bridge.catalogue.vcv_rows(request.pac_id, request.version, limit=1)
    if not entries:
        version = "capability vector" if request.version is None else f"version {request.version}"
        raise NotFound(f"PAC {request.pac_id!r} has no {version}; a training cycle that is promoted writes one")
    return entries[0]


async def list_capabilities(bridge: Bridge, request: ListCapabilities) -> VcvList:
    return VcvList(entries=await bridge.catalogue.vcv_rows(request.pac_id, None, request.limit))


async def nearest_capabilities(bridge: Bridge, request: NearestCapabilities) -> NeighbourList:
    await get_capability(bridge, GetCapability(pac_id=request.pac_id))
    return NeighbourList(neighbours=await bridge.catalogue.nearest_vcv(request.pac_id, request.limit))


async def rollback(bridge: Bridge, request: Rollback) -> VcvEntry:
    """Write an earlier version again as the newest; asking twice, for the same reason, writes it once.

    Raises:
        PermissionDenied: its verdict has expired or does not allow.
    """
    earlier = await get_capability(bridge, GetCapability(pac_id=request.pac_id, version=request.version))
    verdict = await bridge.catalogue.verdict_by_id(earlier.verdict_id)
    if verdict.decision != "allow" or not bridge.seal.holds(verdict, datetime.now(UTC)):
        raise PermissionDenied(
            f"version {request.version} of PAC {request.pac_id!r} rests on verdict {verdict.verdict_id[:12]}, "
            f"which is not valid any more (expired {verdict.expires_at.isoformat()}); "
            f"call evaluate_policy and then promote for its run {earlier.run_id!r}"
        )
    await asyncio.to_thread(bridge.artifacts.read, earlier.artifact_digest)
    draft = VcvDraft(**{name: getattr(earlier, name) for name in VcvDraft.__struct_fields__})
    version = await bridge.catalogue.write_rollback_once(
        msgspec.structs.replace(
            draft,
            rolled_back_from=request.version,
            policy_flags=(*draft.policy_flags, f"rollback: {request.reason}"),
        )
    )
    return await get_capability(bridge, GetCapability(pac_id=request.pac_id, version=version))


async def evaluate_policy(bridge: Bridge, request: EvaluatePolicy) -> Verdict:
    return await promotion.evaluate(request.run_id, bridge.deps)


async def promote(bridge: Bridge, request: Promote) -> VcvEntry:
    pac_id, version = await promotion.promote(request.run_id, bridge.deps)
    return await get_capability(bridge, GetCapability(pac_id=pac_id, version=version))


async def estimate_run(bridge: Bridge, request: EstimateRun) -> RunEstimate:
    """What a run with this budget would take, by the latest measured ones on the same dataset."""
    manifest, _ = await asyncio.to_thread(read_manifest, request.manifest)
    measured = await bridge.catalogue.measured_runs(dataset_digest(manifest), request.kind, ESTIMATED_FROM)
    return estimate(request.budget, measured)


# Older runs tell of older code and other neighbours on the machine.
ESTIMATED_FROM = 20


async def check_gate(bridge: Bridge, request: CheckGate) -> GateReport:
    figures = await bridge.catalogue.gate_figures(request.pac_id)
    findings = gate.judge(figures, bridge.settings.gate_max_verdict_age_s)
    return GateReport(
        overall_status=gate.overall(findings),
        timestamp=datetime.now(UTC),
        findings=tuple(GateFinding(**msgspec.structs.asdict(finding)) for finding in findings),
    )


async def get_training_lock(bridge: Bridge, request: GetTrainingLock) -> TrainingLock:
    return await bridge.engine.training_lock(request.pac_id)


async def set_training_lock(bridge: Bridge, request: SetTrainingLock) -> TrainingLock:
    return await bridge.engine.set_training_lock(request)


async def list_queues(bridge: Bridge, _request: ListQueues) -> QueueList:
    return QueueList(queues=await bridge.catalogue.queue_rows())


async def limit_queue(bridge: Bridge, request: LimitQueue) -> QueueList:
    await bridge.engine.limit_queue(request.name, request.running_at_most)
    return QueueList(queues=await bridge.catalogue.queue_rows())


async def drain(bridge: Bridge, request: Drain) -> HealthReport:
    """Stop starting runs here; `up` also does this when it is asked to end."""
    bridge.draining.set()
    return await health(bridge, Health())


async def health(bridge: Bridge, _request: Health) -> HealthReport:
    """Whether the service can do its work; an unreachable database is an answer, not an error."""
    try:
        now = await bridge.catalogue.occupation()
    except Unavailable as problem:
        return HealthReport(
            status="not_serving", version=VERSION, database=problem.message, workers=0, queued=0, running=0
        )
    return HealthReport(
        status="draining" if bridge.draining.is_set() else "serving",
        version=VERSION,
        database="reachable",
        workers=now.workers,
        queued=now.queued,
        running=now.running,
    )


class Procedure(NamedTuple):
    """A name, the types it turns into each other, and the function that does it."""

    name: str
    request: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    run: Callable[[Bridge, Any], Awaitable[msgspec.Struct]]


def _on_studies(act: Callable[[Studies, Any], Awaitable[msgspec.Struct]]) -> Callable[..., Awaitable[msgspec.Struct]]:
    return lambda bridge, request: act(bridge.studies, request)


PROCEDURES: dict[str, Procedure] = {
    procedure.name: procedure
    for procedure in (
        Procedure("start_run", StartRun, Run, start_run),
        Procedure("get_run", GetRun, Run, get_run),
        Procedure("list_runs", ListRuns, RunList, list_runs),
        Procedure("cancel_run", CancelRun, Run, cancel_run),
        Procedure("list_trials", ListTrials, TrialList, list_trials),
        Procedure("shortlist", GetShortlist, Shortlist, shortlist),
        Procedure("check_dataset", CheckDataset, DatasetReport, check_dataset),
        Procedure("list_datasets", ListDatasets, DatasetList, list_datasets),
        Procedure("list_artifacts", ListArtifacts, ArtifactList, list_artifacts),
        Procedure("get_artifact", GetArtifact, Artifact, get_artifact),
        Procedure("get_capability", GetCapability, VcvEntry, get_capability),
        Procedure("list_capabilities", ListCapabilities, VcvList, list_capabilities),
        Procedure("nearest_capabilities", NearestCapabilities, NeighbourList, nearest_capabilities),
        Procedure("rollback", Rollback, VcvEntry, rollback),
        Procedure("evaluate_policy", EvaluatePolicy, Verdict, evaluate_policy),
        Procedure("promote", Promote, VcvEntry, promote),
        Procedure("estimate", EstimateRun, RunEstimate, estimate_run),
        Procedure("create_study", CreateStudy, Study, _on_studies(Studies.create)),
        Procedure("suggest", Suggest, SuggestionList, _on_studies(Studies.suggest)),
        Procedure("report", Report, StudyTrial, _on_studies(Studies.report)),
        Procedure("best_trials", BestTrials, StudyTrialList, _on_studies(Studies.best_trials)),
        Procedure("list_studies", ListStudies, StudyList, _on_studies(Studies.list_studies)),
        Procedure("delete_study", DeleteStudy, Study, _on_studies(Studies.delete)),
        Procedure("check_gate", CheckGate, GateReport, check_gate),
        Procedure("get_training_lock", GetTrainingLock, TrainingLock, get_training_lock),
        Procedure("set_training_lock", SetTrainingLock, TrainingLock, set_training_lock),
        Procedure("list_queues", ListQueues, QueueList, list_queues),
        Procedure("limit_queue", LimitQueue, QueueList, limit_queue),
        Procedure("drain", Drain, HealthReport, drain),
        Procedure("health", Health, HealthReport, health),
    )
}

# A watcher that has once caught up holds no more than this many unread events; a replay may be as long as the run.
WATCHER_LAG_AT_MOST = 2000

# The one procedure that streams; `watch` serves it.
STREAM = "watch_run"


async def call(bridge: Bridge, name: str, raw: Mapping[str, Any]) -> msgspec.Struct:
    """Run a procedure by name.

    Raises:
        NotFound: no such procedure.
        InvalidArgument: the request breaks a rule.
        Internal: a defect of ours; its traceback goes to the log, not over the wire.
        CerebrosError: what the procedure itself raises.
    """
    procedure = PROCEDURES.get(name)
    if procedure is None:
        raise NotFound(f"procedure {name!r} is unknown; choose from {', '.join((*PROCEDURES, STREAM))}")
    with defects_answered(name):
        return await procedure.run(bridge, decode(raw, procedure.request))


async def watch(bridge: Bridge, raw: Mapping[str, Any]) -> AsyncIterator[RunEvent]:
    """A run's events behind `after_seq`, the stored ones and those to come, until the run has ended.

    Raises:
        ResourceExhausted: the watcher had caught up once and takes events more slowly than they come.
        FailedPrecondition: events behind `after_seq` are so old that they were forgotten.
        Internal: a defect of ours, as in `call`.
    """
    with defects_answered(STREAM):
        request = decode(raw, WatchRun)
        run_id, seen, live = request.run_id, request.after_seq, False
        woken = bridge.notices.subscribe(run_id)
        try:
            while True:
                # State before events: an event that is stored in between is then read, and the end is not missed.
                ended, first_seq, last_seq = await bridge.runs.run_state(run_id)
                if seen + 1 < first_seq:
                    raise FailedPrecondition(
                        f"events {seen + 1} to {first_seq - 1} of run {run_id!r} are older than events are kept; "
                        f"watch after_seq {first_seq - 1}"
                    )
                if live and last_seq - seen > WATCHER_LAG_AT_MOST:
                    raise ResourceExhausted(
                        f"the watcher is {last_seq - seen} events behind, {WATCHER_LAG_AT_MOST} are allowed; "
                        f"watch again with after_seq {seen} and take events faster"
                    )
                for event in await bridge.runs.events_after(run_id, seen):
                    seen = event.seq
                    yield event
                if ended and seen >= last_seq:
                    return
                if seen >= last_seq:
                    live = True
                    await until_woken(woken)
        finally:
            bridge.notices.unsubscribe(run_id, woken)


async def scrape(bridge: Bridge) -> str:
    """The figures Prometheus reads, counted in the database now, and the gate's findings on them."""
    figures = await bridge.catalogue.figures()
    findings = gate.judge(figures.gate, bridge.settings.gate_max_verdict_age_s)
    return prometheus.render(figures, findings)
