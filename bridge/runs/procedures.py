"""Procedures about runs of any kind."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

import msgspec
import uuid_utils

from bridge.contract.procedure import AnyProcedure, Caller, Procedure, Stream
from bridge.contract.runs import (
    Artifact,
    ArtifactList,
    CancelRun,
    EstimateRun,
    GetArtifact,
    GetRun,
    ListArtifacts,
    ListRuns,
    ListTrials,
    Run,
    RunEstimate,
    RunEvent,
    RunList,
    StartRun,
    TrialList,
    WatchRun,
)
from bridge.runs.engine import Order
from bridge.runs.kinds import Deps, Kind, kind_of
from bridge.runs.notices import until_woken
from bridge.runs.settings import RunSettings
from cerebros.errors import FailedPrecondition, NotFound, ResourceExhausted, Unavailable
from telemetry.events import RunQueued

# A watcher that has once caught up holds no more than this many unread events; a replay may be as long as the run.
WATCHER_LAG_AT_MOST = 2000


async def start_run(deps: Deps, caller: Caller, request: StartRun[Any]) -> Run:
    """Queue a run; a repeated request with the same run_id and payload answers the existing run.

    Raises:
        Unavailable: this server process is being taken out of service.
        ResourceExhausted: too many runs wait in the queue.
    """
    if deps.draining.is_set():
        raise Unavailable("this server is draining and starts no more runs; call another one, or this one again later")
    kind = deps.kinds[kind_of(type(request.spec))]
    prepared = await kind.prepare(request.spec, caller, deps)
    run_id = request.run_id or str(uuid_utils.uuid7())
    event = RunQueued(
        trials=prepared.trials,
        wall_s=prepared.wall_s,
        run_id=run_id,
        kind=kind.name,
        pac_id=request.pac_id,
        dataset=prepared.dataset,
        correlation_id=request.correlation_id or caller.correlation_id,
    )
    order = Order(
        kind=kind.name,
        pac_id=request.pac_id,
        dataset=prepared.dataset,
        dataset_digest=prepared.dataset_digest,
        payload=prepared.payload,
        payload_digest=_digest(request, prepared.identity),
        queue=request.queue,
        priority=request.priority,
        deadline_s=request.deadline_s,
    )
    await deps.engine.enqueue(order, event, deps.settings[RunSettings].queued_at_most)
    return await deps.runs.get_run(run_id)


def _digest(request: StartRun[Any], identity: object) -> str:
    """Return a digest that is equal for equal requests; a retry with another correlation id is the same run."""
    wanted = kind_of(type(request.spec)), request.pac_id, request.queue, request.priority, request.deadline_s, identity
    return hashlib.sha256(msgspec.json.encode(wanted, order="deterministic")).hexdigest()


async def estimate(deps: Deps, caller: Caller, request: EstimateRun[Any]) -> RunEstimate:
    """Estimate the costs of a run.

    Raises:
        FailedPrecondition: there is nothing to estimate from, or runs of this kind cannot be estimated.
    """
    kind = deps.kinds[kind_of(type(request.spec))]
    if kind.estimate is None:
        raise FailedPrecondition(f"runs of kind {kind.name!r} cannot be estimated; start a small one and look")
    return await kind.estimate(request.spec, caller, deps)


async def get_run(deps: Deps, _caller: Caller, request: GetRun) -> Run:
    return await deps.runs.get_run(request.run_id)


async def list_runs(deps: Deps, _caller: Caller, request: ListRuns) -> RunList:
    return RunList(runs=await deps.runs.list_runs(**msgspec.structs.asdict(request)))


async def cancel_run(deps: Deps, _caller: Caller, request: CancelRun) -> Run:
    """End a run: at once if no worker has it, else at its worker's next heartbeat.

    Cancelling a run that has ended changes nothing and answers the run as it ended.
    """
    await deps.runs.run_state(request.run_id)  # a start that is not committed yet cannot be cancelled: NOT_FOUND
    await deps.engine.cancel(request.run_id, request.reason)
    return await deps.runs.get_run(request.run_id)


async def list_trials(deps: Deps, _caller: Caller, request: ListTrials) -> TrialList:
    await deps.runs.run_state(request.run_id)
    return TrialList(trials=tuple(await deps.trials.trials_after(request.run_id, request.after, request.limit)))


async def list_artifacts(deps: Deps, _caller: Caller, request: ListArtifacts) -> ArtifactList:
    await deps.runs.run_state(request.run_id)
    directory = str(deps.artifacts.directory)
    return ArtifactList(artifacts=await deps.runs.artifact_rows(directory, run_id=request.run_id))


async def get_artifact(deps: Deps, _caller: Caller, request: GetArtifact) -> Artifact:
    """Return an artifact's path, after checking its bytes against its digest."""
    found = await deps.runs.artifact_rows(str(deps.artifacts.directory), digest=request.digest)
    if not found:
        raise NotFound(f"artifact {request.digest} is not known; list_artifacts shows those of a run")
    await deps.artifacts.require_sound(request.digest)
    return found[0]


