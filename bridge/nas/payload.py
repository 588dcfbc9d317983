"""Complete request of an architecture search, as it is stored with the run."""

from __future__ import annotations

import msgspec

from bridge.contract.nas import Budget, Cycle, Nas
from bridge.datasets.files import Reach
from bridge.datasets.work import Data
from bridge.runs.kinds import ClaimedRun, RunRecord
from cerebros.data.manifest import Manifest
from cerebros.search.objectives import Objective, ObjectiveSet, objectives_named


class SearchPayload(msgspec.Struct, frozen=True):
    """Spec of a search with the contents of its files, so that a later change of a file does not affect the run.

    Attributes:
        base: the directory from which relative paths of the manifest start.
        goals: the objectives with their limits.
        reach: files that the caller may have read, as `Data` has them.
    """

    spec: Nas | Cycle
    manifest: Manifest
    base: str
    goals: ObjectiveSet
    reach: Reach | None = None

    @property
    def data(self) -> Data:
        return Data(self.manifest, self.base, self.reach)

    @property
    def budget(self) -> Budget:
        return self.spec.budget

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return objectives_named(self.goals.names)


SearchRun = ClaimedRun[SearchPayload]
SearchRecord = RunRecord[SearchPayload]
