"""Thundergrid's schema: what can be asked, each answer being one procedure's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, TypeVar, cast

import strawberry
from graphql import GraphQLError
from strawberry.extensions import (
    AddValidationRules,
    MaskErrors,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    ParserCache,
    QueryDepthLimiter,
    ValidationCache,
)
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from bridge import procedures, replies, requests
from bridge.procedures import Bridge
from cerebros.errors import CerebrosError
from grid_graphql.types import (
    Artifact,
    GateReport,
    HealthReport,
    Neighbour,
    QueueStatus,
    Run,
    RunEstimate,
    RunEvent,
    Shortlist,
    Study,
    StudyTrial,
    Suggestion,
    TrainingLock,
    Trial,
    VcvEntry,
    Verdict,
)
from grid_graphql.vocabulary import (
    BIG_INT,
    BigInt,
    Direction,
    LockState,
    Outcome,
    Queue,
    RunKind,
    RunState,
    Sampler,
)

Answer = TypeVar("Answer")

RunId = Annotated[str, strawberry.argument(description="The run's id.")]
StudyId = Annotated[str, strawberry.argument(description="The study's id.")]
PacId = Annotated[str, strawberry.argument(description="The PAC's id.")]
AnyPac = Annotated[str | None, strawberry.argument(description="Only this PAC; all of them when null.")]
CurrentOr = Annotated[int | None, strawberry.argument(description="A version; the current one when null.")]
Earlier = Annotated[int, strawberry.argument(description="The earlier version, from 1.")]
Reason = Annotated[str, strawberry.argument(description="Why, for the one who reads it later.")]
Seen = Annotated[int, strawberry.argument(description="The last number the caller has seen; 0 for all.")]
Holder = Annotated[str, strawberry.argument(description="Who decides this, for those who ask later.")]
SeenEpoch = Annotated[int | None, strawberry.argument(description="The epoch the caller has seen; null: any.")]
Count = Annotated[int, strawberry.argument(description="So many, 1 to 64.")]
Limit = Annotated[int, strawberry.argument(description="At most so many, 1 to 1,000.")]


@dataclass(frozen=True)
class Context:
    """What a resolver gets besides its arguments."""

    bridge: Bridge


Info = strawberry.Info[Context, None]

_BUDGET = requests.Budget()
_START = requests.StartRun(pac_id="", manifest="")


@strawberry.input(description="What a search may spend.")
class BudgetInput:
    trials: int = strawberry.field(default=_BUDGET.trials, description="Candidates trained to the end.")
    wall_s: float = strawberry.field(
        default=_BUDGET.wall_s, description="Seconds from the run's start to its last trial's start."
    )
    parameters: int = strawberry.field(
        default=_BUDGET.parameters, description="Trainable weights that a candidate may have."
    )
    epochs: int = strawberry.field(
        default=_BUDGET.epochs, description="Passes over the training rows per trial, at most."
    )
    probes: int = strawberry.field(
        default=_BUDGET.probes,
        description="One-epoch trainings that inform the shortlist where no earlier trials are known.",
    )
    shortlist: int = strawberry.field(
        default=_BUDGET.shortlist, description="Candidates that the Parzen estimator hands to the search."
    )
    flops: int | None = strawberry.field(
        default=None, description="Floating-point operations that a candidate's prediction may take."
    )
    window: int = strawberry.field(default=_BUDGET.window, description="Trials that may be in flight.")
    rungs: int = strawberry.field(
        default=_BUDGET.rungs,
        description="1 trains every trial to the end; with more, only the best third goes on from each rung.",
    )
    repeats: int = strawberry.field(
        default=_BUDGET.repeats,
        description="Seeds that each of the front's most accurate few is trained with before one is chosen.",
    )


@strawberry.input(description="A search (`nas`) or a whole training cycle (`cycle`) for one PAC.")
class StartRunInput:
    pac_id: str = strawberry.field(description="The PAC that shall get better.")
    manifest: str = strawberry.field(description="Path of the dataset manifest on the bridge's host.")
    run_id: str | None = strawberry.field(default=None, description="The caller's id for the run; a UUIDv7 when null.")
    kind: RunKind = strawberry.field(default=RunKind(_START.kind), description="Search or whole cycle.")
    task: str = strawberry.field(
        default=_START.task,
        description="What the PAC shall be able to do, in words; the manifest's description when empty.",
    )
    budget: BudgetInput = strawberry.field(default_factory=BudgetInput, description="What the search may spend.")
    objectives: list[str] = strawberry.field(
        default_factory=lambda: list(_START.objectives), description="Names of objectives, at least one."
    )
    sampler: Sampler = strawberry.field(default=Sampler(_START.sampler), description="What proposes candidates.")
    seed: BigInt = strawberry.field(default=BigInt(_START.seed), description="Seed of every random choice, from 0.")
    deadline_s: float | None = strawberry.field(
        default=None, description="Seconds of the service's clock after which it ends as `timed_out`; none when null."
    )
    correlation_id: str | None = strawberry.field(
        default=None, description="The caller's id of what this belongs to; it returns in the run's events."
    )
    queue: Queue = strawberry.field(default=Queue(_START.queue), description="Which workers may take it.")
    priority: int = strawberry.field(default=_START.priority, description="From 0 to 9; higher ones are taken first.")


@strawberry.input(description="The run to estimate.")
class EstimateRunInput:
    manifest: str = strawberry.field(description="Path of the dataset manifest on the bridge's host.")
    kind: RunKind = strawberry.field(default=RunKind(_START.kind), description="Search or whole cycle.")
    budget: BudgetInput = strawberry.field(default_factory=BudgetInput, description="What the search may spend.")


@strawberry.input(description="A figure that a study's caller measures.")
class StudyObjectiveInput:
    name: str = strawberry.field(description="Reports give its value under this name.")
    direction: Direction = strawberry.field(description="Whether less or more of it is better.")


_STUDY = requests.CreateStudy(space={}, objectives=())


@strawberry.input(description="An optimiser for a caller who evaluates by itself.")
class CreateStudyInput:
    space: JSON = strawberry.field(
        description="What there is to decide: `{root, types}`, each type with its `params` and `slots`, "
        "and `limits` on the whole tree."
    )
    objectives: list[StudyObjectiveInput] = strawberry.field(description="One to four.")
    study_id: str | None = strawberry.field(
        default=None, description="The caller's id for the study; a UUIDv7 when null."
    )
    sampler: Sampler = strawberry.field(default=Sampler(_STUDY.sampler), description="What proposes candidates.")
    seed: BigInt = strawberry.field(default=BigInt(_STUDY.seed), description="Seed of every random choice, from 0.")
    lease_s: float = strawberry.field(
        default=_STUDY.lease_s, description="Seconds after which a trial without a report is handed out again."
    )


@strawberry.input(description="How a trial of a study ended.")
class ReportInput:
    study_id: str = strawberry.field(description="The study's id.")
    number: int = strawberry.field(description="The trial's number, as suggested.")
    epoch: int = strawberry.field(description="The suggestion's epoch.")
    outcome: Outcome = strawberry.field(default=Outcome.ok, description="`ok` with values; any other without.")
    values: JSON = strawberry.field(default_factory=dict, description="A finite value for each objective, by its name.")
    reason: str = strawberry.field(default="", description="Why it ended otherwise than `ok`.")


async def _capability_vector(info: Info, pac_id: PacId, version: CurrentOr = None) -> VcvEntry:
    return await _ask(info, "get_capability", VcvEntry, pac_id=pac_id, version=version)


async def _vcv_entries(info: Info, pac_id: AnyPac = None, limit: Limit = 50) -> list[VcvEntry]:
    reply = await _ask(info, "list_capabilities", replies.VcvList, pac_id=pac_id, limit=limit)
    return cast(list[VcvEntry], reply.entries)


async def _nearest_capabilities(info: Info, pac_id: PacId, limit: Limit = 10) -> list[Neighbour]:
    reply = await _ask(info, "nearest_capabilities", replies.NeighbourList, pac_id=pac_id, limit=limit)
    return cast(list[Neighbour], reply.neighbours)


async def _run(info: Info, run_id: RunId) -> Run:
    return await _ask(info, "get_run", Run, run_id=run_id)


async def _runs(info: Info, pac_id: AnyPac = None, state: RunState | None = None, limit: Limit = 50) -> list[Run]:
    reply = await _ask(info, "list_runs", replies.RunList, pac_id=pac_id, state=state, limit=limit)
    return cast(list[Run], reply.runs)


async def _trials(info: Info, run_id: RunId) -> list[Trial]:
    reply = await _ask(info, "list_trials", replies.TrialList, run_id=run_id)
    return cast(list[Trial], reply.trials)


async def _shortlist(info: Info, run_id: RunId) -> Shortlist:
    return await _ask(info, "shortlist", Shortlist, run_id=run_id)


async def _artifacts(info: Info, run_id: RunId) -> list[Artifact]:
    reply = await _ask(info, "list_artifacts", replies.ArtifactList, run_id=run_id)
    return cast(list[Artifact], reply.artifacts)


async def _estimate(info: Info, input: EstimateRunInput) -> RunEstimate:
    return await _ask(info, "estimate", RunEstimate, **_given(input))


async def _studies(info: Info, limit: Limit = 50) -> list[Study]:
    reply = await _ask(info, "list_studies", replies.StudyList, limit=limit)
    return cast(list[Study], reply.studies)


async def _best_trials(info: Info, study_id: StudyId, limit: Limit = 50) -> list[StudyTrial]:
    reply = await _ask(info, "best_trials", replies.StudyTrialList, study_id=study_id, limit=limit)
    return cast(list[StudyTrial], reply.trials)


async def _gate(info: Info, pac_id: AnyPac = None) -> GateReport:
    return await _ask(info, "check_gate", GateReport, pac_id=pac_id)


async def _training_lock(info: Info, pac_id: PacId) -> TrainingLock:
    return await _ask(info, "get_training_lock", TrainingLock, pac_id=pac_id)


async def _queues(info: Info) -> list[QueueStatus]:
    return cast(list[QueueStatus], (await _ask(info, "list_queues", replies.QueueList)).queues)


async def _health(info: Info) -> HealthReport:
    return await _ask(info, "health", HealthReport)


@strawberry.type(description="What can be read.")
class Query:
    capability_vector: VcvEntry = strawberry.field(
        resolver=_capability_vector, description="A PAC's current capability vector, or one version of it."
    )
    vcv_entries: list[VcvEntry] = strawberry.field(
        resolver=_vcv_entries, description="Capability vectors, newest first."
    )
    nearest_capabilities: list[Neighbour] = strawberry.field(
        resolver=_nearest_capabilities, description="Current vectors of other PACs, nearest first."
    )
    run: Run = strawberry.field(resolver=_run, description="One run as it stands.")
    runs: list[Run] = strawberry.field(resolver=_runs, description="Runs, newest first.")
    trials: list[Trial] = strawberry.field(
        resolver=_trials, description="Every trial of a run, in order of their numbers."
    )
    shortlist: Shortlist = strawberry.field(
        resolver=_shortlist, description="The candidates that the Parzen estimator proposed for a run."
    )
    artifacts: list[Artifact] = strawberry.field(resolver=_artifacts, description="The artifacts that a run left.")
    estimate: RunEstimate = strawberry.field(
        resolver=_estimate, description="What a run would take, by measured runs of its kind on the same dataset."
    )
    studies: list[Study] = strawberry.field(resolver=_studies, description="Studies, newest first.")
    best_trials: list[StudyTrial] = strawberry.field(
        resolver=_best_trials, description="The trials of a study that no other trial beats, by number."
    )
    gate: GateReport = strawberry.field(
        resolver=_gate, description="What the Balance Readiness Gate says, of everything or of one PAC."
    )
    training_lock: TrainingLock = strawberry.field(
        resolver=_training_lock, description="Whether a PAC may be trained, and by which run it is trained now."
    )
    queues: list[QueueStatus] = strawberry.field(
        resolver=_queues, description="The queues, with what waits and works in them."
    )
    health: HealthReport = strawberry.field(resolver=_health, description="How the service is doing.")


async def _start_run(info: Info, input: StartRunInput) -> Run:
    return await _ask(info, "start_run", Run, **_given(input))


async def _cancel_run(info: Info, run_id: RunId, reason: Reason = "") -> Run:
    return await _ask(info, "cancel_run", Run, run_id=run_id, reason=reason)


async def _rollback(info: Info, pac_id: PacId, version: Earlier, reason: Reason) -> VcvEntry:
    return await _ask(info, "rollback", VcvEntry, pac_id=pac_id, version=version, reason=reason)


async def _set_training_lock(
    info: Info, pac_id: PacId, state: LockState, holder: Holder, reason: Reason, expected_epoch: SeenEpoch = None
) -> TrainingLock:
    return await _ask(
        info,
        "set_training_lock",
        TrainingLock,
        pac_id=pac_id,
        state=state,
        holder=holder,
        reason=reason,
        expected_epoch=expected_epoch,
    )


async def _evaluate_policy(info: Info, run_id: RunId) -> Verdict:
    return await _ask(info, "evaluate_policy", Verdict, run_id=run_id)


async def _promote(info: Info, run_id: RunId) -> VcvEntry:
    return await _ask(info, "promote", VcvEntry, run_id=run_id)


async def _create_study(info: Info, input: CreateStudyInput) -> Study:
    return await _ask(info, "create_study", Study, **_given(input))


async def _suggest(info: Info, study_id: StudyId, count: Count = 1) -> list[Suggestion]:
    reply = await _ask(info, "suggest", replies.SuggestionList, study_id=study_id, count=count)
    return cast(list[Suggestion], reply.suggestions)


async def _report(info: Info, input: ReportInput) -> StudyTrial:
    return await _ask(info, "report", StudyTrial, **_given(input))


async def _delete_study(info: Info, study_id: StudyId) -> Study:
    return await _ask(info, "delete_study", Study, study_id=study_id)


@strawberry.type(description="What can be changed.")
class Mutation:
    start_run: Run = strawberry.mutation(
        resolver=_start_run,
        description="Accept a run and answer at once. The same `runId` with the same input answers the same "
        "run; with another input it is refused as ALREADY_EXISTS.",
    )
    cancel_run: Run = strawberry.mutation(
        resolver=_cancel_run, description="Ask a run to end; one that has ended is answered as it is."
    )
    rollback: VcvEntry = strawberry.mutation(
        resolver=_rollback,
        description="Make an earlier version current again by writing it as a new version.",
    )
    set_training_lock: TrainingLock = strawberry.mutation(
        resolver=_set_training_lock,
        description="Open or close a PAC for training; refused as FAILED_PRECONDITION where somebody was faster.",
    )
    evaluate_policy: Verdict = strawberry.mutation(
        resolver=_evaluate_policy,
        description="Judge the model of an ended run by the policy in force now; the signed verdict is kept.",
    )
    promote: VcvEntry = strawberry.mutation(
        resolver=_promote,
        description="Write the model of an ended run as its PAC's next version, under the run's newest verdict; "
        "a verdict promotes once.",
    )
    create_study: Study = strawberry.mutation(
        resolver=_create_study,
        description="Open an optimiser. The same `studyId` with the same input answers the same study; with "
        "another input it is refused as ALREADY_EXISTS.",
    )
    suggest: list[Suggestion] = strawberry.mutation(
        resolver=_suggest,
        description="Hand out trials: first those whose lease ran out, under a raised epoch, then new ones.",
    )
    report: StudyTrial = strawberry.mutation(
        resolver=_report, description="Tell how a trial ended, once; the same report again answers the same."
    )
    delete_study: Study = strawberry.mutation(
        resolver=_delete_study, description="Forget a study with its trials; the answer is the study as it stood."
    )


async def _run_events(info: Info, run_id: RunId, after_seq: Seen = 0) -> AsyncGenerator[RunEvent, None]:
    events = procedures.watch(info.context.bridge, {"run_id": run_id, "after_seq": after_seq})
    try:
        async for event in cast(AsyncIterator[RunEvent], events):
            yield event
    except CerebrosError as error:
        raise _refusal(error) from None


@strawberry.type(description="What can be followed.")
class Subscription:
    run_events: AsyncGenerator[RunEvent, None] = strawberry.subscription(
        resolver=_run_events,
        description="A run's events behind `afterSeq`, without gap or repeat, until the run has ended.",
    )


async def _ask(info: Info, procedure: str, answer: type[Answer], **raw: Any) -> Answer:
    # `answer` names the type whose attributes the reply has: the struct itself, or its GraphQL double.
    # An argument that is null is one that was not given, so the procedure's own default holds.
    words = {name: _word(value) for name, value in raw.items() if value is not None}
    try:
        return cast(Answer, await procedures.call(info.context.bridge, procedure, words))
    except CerebrosError as error:
        raise _refusal(error) from None


def _given(part: object) -> dict[str, Any]:
    """An input's fields by their names."""
    return {field.name: getattr(part, field.name) for field in fields(cast(Any, part))}


