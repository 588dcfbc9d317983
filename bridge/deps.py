"""What a worker's stages work with, made once per process."""

from __future__ import annotations

import msgspec

from bridge.artifacts import ArtifactFiles
from bridge.jobs.pool import JobPool
from bridge.policy import Seal
from bridge.settings import Settings
from bridge.store.catalogue import Catalogue
from bridge.store.runs import RunStore


class Deps(msgspec.Struct, frozen=True):
    settings: Settings
    runs: RunStore
    catalogue: Catalogue
    artifacts: ArtifactFiles
    jobs: JobPool
    seal: Seal
