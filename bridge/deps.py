"""What a worker's stages work with, made once per process."""

from __future__ import annotations

import msgspec

from bridge.artifacts import ArtifactFiles
from bridge.checkpoints import Checkpoints
from bridge.jobs.executor import Executor
from bridge.policy import Seal
from bridge.settings import Settings
from bridge.store.catalogue import Catalogue
from bridge.store.engine import Engine
from bridge.store.notices import Notices
from bridge.store.runs import RunStore


class Deps(msgspec.Struct, frozen=True):
    settings: Settings
    engine: Engine
    runs: RunStore
    notices: Notices
    catalogue: Catalogue
    artifacts: ArtifactFiles
    checkpoints: Checkpoints
    jobs: Executor
    seal: Seal
