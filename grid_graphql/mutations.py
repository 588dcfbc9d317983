"""What can be changed through Thundergrid: each field asks one procedure."""

from __future__ import annotations

from typing import cast

import strawberry

from bridge.contract import replies
from grid_graphql.asking import Info, ask, field, given
from grid_graphql.inputs import (
    Count,
    CreateStudyInput,
    Earlier,
    Holder,
    PacId,
    Reason,
    ReportInput,
    RunId,
    SeenEpoch,
    StartRunInput,
    StudyId,
)
from grid_graphql.types import Run, Study, StudyTrial, Suggestion, TrainingLock, VcvEntry, Verdict
from grid_graphql.vocabulary import LockState


@strawberry.type(description="What can be changed.")
class Mutation:
    @field(
        "Accept a run and answer at once. The same `runId` with the same input answers the same "
        "run; with another input it is refused as ALREADY_EXISTS."
    )
    async def start_run(self, info: Info, input: StartRunInput) -> Run:
        return await ask(info, "start_run", Run, **given(input))

    @field("Ask a run to end; one that has ended is answered as it is.")
    async def cancel_run(self, info: Info, run_id: RunId, reason: Reason = "") -> Run:
        return await ask(info, "cancel_run", Run, run_id=run_id, reason=reason)

    @field("Make an earlier version current again by writing it as a new version.")
    async def rollback(self, info: Info, pac_id: PacId, version: Earlier, reason: Reason) -> VcvEntry:
        return await ask(info, "rollback", VcvEntry, pac_id=pac_id, version=version, reason=reason)

    @field("Open or close a PAC for training; refused as FAILED_PRECONDITION where somebody was faster.")
    async def set_training_lock(
        self,
        info: Info,
        pac_id: PacId,
        state: LockState,
        holder: Holder,
        reason: Reason,
        expected_epoch: SeenEpoch = None,
    ) -> TrainingLock:
        return await ask(
            info,
            "set_training_lock",
            TrainingLock,
            pac_id=pac_id,
            state=state,
            holder=holder,
            reason=reason,
            expected_epoch=expected_epoch,
        )

    @field("Judge the model of an ended run by the policy in force now; the signed verdict is kept.")
    async def evaluate_policy(self, info: Info, run_id: RunId) -> Verdict:
        return await ask(info, "evaluate_policy", Verdict, run_id=run_id)

    @field(
        "Write the model of an ended run as its PAC's next version, under the run's newest verdict; "
        "a verdict promotes once."
    )
    async def promote(self, info: Info, run_id: RunId) -> VcvEntry:
        return await ask(info, "promote", VcvEntry, run_id=run_id)

    @field(
        "Open an optimiser. The same `studyId` with the same input answers the same study; with "
        "another input it is refused as ALREADY_EXISTS."
    )
    async def create_study(self, info: Info, input: CreateStudyInput) -> Study:
        return await ask(info, "create_study", Study, **given(input))

    @field("Hand out trials: first those whose lease ran out, under a raised epoch, then new ones.")
    async def suggest(self, info: Info, study_id: StudyId, count: Count = 1) -> list[Suggestion]:
        reply = await ask(info, "suggest", replies.SuggestionList, study_id=study_id, count=count)
        return cast(list[Suggestion], reply.suggestions)

    @field("Tell how a trial ended, once; the same report again answers the same.")
    async def report(self, info: Info, input: ReportInput) -> StudyTrial:
        return await ask(info, "report", StudyTrial, **given(input))

    @field("Forget a study with its trials; the answer is the study as it stood.")
    async def delete_study(self, info: Info, study_id: StudyId) -> Study:
        return await ask(info, "delete_study", Study, study_id=study_id)
