"""Capabilities: what a PAC can do, version by version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from bridge.contract.words import COUNT, Id, Message, PageSize
from telemetry.events import Scalar


class VcvDraft(Message, frozen=True, kw_only=True):
    """A capability vector as a run proposes it; the store adds what only the store knows."""

    pac_id: Annotated[str, Meta(description="Id of the PAC.")]
    task: Annotated[str, Meta(description="Ability of the PAC, in words.")]
    capability: Annotated[tuple[float, ...], Meta(max_length=384, description="Unit embedding of `task`, 384 numbers.")]
    skills: Annotated[tuple[str, ...], Meta(description="Names of the PAC's abilities.")]
    accuracy: Annotated[float, Meta(description="Share of correct labels, F1 or R², on held-out rows.")]
    latency_s: Annotated[float, Meta(description="Median seconds of one prediction at batch size 1.")]
    cost_usd: Annotated[float, Meta(description="Dollars that the training of the model cost.")]
    energy_j: Annotated[float, Meta(description="Joules that the training of the model took.")]
    resources: Annotated[
        dict[str, Scalar],
        Meta(description="Needs of the model when it serves: names to strings, numbers, booleans or nulls."),
    ]
    policy_flags: Annotated[
        tuple[str, ...],
        Meta(description="Purposes that the dataset's manifest allows; a rollback adds `rollback: <reason>`."),
    ]
    dataset_digest: Annotated[str, Meta(description="SHA-256 of the dataset the model learnt from.")]
    artifact_digest: Annotated[str, Meta(description="SHA-256 of the model's weights.")]
    run_id: Annotated[str, Meta(description="Run that wrote this version.")]
    verdict_id: Annotated[str, Meta(description="Verdict that allowed this version.")]
    rolled_back_from: Annotated[
        int | None, Meta(description="Earlier version that this one repeats; absent unless a rollback wrote it.")
    ] = None


class VcvEntry(VcvDraft, frozen=True, kw_only=True):
    """One immutable version of a PAC's capability vector."""

    version: Annotated[int, Meta(description="Number of this version: from 1, rising by one per PAC.")]
    trust: Annotated[float, Meta(description="Share of the PAC's verdicts that allowed, as of `created_at`.")]
    reliability: Annotated[float, Meta(description="Share of the PAC's ended runs that succeeded, as of `created_at`.")]
    created_at: Annotated[datetime, Meta(description="Time at which this version was written.")]
    signature: Annotated[
        str,
        Meta(
            description="Ed25519 signature over the canonical JSON of all other fields, in hexadecimal; "
            "empty where an earlier release wrote the version."
        ),
    ] = ""


class VcvList(Message, frozen=True, kw_only=True):
    """Capability vectors of a list."""

    entries: Annotated[tuple[VcvEntry, ...], Meta(description="Versions, newest first.")]


class Neighbour(Message, frozen=True, kw_only=True):
    """Another PAC's current capability vector and its distance."""

    entry: Annotated[VcvEntry, Meta(description="Current capability vector of the other PAC.")]
    distance: Annotated[float, Meta(description="Cosine distance, 0 to 2.")]


class NeighbourList(Message, frozen=True, kw_only=True):
    """Neighbours of a PAC."""

    neighbours: Annotated[tuple[Neighbour, ...], Meta(description="Neighbours, nearest first.")]


class GetCapability(Message, frozen=True, kw_only=True):
    """Read a PAC's current capability vector, or one version of it."""

    pac_id: Annotated[Id, Meta(description="Id of the PAC.")]
    version: Annotated[
        Annotated[int, Meta(ge=1, le=COUNT)] | None, Meta(description="Version to read; the current one when absent.")
    ] = None


class ListCapabilities(Message, frozen=True, kw_only=True):
    """List capability vectors, newest first."""

    pac_id: Annotated[Id | None, Meta(description="PAC whose versions are listed; those of all PACs when absent.")] = (
        None
    )
    limit: Annotated[PageSize, Meta(description="Largest number of entries in the answer.")] = 50


class NearestCapabilities(Message, frozen=True, kw_only=True):
    """List the current capability vectors of other PACs by cosine distance, nearest first.

    All of them are compared, so none is missed; PACs at the same distance are in the order of their ids.
    """

    pac_id: Annotated[Id, Meta(description="PAC from whose current capability vector distances are measured.")]
    limit: Annotated[PageSize, Meta(description="Largest number of neighbours in the answer.")] = 10


class Rollback(Message, frozen=True, kw_only=True):
    """Make an earlier version current again, by writing it as a new version.

    Asking again for the same reason answers the version it wrote, while that is the newest.
    """

    pac_id: Annotated[Id, Meta(description="Id of the PAC.")]
    version: Annotated[int, Meta(ge=1, le=COUNT, description="Earlier version to write again.")]
    reason: Annotated[str, Meta(min_length=1, max_length=1024, description="Reason, kept with the new version.")]


class Promote(Message, frozen=True, kw_only=True):
    """Write the model of a finished run as its PAC's next capability vector, under the run's newest verdict.

    A verdict promotes once; asking again answers the version it wrote. PERMISSION_DENIED where the
    verdict denies or has expired.
    """

    run_id: Annotated[Id, Meta(description="Id of the run.")]
