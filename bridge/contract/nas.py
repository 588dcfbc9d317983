"""Architecture search: what is asked for, the shortlist, and what a search will take."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.contract.words import MANIFEST, VOCABULARIES, Id, Message, Sampler, Seconds, Seed
from cerebros.metrics import Large
from cerebros.search.objectives import USUAL
from cerebros.space.rose_tree import Tree


class Budget(Message, frozen=True, kw_only=True):
    """Limits on what a search may spend."""

    trials: Annotated[int, Meta(ge=1, le=10_000, description="Number of candidates trained.")] = 24
    wall_s: Annotated[Seconds, Meta(description="Seconds from the run's start to its last trial's start.")] = 900.0
    parameters: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="Largest number of trainable weights of a candidate.")
    ] = 2_000_000
    flops: Annotated[
        Annotated[Large, Meta(ge=1, le=2**53)] | None,
        Meta(
            description="Largest number of floating-point operations of one prediction, two per multiply-accumulate; "
            "no limit when absent."
        ),
    ] = None
    epochs: Annotated[
        int, Meta(ge=1, le=10_000, description="Largest number of passes over the training rows per trial.")
    ] = 24
    probes: Annotated[
        int,
        Meta(
            ge=4,
            le=1000,
            description="Number of one-epoch trainings that inform the shortlist where the database knows fewer than "
            "8 earlier trials on the dataset.",
        ),
    ] = 12
    shortlist: Annotated[
        int, Meta(ge=1, le=1000, description="Number of candidates that the Parzen estimator hands to the search.")
    ] = 6
    window: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Largest number of trainings in flight. Training n is decided from the results of trainings "
            "0 to n - window, whatever finished first.",
        ),
    ] = 4
    population: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Number of new candidates proposed together and trained side by side in one process, as one "
            "training of the window. Above 1 it is fast for narrow data and on a GPU; seconds and joules of a trial "
            "are then its share.",
        ),
    ] = 1
    rungs: Annotated[
        int,
        Meta(
            ge=1,
            le=5,
            description="Number of rungs of successive halving. 1 trains every trial to the end; with more, trials "
            "wait at rungs (3: after 1/9 and 1/3 of the epochs), only the best third goes on from each, and the "
            "others end as `pruned`.",
        ),
    ] = 1
    repeats: Annotated[
        int,
        Meta(
            ge=1,
            le=16,
            description="Number of seeds that each of the most accurate few of the Pareto set is trained with before "
            "the best mean is chosen; 1 repeats nothing.",
        ),
    ] = 1


class SearchSpec(Message, frozen=True, kw_only=True, tag_field="kind"):
    """Search for the networks that suit a dataset best."""

    manifest: Annotated[
        str,
        Meta(min_length=1, max_length=4096, description=MANIFEST),
    ]
    task: Annotated[
        str,
        Meta(
            max_length=4096,
            description="Ability that the PAC is trained for, in words; it becomes the capability embedding. The "
            "manifest's description when empty.",
        ),
    ] = ""
    budget: Annotated[Budget, Meta(description="Limits on what the search may spend.")] = Budget()
    objectives: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Names of objectives (`accuracy`, `latency`, `energy`, `cost`, `parameters`, `operations`), or "
            "the name of one set with limits: `accurate`, `balanced`, `edge`, `frugal`.",
        ),
    ] = USUAL
    limits: Annotated[
        dict[str, float],
        Meta(
            description="Hard limits by objective, in the unit of its figure: accuracy at least, all others at most. "
            "The search prefers candidates within them; a model that breaks one in the end is not promoted."
        ),
    ] = msgspec.field(default_factory=dict)
    warm_start: Annotated[
        Id | None,
        Meta(description="Ended run on the same dataset, whose trials the search knows from the start."),
    ] = None
    candidates: Annotated[
        tuple[Tree, ...],
        Meta(
            max_length=1000,
            description="Trees `{t, p, c}` to try first, such as a reviewed shortlist; the run's own shortlist then "
            "holds these and nothing else.",
        ),
    ] = ()
    sampler: Annotated[Sampler, Meta(description=VOCABULARIES["Sampler"].description)] = "rose"
    seed: Annotated[Seed, Meta(description="Seed of every random choice.")] = 8675309


class Nas(SearchSpec, frozen=True, kw_only=True, tag="nas"):
    """Architecture search: check the data, shortlist, search, score the best candidate."""


class Cycle(SearchSpec, frozen=True, kw_only=True, tag="cycle"):
    """A whole training cycle: an architecture search, a policy verdict on its model, and its promotion."""


class Candidate(Message, frozen=True, kw_only=True):
    """A shortlisted tree with its Parzen log densities."""

    rank: Annotated[int, Meta(description="Place in the shortlist, the best first.")]
    tree: Annotated[Tree, Meta(description="Rose tree of the candidate.")]
    tree_hash: Annotated[str, Meta(description="Digest of the tree; equal trees have equal digests.")]
    log_l: Annotated[float, Meta(description="Log density under the good trials.")]
    log_g: Annotated[float, Meta(description="Log density under the rest.")]
    score: Annotated[float, Meta(description="`log_l` minus `log_g`; more is more promising.")]


class Shortlist(Message, frozen=True, kw_only=True):
    """Candidates that the Parzen estimator proposed for a run."""

    run_id: Annotated[str, Meta(description="Id of the run.")]
    observations: Annotated[int, Meta(description="Number of earlier trials that the estimator knew.")]
    probes: Annotated[int, Meta(description="Number of one-epoch trainings that the run made itself to inform it.")]
    candidates: Annotated[tuple[Candidate, ...], Meta(description="Candidates, in order of rank.")]


class GetShortlist(Message, frozen=True, kw_only=True):
    """Read the candidates that the Parzen estimator proposed for a run."""

    run_id: Annotated[Id, Meta(description="Id of the run.")]
