"""Stages of a run, one after the other: results of finished stages are read, the others are done and stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import msgspec

from bridge.runs.claims import Claim
from bridge.runs.kinds import ClaimedRun, Deps, Kind, RunRecord, Stage
from bridge.store.database import Connection
from cerebros.errors import CerebrosError, FailedPrecondition, Internal
from telemetry.events import StageStart, StageStop, stage_exception


async def resumed(claim: Claim, deps: Deps) -> ClaimedRun[Any]:
    """Return the claimed run with the results of all stages that earlier workers finished.

    Raises:
        Internal: its payload or a stage's result was stored by a version that this one cannot read.
    """
    kind, results = deps.kinds[claim.kind], await deps.runs.stage_results(claim.run_id)
    payload, done = _read(claim.run_id, kind, claim.payload, results)
    return ClaimedRun(claim.run_id, claim.pac_id, kind, payload, done, claim)


async def recorded(run_id: str, deps: Deps, connection: Connection) -> RunRecord[Any]:
    """Return a run with the results of its stages, whoever holds it, as a transaction of the caller's sees it.

    Raises:
        NotFound: there is no such run.
        Internal: it is of a kind that this process does not know.
        FailedPrecondition: its rows were edited, or are of another version.
    """
    stored = await deps.runs.stored_run(run_id, connection)
    results = await deps.runs.stage_results(run_id, connection)
    kind = deps.kinds.get(stored.kind)
    if kind is None:
        raise Internal(f"run {run_id!r} is of kind {stored.kind!r}, which this version does not know")
    try:
        payload, done = _read(run_id, kind, stored.payload, results)
    except Internal as unreadable:  # of a run that has ended: its rows were edited, or are of another version
        raise FailedPrecondition(unreadable.message) from None
    return RunRecord(run_id, stored.pac_id, kind, payload, done)


def _read(run_id: str, kind: Kind[Any, Any], payload: Any, results: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    try:
        return msgspec.convert(payload, kind.payload), {
            stage.name: msgspec.convert(results[stage.name], stage.result)
            for stage in kind.stages
            if stage.name in results
        }
    except msgspec.ValidationError as problem:
        raise Internal(
            f"run {run_id!r}: what is stored of it cannot be read: {problem}; it was edited, or written by another "
            "version: start another run"
        ) from None


async def advance(run: ClaimedRun[Any], deps: Deps) -> AsyncIterator[ClaimedRun[Any]]:
    """Do the stages that are not done yet; yield the run after each of them.

    Raises:
        CerebrosError: a stage refused; stored results stay.
        StaleWorker: the claim is lost.
    """
    for stage in run.kind.stages:
        if stage.name not in run.results:
            run = await _do(stage, run, deps)
            yield run


async def _do(stage: Stage[Any, Any], run: ClaimedRun[Any], deps: Deps) -> ClaimedRun[Any]:
    await deps.engine.append(run.claim, StageStart(run_id=run.run_id, stage=stage.name))
    started = monotonic()
    try:
        done = await stage.work(run, deps)
    except CerebrosError as error:
        wall_s = monotonic() - started
        await deps.engine.append(run.claim, stage_exception(run.run_id, stage.name, wall_s, error))
        raise
    wall_s = monotonic() - started
    async with deps.engine.step(run.claim) as step:
        await stage.record(run, done.result, step, deps)
        await step.insert_stage(stage.name, done.result, done.spent, wall_s)
        await step.append(StageStop(duration_s=wall_s, run_id=run.run_id, stage=stage.name))
    return run.after(stage, done.result)
