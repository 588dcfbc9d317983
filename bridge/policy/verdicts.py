"""Verdicts on the models of runs, within a run and after its end."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.contract.policy import Contender, EvaluatePolicy, Verdict
from bridge.contract.procedure import Caller, Procedure
from bridge.policy.rows import VerdictRows
from bridge.policy.rules import PolicyInputs, judge, read_policy
from bridge.policy.seal import Seal
from bridge.policy.settings import PolicySettings
from bridge.runs.claims import Step
from bridge.runs.kinds import ClaimedRun, Deps, Done, RunRecord, Stage
from bridge.runs.stages import recorded
from cerebros.errors import FailedPrecondition
from telemetry.events import VerdictStop


def contender_of(run: RunRecord[object]) -> Contender:
    """The model a run has to offer.

    Raises:
        FailedPrecondition: it has none, or is of a kind that makes none.
    """
    if run.kind.contender is None or (contender := run.kind.contender(run)) is None:
        raise FailedPrecondition(
            f"run {run.run_id!r} ended without a scored model; get_run says why, start another run"
        )
    return contender


async def ended_contender(run_id: str, deps: Deps) -> Contender:
    """The model that an ended run has to offer.

    Raises:
        NotFound: there is no such run.
        FailedPrecondition: it has not ended, or ended without a scored model.
    """
    if not (await deps.runs.run_state(run_id)).ended:
        raise FailedPrecondition(f"run {run_id!r} has not ended yet; watch_run tells when it has")
    return contender_of(await recorded(run_id, deps))


async def verdict_on(contender: Contender, deps: Deps) -> Verdict:
    """Judge the model by the policy in force and sign the verdict, whichever way it goes."""
    spent, now = await deps.runs.spending(contender.run_id), datetime.now(UTC)
    inputs = PolicyInputs(contender, spent.cost_usd, now.date())
    return deps.one(Seal.of).sign(judge(inputs, read_policy(deps.settings[PolicySettings].policy), now))


async def _judge_run(run: ClaimedRun[object], deps: Deps) -> Done[Verdict]:
    return Done(await verdict_on(contender_of(run), deps))


async def _record_verdict(run: ClaimedRun[object], verdict: Verdict, step: Step, deps: Deps) -> None:
    await VerdictRows(deps).insert_verdict(step.connection, run.run_id, run.pac_id, verdict)
    await step.append(VerdictStop(run_id=run.run_id, verdict_id=verdict.verdict_id, decision=verdict.decision))


# Judges the run's model by the policy in force. To deny is a result like any other; promotion is where it bites.
VERDICT = Stage("verdict", Verdict, _judge_run, _record_verdict)


async def evaluate_policy(deps: Deps, _caller: Caller, request: EvaluatePolicy) -> Verdict:
    """Judge an ended run's model and keep the verdict."""
    contender = await ended_contender(request.run_id, deps)
    verdict = await verdict_on(contender, deps)
    await VerdictRows(deps).write_verdict(contender.run_id, contender.pac_id, verdict)
    return verdict


PROCEDURES = (Procedure("evaluate_policy", EvaluatePolicy, Verdict, "verdict:give", evaluate_policy),)
