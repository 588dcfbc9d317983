"""Capabilities: what a PAC can do, version by version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from bridge.contract.words import Id, Message, PageSize
from telemetry.events import Scalar


class VcvDraft(Message, frozen=True, kw_only=True):
    """What a run says about a PAC's new capability; the store adds what only the store knows.

    `capability` is the 384-dimensional unit embedding of the task text.
    `accuracy` and `latency_s` (the median at batch size 1) are those of the
    held-out score, `cost_usd` and `energy_j` those of training the model.
    """

    pac_id: str
    task: str
    capability: tuple[float, ...]
    skills: tuple[str, ...]
    accuracy: float
    latency_s: float
    cost_usd: float
    energy_j: float
    resources: dict[str, Scalar]
    policy_flags: tuple[str, ...]
    dataset_digest: str
    artifact_digest: str
    run_id: str
    verdict_id: str
    rolled_back_from: int | None = None


class VcvEntry(VcvDraft, frozen=True, kw_only=True):
    """One immutable version of a PAC's capability vector.

    `trust` is the share of the PAC's verdicts that allowed; `reliability` the
    share of its ended runs that succeeded; both as of `created_at`.
    """

    version: int
    trust: float
    reliability: float
    created_at: datetime


class VcvList(Message, frozen=True, kw_only=True):
    entries: tuple[VcvEntry, ...]


class Neighbour(Message, frozen=True, kw_only=True):
    entry: VcvEntry
    distance: float


class NeighbourList(Message, frozen=True, kw_only=True):
    neighbours: tuple[Neighbour, ...]


class GetCapability(Message, frozen=True, kw_only=True):
    """The PAC's current capability vector, or the given version of it."""

    pac_id: Id
    version: Annotated[int, Meta(ge=1)] | None = None


class ListCapabilities(Message, frozen=True, kw_only=True):
    pac_id: Id | None = None
    limit: PageSize = 50


class NearestCapabilities(Message, frozen=True, kw_only=True):
    """Current vectors of other PACs, nearest to this PAC's by cosine distance."""

    pac_id: Id
    limit: PageSize = 10


class Rollback(Message, frozen=True, kw_only=True):
    """Make an earlier version current again, by writing it as a new version."""

    pac_id: Id
    version: Annotated[int, Meta(ge=1)]
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]


class Promote(Message, frozen=True, kw_only=True):
    """Write the model of a finished run as its PAC's next capability vector, under the run's newest verdict."""

    run_id: Id
