"""Procedures about studies."""

from __future__ import annotations

from bridge.contract.procedure import Caller, Procedure
from bridge.contract.studies import (
    BestTrials,
    CreateStudy,
    DeleteStudy,
    ListStudies,
    Report,
    Study,
    StudyList,
    StudyTrial,
    StudyTrialList,
    Suggest,
    SuggestionList,
)
from bridge.runs.kinds import Deps
from bridge.studies.studies import Studies


async def create_study(deps: Deps, _caller: Caller, request: CreateStudy) -> Study:
    return await deps.one(Studies).create(request)


async def suggest(deps: Deps, _caller: Caller, request: Suggest) -> SuggestionList:
    return await deps.one(Studies).suggest(request)


async def report(deps: Deps, _caller: Caller, request: Report) -> StudyTrial:
    return await deps.one(Studies).report(request)


async def best_trials(deps: Deps, _caller: Caller, request: BestTrials) -> StudyTrialList:
    return await deps.one(Studies).best_trials(request)


async def list_studies(deps: Deps, _caller: Caller, request: ListStudies) -> StudyList:
    return await deps.one(Studies).list_studies(request)


async def delete_study(deps: Deps, _caller: Caller, request: DeleteStudy) -> Study:
    return await deps.one(Studies).delete(request)


PROCEDURES = (
    Procedure("create_study", CreateStudy, Study, "study:create", create_study),
    Procedure("suggest", Suggest, SuggestionList, "study:ask", suggest),
    Procedure("report", Report, StudyTrial, "study:tell", report),
    Procedure("best_trials", BestTrials, StudyTrialList, "study:read", best_trials),
    Procedure("list_studies", ListStudies, StudyList, "study:read", list_studies, noun="studies"),
    Procedure("delete_study", DeleteStudy, Study, "study:delete", delete_study, operator=True),
)
