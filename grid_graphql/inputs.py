"""What callers give to Thundergrid: the arguments and inputs of its queries and mutations, described."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from bridge.contract import requests
from grid_graphql.vocabulary import BigInt, Direction, Outcome, Queue, RunKind, Sampler

RunId = Annotated[str, strawberry.argument(description="The run's id.")]
StudyId = Annotated[str, strawberry.argument(description="The study's id.")]
PacId = Annotated[str, strawberry.argument(description="The PAC's id.")]
AnyPac = Annotated[str | None, strawberry.argument(description="Only this PAC; all of them when null.")]
CurrentOr = Annotated[int | None, strawberry.argument(description="A version; the current one when null.")]
Earlier = Annotated[int, strawberry.argument(description="The earlier version, from 1.")]
Reason = Annotated[str, strawberry.argument(description="Why, for the one who reads it later.")]
Seen = Annotated[int, strawberry.argument(description="The last number the caller has seen; 0 for all.")]
SeenTrial = Annotated[int, strawberry.argument(description="The last number of the page before; -1 for the first.")]
Holder = Annotated[str, strawberry.argument(description="Who decides this, for those who ask later.")]
SeenEpoch = Annotated[int | None, strawberry.argument(description="The epoch the caller has seen; null: any.")]
Count = Annotated[int, strawberry.argument(description="So many, 1 to 64.")]
Limit = Annotated[int, strawberry.argument(description="At most so many, 1 to 1,000.")]

# The contract's own defaults, so that they are written once.
_BUDGET = requests.Budget()
_START = requests.StartRun(pac_id="", manifest="")
_STUDY = requests.CreateStudy(space={}, objectives=())


@strawberry.input(description="What a search may spend.")
class BudgetInput:
    trials: int = strawberry.field(
        default=_BUDGET.trials, description="Candidates trained; with `rungs` above 1 most of them end early."
    )
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
        description="One-epoch trainings that inform the shortlist where the dataset has fewer than 8 earlier trials.",
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
    population: int = strawberry.field(
        default=_BUDGET.population, description="New trials that are proposed together and trained side by side."
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
    limits: JSON = strawberry.field(
        default_factory=dict, description="Hard limits by objective: accuracy at least, all others at most."
    )
    warm_start: str | None = strawberry.field(
        default=None, description="An ended run on the same dataset, whose trials the search knows from the start."
    )
    candidates: list[JSON] = strawberry.field(
        default_factory=list, description="Trees `{t, p, c}` to try first, such as a reviewed shortlist."
    )


@strawberry.input(description="The run to estimate.")
class EstimateRunInput:
    manifest: str = strawberry.field(description="Path of the dataset manifest on the bridge's host.")
    kind: RunKind = strawberry.field(default=RunKind(_START.kind), description="Search or whole cycle.")
    budget: BudgetInput = strawberry.field(default_factory=BudgetInput, description="What the search may spend.")


@strawberry.input(description="A figure that a study's caller measures.")
class StudyObjectiveInput:
    name: str = strawberry.field(description="Reports give its value under this name.")
    direction: Direction = strawberry.field(description="Whether less or more of it is better.")


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
