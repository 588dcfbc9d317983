"""What a worker's stages work with, made once per process."""

from __future__ import annotations

import msgspec

from bridge.capability.rows import Catalogue
from bridge.jobs.executor import Executor
from bridge.policy.rules import Seal
from bridge.process.settings import Settings
from bridge.runs.checkpoints import Checkpoints
from bridge.runs.engine import Engine
from bridge.runs.notices import Notices
from bridge.runs.rows import RunStore
from bridge.store.artifacts import ArtifactFiles


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
