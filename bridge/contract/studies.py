"""Studies: optimisers for callers who evaluate by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.contract.words import COUNT, Direction, Id, Message, Outcome, PageSize, Seconds, Seed, StudySampler
from cerebros.metrics import Large
from cerebros.space.rose_tree import Space, Tree


class StudyObjective(Message, frozen=True, kw_only=True):
    """A figure that a study's caller measures."""

    name: Annotated[Id, Meta(description="Name under which reports give the figure's value.")]
    direction: Annotated[Direction, Meta(description="Direction in which the figure gets better.")]


class CreateStudy(Message, frozen=True, kw_only=True):
    """Open an optimiser for a caller who evaluates by itself.

    The same `study_id` with the same content answers the same study; with other content ALREADY_EXISTS.
    """

    space: Annotated[
        dict[str, Any],
        Meta(
            description="Decisions to make: `{root, types, limits}`, each type with its `params` (`float`, `int`, "
            "`choice` or `ordered`) and `slots` of ordered children. A parameter with `when: {other: [values]}` exists "
            "where the other one has such a value; `limits` bound the whole tree: `{count: type, at_most: n}`, "
            '`{sum: "type.param", at_least: n}`. Numbers are finite and within ±2^53. Its largest tree may have 16 '
            "levels, and 1,024 nodes, decisions and values that conditions name; its rules may list 20,000 values. "
            "Flat forms are read as well: a map of ranges and choices, or a list of parameters as "
            "`{parameters: [{name, type, …}]}`."
        ),
    ]
    objectives: Annotated[
        tuple[StudyObjective, ...],
        Meta(
            min_length=1,
            max_length=4,
            description="Figures to optimise; a proposal's cost grows steeply with their number.",
        ),
    ]
    study_id: Annotated[Id | None, Meta(description="Id that the caller gives the study; a UUIDv7 when absent.")] = None
    sampler: Annotated[StudySampler, Meta(description="Proposer of trials.")] = "rose"
    seed: Annotated[Seed, Meta(description="Seed of every random choice.")] = 8675309
    lease_s: Annotated[
        Seconds, Meta(description="Seconds after which a trial without a report is handed out again.")
    ] = 3600.0


class Suggest(Message, frozen=True, kw_only=True):
    """Ask for the next trials; each call hands out others, also when it is a retry.

    Trials whose lease ran out come first, under a raised attempt, then new ones while fewer than 256 are
    out. RESOURCE_EXHAUSTED where there is not one to hand out.
    """

    study_id: Annotated[Id, Meta(description="Id of the study.")]
    count: Annotated[int, Meta(ge=1, le=64, description="Largest number of trials in the answer.")] = 1


class Report(Message, frozen=True, kw_only=True):
    """Report how a trial of a study ended.

    The same report again answers the same; another one ALREADY_EXISTS; one of an attempt before the
    trial's FAILED_PRECONDITION.
    """

    study_id: Annotated[Id, Meta(description="Id of the study.")]
    number: Annotated[int, Meta(ge=0, le=COUNT, description="Number of the trial, as suggested.")]
    attempt: Annotated[
        int, Meta(ge=1, le=COUNT, description="Attempt of the suggestion; a trial handed out again has a higher one.")
    ]
    outcome: Annotated[
        Outcome, Meta(description="End of the trial: `ok` with a value for each objective, any other without values.")
    ] = "ok"
    values: Annotated[
        dict[str, float],
        Meta(description="Finite value of each objective, by its name; where one is not, report `diverged`."),
    ] = msgspec.field(default_factory=dict)
    reason: Annotated[str, Meta(max_length=1024, description="Reason why it ended otherwise than `ok`.")] = ""


class BestTrials(Message, frozen=True, kw_only=True):
    """List the trials of a study that no other trial beats, by number."""

    study_id: Annotated[Id, Meta(description="Id of the study.")]
    limit: Annotated[PageSize, Meta(description="Largest number of trials in the answer.")] = 50


class ListStudies(Message, frozen=True, kw_only=True):
    """List studies, newest first."""

    limit: Annotated[PageSize, Meta(description="Largest number of studies in the answer.")] = 50


class DeleteStudy(Message, frozen=True, kw_only=True):
    """Forget a study with its trials, and answer it as it stood."""

    study_id: Annotated[Id, Meta(description="Id of the study.")]


class Study(Message, frozen=True, kw_only=True):
    """A study as it stands: an optimiser for a caller who evaluates by itself."""

    study_id: Annotated[str, Meta(description="Id of the study.")]
    space: Annotated[Space, Meta(description="Decisions to make: node types with parameters and slots, and limits.")]
    objectives: Annotated[tuple[StudyObjective, ...], Meta(description="Figures that are optimised.")]
    sampler: Annotated[StudySampler, Meta(description="Proposer of trials.")]
    seed: Annotated[Large, Meta(description="Seed of every random choice.")]
    lease_s: Annotated[float, Meta(description="Seconds after which a trial without a report is handed out again.")]
    trials_total: Annotated[int, Meta(description="Number of trials handed out so far.")]
    trials_ok: Annotated[int, Meta(description="Number of trials that were reported with values.")]
    trials_out: Annotated[int, Meta(description="Number of trials that were handed out and not reported yet.")]
    created_at: Annotated[datetime, Meta(description="Time at which the study was opened.")]


class StudyList(Message, frozen=True, kw_only=True):
    """Studies of a list."""

    studies: Annotated[tuple[Study, ...], Meta(description="Studies, newest first.")]


class Suggestion(Message, frozen=True, kw_only=True):
    """A trial to evaluate and report with its number and attempt."""

    study_id: Annotated[str, Meta(description="Id of the study.")]
    number: Annotated[int, Meta(description="Number of the trial in its study, from 0; no two trials share one.")]
    attempt: Annotated[int, Meta(description="Number of times the trial was handed out; report it with this number.")]
    tree: Annotated[Tree, Meta(description="Rose tree of the candidate.")]
    tree_hash: Annotated[str, Meta(description="Digest of the tree; equal trees have equal digests.")]
    lease_s: Annotated[
        float, Meta(description="Seconds of the service's clock for which the trial is the caller's alone.")
    ]


class SuggestionList(Message, frozen=True, kw_only=True):
    """Trials to evaluate."""

    suggestions: Annotated[
        tuple[Suggestion, ...],
        Meta(
            description="Trials, as many as were asked for; fewer where no more may be out, or their trees are large."
        ),
    ]


class StudyTrial(Message, frozen=True, kw_only=True):
    """A trial of a study."""

    number: Annotated[int, Meta(description="Number of the trial in its study, from 0.")]
    attempt: Annotated[int, Meta(description="Number of times the trial was handed out.")]
    outcome: Annotated[Outcome | None, Meta(description="End of the trial; absent while it is out.")]
    tree: Annotated[Tree, Meta(description="Rose tree of the candidate.")]
    tree_hash: Annotated[str, Meta(description="Digest of the tree; equal trees have equal digests.")]
    values: Annotated[
        dict[str, float], Meta(description="Value of each objective, by its name; empty unless it ended `ok`.")
    ]
    reason: Annotated[str | None, Meta(description="Reason why it ended otherwise than `ok`.")] = None


class StudyTrialList(Message, frozen=True, kw_only=True):
    """Trials of a study."""

    trials: Annotated[tuple[StudyTrial, ...], Meta(description="Trials, in order of their numbers.")]
