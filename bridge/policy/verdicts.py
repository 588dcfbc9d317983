"""Verdicts on the models of runs, within a run and after its end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from bridge.contract.policy import Contender, EvaluatePolicy, Verdict
from bridge.contract.procedure import Caller, Procedure
from bridge.policy.rows import VerdictRows
from bridge.policy.rules import PolicyInputs, differences, judge, read_policy
from bridge.policy.seal import Seal, unsigned
from bridge.policy.settings import PolicySettings
from bridge.runs.claims import Step
from bridge.runs.kinds import ClaimedRun, Deps, Done, Stage
from bridge.runs.stages import recorded
from bridge.store.database import Connection
from cerebros.errors import FailedPrecondition, PermissionDenied
from telemetry.events import VerdictStop


class Allowed(NamedTuple):
    """A run's model as it is stored now, and the verdict that allows its promotion."""

    contender: Contender
    verdict: Verdict


async def require_ended(run_id: str, deps: Deps) -> None:
    """Refuse a run whose model may still change.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: it has not ended.
    """
    if not (await deps.runs.run_state(run_id)).ended:
        raise FailedPrecondition(f"run {run_id!r} has not ended yet; watch_run tells when it has")


async def stored_model(run_id: str, deps: Deps, connection: Connection) -> tuple[Contender, float]:
    """Return a run's model, and what the run has cost in dollars, as both are stored now.

    Raises:
        FailedPrecondition: the run has no scored model, or is of a kind that makes none.
    """
    run = await recorded(run_id, deps, connection)
    if run.kind.contender is None or (contender := run.kind.contender(run)) is None:
        raise FailedPrecondition(f"run {run_id!r} ended without a scored model; get_run says why, start another run")
    return contender, (await deps.runs.spending(run_id, connection)).cost_usd


async def allowed(run_id: str, deps: Deps, connection: Connection, verdict_id: str | None = None) -> Allowed:
    """Return a run's model under the verdict that allows to promote it: the newest, or the one that is named.

    All that the verdict is on is computed from what is stored now. Ask once more in the transaction that promotes.

    Raises:
        FailedPrecondition: the run has no model or no verdict.
        PermissionDenied: the verdict was not given here, is not on what is stored, denies, or has expired.
    """
    rows, model = VerdictRows(deps), await stored_model(run_id, deps, connection)
    verdict = await (
        rows.newest_verdict(connection, run_id) if verdict_id is None else rows.verdict_by_id(connection, verdict_id)
    )
    if verdict is None:
        raise FailedPrecondition(f"no verdict on run {run_id!r} yet; evaluate_policy gives one")
    name = f"verdict {verdict.verdict_id[:12]} on run {run_id!r}"
    if not deps.one(Seal.of).signed(verdict):
        raise PermissionDenied(f"{name} {unsigned(verdict)}; call evaluate_policy, which gives a new one, and promote")
    _require_on(verdict, model)
    if verdict.decision == "deny":
        raise PermissionDenied(f"policy denies the promotion of run {run_id!r}: {'; '.join(verdict.reasons)}")
    if datetime.now(UTC) >= verdict.expires_at:
        raise PermissionDenied(
            f"{name} is not valid any more (expired {verdict.expires_at.isoformat()}); "
            "call evaluate_policy, which gives a new one, and promote"
        )
    return Allowed(model[0], verdict)


def _require_on(verdict: Verdict, model: tuple[Contender, float]) -> None:
    if differing := differences(verdict, PolicyInputs(*model, verdict.issued_at.date())):
        raise PermissionDenied(
            f"verdict {verdict.verdict_id[:12]} on run {verdict.run_id!r} is not on what is stored: "
            f"{'; '.join(differing)}; restore the run's rows from a backup, or start another run"
        )


async def verdict_on(run_id: str, deps: Deps, connection: Connection) -> Verdict:
    """Judge a run's model by the policy in force and sign the verdict, whichever way it goes."""
    now = datetime.now(UTC)
    inputs = PolicyInputs(*await stored_model(run_id, deps, connection), now.date())
    return deps.one(Seal.of).sign(judge(inputs, read_policy(deps.settings[PolicySettings].policy), now))


async def _judge_run(run: ClaimedRun[object], deps: Deps) -> Done[Verdict]:
    async with deps.database.transaction() as connection:
        return Done(await verdict_on(run.run_id, deps, connection))


async def _record_verdict(run: ClaimedRun[object], verdict: Verdict, step: Step, deps: Deps) -> None:
    await VerdictRows(deps).insert_verdict(step.connection, verdict)
    await step.append(VerdictStop(run_id=run.run_id, verdict_id=verdict.verdict_id, decision=verdict.decision))


# Judges the run's model by the policy in force. To deny is a result like any other; promotion is where it bites.
# What the run costs is judged too, so a stage behind this one has to be free, or a kind lists it before.
VERDICT = Stage("verdict", Verdict, _judge_run, _record_verdict)


async def evaluate_policy(deps: Deps, _caller: Caller, request: EvaluatePolicy) -> Verdict:
    """Judge an ended run's model and keep the verdict.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: it has not ended, or has no scored model.
        PermissionDenied: it was edited since it was judged last, while that verdict is valid.
    """
    await require_ended(request.run_id, deps)
    async with deps.database.transaction() as connection:
        await _require_as_judged(request.run_id, deps, connection)
        verdict = await verdict_on(request.run_id, deps, connection)
        await VerdictRows(deps).insert_verdict(connection, verdict)
    return verdict


async def _require_as_judged(run_id: str, deps: Deps, connection: Connection) -> None:
    """Refuse a run that was edited under a verdict that is valid: an edited score is no reason for another verdict."""
    try:
        verdict = await VerdictRows(deps).newest_verdict(connection, run_id)
    except PermissionDenied:  # it was edited itself; the new one takes its place
        return
    if verdict is not None and deps.one(Seal.of).signed(verdict) and datetime.now(UTC) < verdict.expires_at:
        _require_on(verdict, await stored_model(run_id, deps, connection))


PROCEDURES = (Procedure("evaluate_policy", EvaluatePolicy, Verdict, "verdict:give", evaluate_policy),)
