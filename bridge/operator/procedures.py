"""Procedures for operators: the gate, training locks, queues, draining and health."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import msgspec

from bridge.contract.operator import (
    CheckGate,
    Drain,
    GateFinding,
    GateReport,
    GetTrainingLock,
    Health,
    HealthReport,
    LimitQueue,
    ListQueues,
    QueueList,
    SetTrainingLock,
    TrainingLock,
    Undrain,
)
from bridge.contract.procedure import Caller, Procedure
from bridge.contract.words import ServingStatus
from bridge.operator.rows import OperatorRows
from bridge.operator.settings import GateSettings
from bridge.runs.kinds import Deps
from bridge.runs.worker_process import OwnWorker
from cerebros import gate
from cerebros.errors import FailedPrecondition, NotFound, Unavailable
from telemetry import prometheus

VERSION = version("cerebros-bridge")


async def check_gate(deps: Deps, _caller: Caller, request: CheckGate) -> GateReport:
    """Judge a PAC, or the platform.

    Raises:
        NotFound: the PAC never had a run.
    """
    rows = OperatorRows(deps)
    if request.pac_id is not None and not await rows.pac_is_known(request.pac_id):
        raise NotFound(f"PAC {request.pac_id!r} has no run and no capability vector; start_run makes its first run")
    figures = await rows.gate_figures(request.pac_id)
    findings = gate.judge(figures, deps.settings[GateSettings].gate_max_verdict_age_s)
    return GateReport(
        overall_status=gate.overall(findings),
        timestamp=datetime.now(UTC),
        findings=tuple(GateFinding(**msgspec.structs.asdict(finding)) for finding in findings),
    )


async def get_training_lock(deps: Deps, _caller: Caller, request: GetTrainingLock) -> TrainingLock:
    return await deps.engine.training_lock(request.pac_id)


async def set_training_lock(deps: Deps, _caller: Caller, request: SetTrainingLock) -> TrainingLock:
    return await deps.engine.set_training_lock(request)


async def list_queues(deps: Deps, _caller: Caller, _request: ListQueues) -> QueueList:
    return QueueList(queues=await deps.runs.queue_rows())


async def limit_queue(deps: Deps, _caller: Caller, request: LimitQueue) -> QueueList:
    await deps.engine.limit_queue(request.name, request.running_at_most)
    return QueueList(queues=await deps.runs.queue_rows())


async def drain(deps: Deps, caller: Caller, _request: Drain) -> HealthReport:
    """Stop starting runs in this process; `up` does the same when it is asked to end."""
    deps.draining.set()
    return await health(deps, caller, Health())


async def undrain(deps: Deps, caller: Caller, _request: Undrain) -> HealthReport:
    """Start runs in this process again.

    Raises:
        FailedPrecondition: it was told to end.
    """
    if deps.ending.is_set():
        raise FailedPrecondition("this server was told to end and drains until it has; call another one, or start one")
    deps.draining.clear()
    return await health(deps, caller, Health())


async def health(deps: Deps, _caller: Caller, _request: Health) -> HealthReport:
    """Report whether the service can work; an unreachable database is an answer, not an error."""
    own, rows = deps.one(OwnWorker), OperatorRows(deps)
    try:
        now, seen = await rows.occupation(), await rows.seen_lately(own.worker_id)
    except Unavailable as problem:
        return HealthReport(
            status="not_serving",
            version=VERSION,
            database=problem.message,
            workers=0,
            queued=0,
            running=0,
            worker=own.account(seen=False),
        )
    working: ServingStatus = "serving" if own.at_work(seen=seen) else "not_serving"
    return HealthReport(
        status="draining" if deps.draining.is_set() else working,
        version=VERSION,
        database="reachable",
        workers=now.workers,
        queued=now.queued,
        running=now.running,
        worker=own.account(seen=seen),
    )


async def scrape(deps: Deps) -> str:
    """Return the text that Prometheus reads: figures counted in the database now, and the gate's findings on them."""
    figures = await OperatorRows(deps).figures()
    return prometheus.render(figures, gate.judge(figures.gate, deps.settings[GateSettings].gate_max_verdict_age_s))


CHECK_GATE = Procedure("check_gate", CheckGate, GateReport, "gate:read", check_gate, noun="gate")
HEALTH = Procedure("health", Health, HealthReport, "service:read", health)

PROCEDURES = (
    CHECK_GATE,
    Procedure("get_training_lock", GetTrainingLock, TrainingLock, "lock:read", get_training_lock, noun="training_lock"),
    Procedure("set_training_lock", SetTrainingLock, TrainingLock, "lock:set", set_training_lock, operator=True),
    Procedure("list_queues", ListQueues, QueueList, "queue:read", list_queues, noun="queues"),
    Procedure("limit_queue", LimitQueue, QueueList, "queue:limit", limit_queue, operator=True),
    Procedure("drain", Drain, HealthReport, "service:drain", drain, operator=True, of_server=True),
    Procedure("undrain", Undrain, HealthReport, "service:undrain", undrain, operator=True, of_server=True),
    HEALTH,
)