def _word(value: object) -> object:
    match value:
        case StrEnum():
            return value.value
        case BudgetInput() | StudyObjectiveInput():
            return {name: _word(part) for name, part in _given(value).items()}
        case list():
            return [_word(part) for part in value]
    return value


def _refusal(error: CerebrosError) -> GraphQLError:
    return GraphQLError(
        error.message,
        extensions={
            "code": error.code,
            "class": error.error_class,
            "retryable": error.retryable,
            "retryAfterS": error.retry_after_s,
        },
    )


def _is_defect(error: GraphQLError) -> bool:
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


class Thundergrid(strawberry.Schema):
    """The schema; only defects of ours reach the log, a caller's mistakes are the caller's to read."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        super().process_errors([error for error in errors if _is_defect(error)], execution_context)


# The deepest data hangs four levels down (nearestCapabilities.entry.…, runs.front.metrics.…); one more
# leaves room for a fragment. Introspection is not counted.
MAX_DEPTH = 5

# An alias repeats a whole answer, up to 1,000 rows of it. There is no other way to ask for more: no list
# inside a list takes a size, so these limits bound the cost of a query.
MAX_ALIASES = 16

# GraphiQL's introspection has about 350 tokens, a query for every field of every type about 250.
MAX_TOKENS = 1000

# Documents kept parsed and validated. Clients send few different ones, with variables; parsing and
# validation take most of a small query's time.
KEPT_DOCUMENTS = 256

# Made once: a limiter makes a new rule class each time it is made, and ValidationCache, whose key holds the
# rules, would never find a document again.
_LIMITS = [
    *QueryDepthLimiter(max_depth=MAX_DEPTH).validation_rules,
    *MaxAliasesLimiter(max_alias_count=MAX_ALIASES).validation_rules,
]

SCHEMA = Thundergrid(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(scalar_map={BigInt: BIG_INT}),
    extensions=[
        lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
        lambda: AddValidationRules(_LIMITS),
        lambda: ParserCache(maxsize=KEPT_DOCUMENTS),
        lambda: ValidationCache(maxsize=KEPT_DOCUMENTS),
        # The text of an unforeseen exception is for the log.
        lambda: MaskErrors(_is_defect, "INTERNAL: a defect of the bridge; its log says more"),
    ],
)
