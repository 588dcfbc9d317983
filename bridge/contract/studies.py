"""Studies: optimisers for callers who evaluate by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.contract.words import Id, Message, Outcome, PageSize, Seconds, Seed, StudySampler
from cerebros.space.rose_tree import Space, Tree


class StudyObjective(Message, frozen=True, kw_only=True):
    """A figure that the caller measures, and whether less or more of it is better."""

    name: Id
    direction: Literal["minimize", "maximize"]


class CreateStudy(Message, frozen=True, kw_only=True):
    """Open an optimiser for a caller who evaluates by itself.

    Attributes:
        space: `{root, types, limits}`: node types with their parameters and
            slots, and limits on the whole tree (`cerebros/space/rose_tree.py`), or
            a flat form (`cerebros/space/spaces.py`); a list as `{parameters: […]}`.
        objectives: one to four; a proposal's cost grows steeply with them.
        lease_s: a trial that is not reported for so long is handed out again.
    """

    space: dict[str, Any]
    objectives: Annotated[tuple[StudyObjective, ...], Meta(min_length=1, max_length=4)]
    study_id: Id | None = None
    sampler: StudySampler = "rose"
    seed: Seed = 8675309
    lease_s: Seconds = 3600.0


class Suggest(Message, frozen=True, kw_only=True):
    """Ask for the next trials; each call hands out others, also when it is a retry."""

    study_id: Id
    count: Annotated[int, Meta(ge=1, le=64)] = 1


class Report(Message, frozen=True, kw_only=True):
    """Tell how a trial ended.

    Attributes:
        attempt: that of the suggestion; a trial handed out again has a higher one.
        outcome: `ok` with a value for each objective; any other without values.
    """

    study_id: Id
    number: Annotated[int, Meta(ge=0)]
    attempt: Annotated[int, Meta(ge=1)]
    outcome: Outcome = "ok"
    values: dict[str, float] = msgspec.field(default_factory=dict)
    reason: Annotated[str, Meta(max_length=1024)] = ""


class BestTrials(Message, frozen=True, kw_only=True):
    study_id: Id
    limit: PageSize = 50


class ListStudies(Message, frozen=True, kw_only=True):
    limit: PageSize = 50


class DeleteStudy(Message, frozen=True, kw_only=True):
    study_id: Id


class Study(Message, frozen=True, kw_only=True):
    """A study as it stands; `trials_out` were handed out and not reported yet."""

    study_id: str
    space: Space
    objectives: tuple[StudyObjective, ...]
    sampler: StudySampler
    seed: int
    lease_s: float
    trials_total: int
    trials_ok: int
    trials_out: int
    created_at: datetime


class StudyList(Message, frozen=True, kw_only=True):
    studies: tuple[Study, ...]


class Suggestion(Message, frozen=True, kw_only=True):
    """A trial to evaluate; report it with its number and attempt, within `lease_s` seconds of the service's clock."""

    study_id: str
    number: int
    attempt: int
    tree: Tree
    tree_hash: str
    lease_s: float


class SuggestionList(Message, frozen=True, kw_only=True):
    suggestions: tuple[Suggestion, ...]


class StudyTrial(Message, frozen=True, kw_only=True):
    """A trial of a study; `outcome` is None while it is out."""

    number: int
    attempt: int
    outcome: Outcome | None
    tree: Tree
    tree_hash: str
    values: dict[str, float]
    reason: str | None = None


class StudyTrialList(Message, frozen=True, kw_only=True):
    trials: tuple[StudyTrial, ...]
