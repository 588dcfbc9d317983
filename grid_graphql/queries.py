"""What can be read of Thundergrid: each field asks one procedure."""

from __future__ import annotations

from typing import cast

import strawberry

from bridge.contract import replies
from grid_graphql.asking import Info, ask, field, given
from grid_graphql.inputs import AnyPac, CurrentOr, EstimateRunInput, Limit, PacId, RunId, SeenTrial, StudyId
from grid_graphql.types import (
    Artifact,
    GateReport,
    HealthReport,
    Neighbour,
    QueueStatus,
    Run,
    RunEstimate,
    Shortlist,
    Study,
    StudyTrial,
    TrainingLock,
    Trial,
    VcvEntry,
)
from grid_graphql.vocabulary import RunState


@strawberry.type(description="What can be read.")
class Query:
    @field("A PAC's current capability vector, or one version of it.")
    async def capability_vector(self, info: Info, pac_id: PacId, version: CurrentOr = None) -> VcvEntry:
        return await ask(info, "get_capability", VcvEntry, pac_id=pac_id, version=version)

    @field("Capability vectors, newest first.")
    async def vcv_entries(self, info: Info, pac_id: AnyPac = None, limit: Limit = 50) -> list[VcvEntry]:
        reply = await ask(info, "list_capabilities", replies.VcvList, pac_id=pac_id, limit=limit)
        return cast(list[VcvEntry], reply.entries)

    @field("Current vectors of other PACs, nearest first.")
    async def nearest_capabilities(self, info: Info, pac_id: PacId, limit: Limit = 10) -> list[Neighbour]:
        reply = await ask(info, "nearest_capabilities", replies.NeighbourList, pac_id=pac_id, limit=limit)
        return cast(list[Neighbour], reply.neighbours)

    @field("One run as it stands.")
    async def run(self, info: Info, run_id: RunId) -> Run:
        return await ask(info, "get_run", Run, run_id=run_id)

    @field("Runs, newest first.")
    async def runs(
        self, info: Info, pac_id: AnyPac = None, state: RunState | None = None, limit: Limit = 50
    ) -> list[Run]:
        reply = await ask(info, "list_runs", replies.RunList, pac_id=pac_id, state=state, limit=limit)
        return cast(list[Run], reply.runs)

    @field("A page of a run's trials, in order of their numbers.")
    async def trials(self, info: Info, run_id: RunId, after: SeenTrial = -1, limit: Limit = 1000) -> list[Trial]:
        reply = await ask(info, "list_trials", replies.TrialList, run_id=run_id, after=after, limit=limit)
        return cast(list[Trial], reply.trials)

    @field("The candidates that the Parzen estimator proposed for a run.")
    async def shortlist(self, info: Info, run_id: RunId) -> Shortlist:
        return await ask(info, "shortlist", Shortlist, run_id=run_id)

    @field("The artifacts that a run left.")
    async def artifacts(self, info: Info, run_id: RunId) -> list[Artifact]:
        reply = await ask(info, "list_artifacts", replies.ArtifactList, run_id=run_id)
        return cast(list[Artifact], reply.artifacts)

    @field("What a run would take, by measured runs of its kind on the same dataset.")
    async def estimate(self, info: Info, input: EstimateRunInput) -> RunEstimate:
        return await ask(info, "estimate", RunEstimate, **given(input))

    @field("Studies, newest first.")
    async def studies(self, info: Info, limit: Limit = 50) -> list[Study]:
        reply = await ask(info, "list_studies", replies.StudyList, limit=limit)
        return cast(list[Study], reply.studies)

    @field("The trials of a study that no other trial beats, by number.")
    async def best_trials(self, info: Info, study_id: StudyId, limit: Limit = 50) -> list[StudyTrial]:
        reply = await ask(info, "best_trials", replies.StudyTrialList, study_id=study_id, limit=limit)
        return cast(list[StudyTrial], reply.trials)

    @field("What the Balance Readiness Gate says, of everything or of one PAC.")
    async def gate(self, info: Info, pac_id: AnyPac = None) -> GateReport:
        return await ask(info, "check_gate", GateReport, pac_id=pac_id)

    @field("Whether a PAC may be trained, and by which run it is trained now.")
    async def training_lock(self, info: Info, pac_id: PacId) -> TrainingLock:
        return await ask(info, "get_training_lock", TrainingLock, pac_id=pac_id)

    @field("The queues, with what waits and works in them.")
    async def queues(self, info: Info) -> list[QueueStatus]:
        return cast(list[QueueStatus], (await ask(info, "list_queues", replies.QueueList)).queues)

    @field("How the service is doing.")
    async def health(self, info: Info) -> HealthReport:
        return await ask(info, "health", HealthReport)
