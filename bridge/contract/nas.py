"""Architecture search: what is asked for, the shortlist, and what a search will take."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.contract.words import Id, Message, Sampler, Seconds, Seed
from cerebros.search.objectives import USUAL
from cerebros.space.rose_tree import Tree


class Budget(Message, frozen=True, kw_only=True):
    """What a search may spend.

    Attributes:
        trials: candidates trained.
        wall_s: seconds from the run's start to its last trial's start.
        parameters: trainable weights a candidate may have.
        flops: floating-point operations that one of its predictions may take, two per multiply-accumulate.
        epochs: passes over the training rows per trial, at most.
        probes: one-epoch trainings that inform the shortlist when the database
            knows fewer than `STARTUP_TRIALS` (8) earlier trials on this dataset.
        shortlist: candidates the Parzen estimator hands to the search.
        window: trainings that may be in flight; training n is decided from the
            results of trainings 0 to n - window, whatever finished first.
        population: with more than 1, so many new trials are proposed together and
            trained side by side in one process, which is one training of the window.
            Fast for narrow data and on a GPU; their seconds and joules are shares.
        rungs: 1 trains every trial to the end. With more, successive halving:
            trials wait at rungs (3: after 1/9 and 1/3 of the epochs), only the
            best third goes on from each, the others end as pruned.
        repeats: with more than 1, the most accurate few of the front are
            trained with so many seeds each, and the best mean is chosen.
    """

    trials: Annotated[int, Meta(ge=1, le=10_000)] = 24
    wall_s: Seconds = 900.0
    parameters: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 2_000_000
    flops: Annotated[int, Meta(ge=1)] | None = None
    epochs: Annotated[int, Meta(ge=1, le=10_000)] = 24
    probes: Annotated[int, Meta(ge=4, le=1000)] = 12
    shortlist: Annotated[int, Meta(ge=1, le=1000)] = 6
    window: Annotated[int, Meta(ge=1, le=256)] = 4
    population: Annotated[int, Meta(ge=1, le=64)] = 1
    rungs: Annotated[int, Meta(ge=1, le=5)] = 1
    repeats: Annotated[int, Meta(ge=1, le=16)] = 1


class SearchSpec(Message, frozen=True, kw_only=True, tag_field="kind"):
    """Search for the networks that suit a dataset best.

    Attributes:
        manifest: path of the dataset manifest on the bridge's host.
        task: what the PAC shall be able to do, in words; it becomes the
            capability embedding. The manifest's description when empty.
        objectives: names from `cerebros.search.objectives`, or the name of one
            set of `priv/objectives`, with its limits.
        limits: hard limits by objective, in the unit of its figure: accuracy at least, all others at most. The
            search prefers what keeps them; a model that breaks one in the end is not promoted.
        warm_start: an ended run on the same dataset, whose trials the search knows from the start.
        candidates: trees `{t, p, c}` to try first, such as a shortlist that somebody has reviewed; the
            run's own shortlist then holds these and nothing else.
        sampler: `rose` screens candidates with a Gaussian process,
            `rose-parzen` trusts the densities alone, `optuna-motpe` and
            `nsga2` (population 20) are Optuna's, `random` is the baseline.
    """

    manifest: Annotated[str, Meta(min_length=1, max_length=4096)]
    task: Annotated[str, Meta(max_length=4096)] = ""
    budget: Budget = Budget()
    objectives: Annotated[tuple[str, ...], Meta(min_length=1)] = USUAL
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    warm_start: Id | None = None
    candidates: Annotated[tuple[Tree, ...], Meta(max_length=1000)] = ()
    sampler: Sampler = "rose"
    seed: Seed = 8675309


class Nas(SearchSpec, frozen=True, kw_only=True, tag="nas"):
    """Architecture search: check the data, shortlist, search, score the best candidate."""


class Cycle(SearchSpec, frozen=True, kw_only=True, tag="cycle"):
    """A whole training cycle: an architecture search, a policy verdict on its model, and its promotion."""


class Candidate(Message, frozen=True, kw_only=True):
    """A shortlisted tree with its Parzen log densities; `score = log_l - log_g`."""

    rank: int
    tree: Tree
    tree_hash: str
    log_l: float
    log_g: float
    score: float


class Shortlist(Message, frozen=True, kw_only=True):
    run_id: str
    observations: int
    probes: int
    candidates: tuple[Candidate, ...]


class GetShortlist(Message, frozen=True, kw_only=True):
    run_id: Id