async def watch_run(deps: Deps, _caller: Caller, request: WatchRun) -> AsyncGenerator[RunEvent, None]:
    """Stream a run's events after `after_seq`, stored ones and new ones, until the run has ended.

    Raises:
        ResourceExhausted: the watcher takes events more slowly than they come, after it had caught up once.
        FailedPrecondition: events after `after_seq` have been deleted by age.
    """
    run_id, seen, live = request.run_id, request.after_seq, False
    woken = deps.notices.subscribe(run_id)
    try:
        while True:
            # State before events: an event that is stored in between is then read, and the end is not missed.
            ended, first_seq, last_seq = await deps.runs.run_state(run_id)
            _require_kept(run_id, seen, first_seq)
            if live:
                _require_quick(seen, last_seq)
            for event in await deps.runs.events_after(run_id, seen):
                seen = event.seq
                yield event
            if ended and seen >= last_seq:
                return
            if seen >= last_seq:
                live = True
                await until_woken(woken)
    finally:
        deps.notices.unsubscribe(run_id, woken)


def _require_kept(run_id: str, seen: int, first_seq: int) -> None:
    if seen + 1 < first_seq:
        raise FailedPrecondition(
            f"events {seen + 1} to {first_seq - 1} of run {run_id!r} are older than events are kept; "
            f"watch after_seq {first_seq - 1}"
        )


def _require_quick(seen: int, last_seq: int) -> None:
    if last_seq - seen > WATCHER_LAG_AT_MOST:
        raise ResourceExhausted(
            f"the watcher is {last_seq - seen} events behind, {WATCHER_LAG_AT_MOST} are allowed; "
            f"watch again with after_seq {seen} and take events faster"
        )


START_RUN = Procedure("start_run", StartRun, Run, "run:start", start_run)
GET_RUN = Procedure("get_run", GetRun, Run, "run:read", get_run, noun="run")
LIST_RUNS = Procedure("list_runs", ListRuns, RunList, "run:read", list_runs, noun="runs")
CANCEL_RUN = Procedure("cancel_run", CancelRun, Run, "run:cancel", cancel_run)
LIST_ARTIFACTS = Procedure("list_artifacts", ListArtifacts, ArtifactList, "run:read", list_artifacts, noun="artifacts")
WATCH_RUN = Stream("watch_run", WatchRun, RunEvent, "run:read", watch_run, noun="run_events")


def procedures(kinds: Iterable[Kind[Any, Any]]) -> tuple[AnyProcedure, ...]:
    """Return the procedures of runs; runs of these kinds can be started and estimated."""
    spec: Any = reduce(or_, (kind.spec for kind in kinds))
    return (
        replace(START_RUN, request=StartRun[spec]),
        Procedure("estimate", EstimateRun[spec], RunEstimate, "run:read", estimate),
        GET_RUN,
        LIST_RUNS,
        CANCEL_RUN,
        Procedure("list_trials", ListTrials, TrialList, "run:read", list_trials, noun="trials"),
        LIST_ARTIFACTS,
        Procedure("get_artifact", GetArtifact, Artifact, "run:read", get_artifact, noun="artifact"),
        WATCH_RUN,
    )
