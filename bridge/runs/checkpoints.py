"""Checkpoints of trainings, from which the next worker resumes.

The file is written before its row, the row carries the file's SHA-256, and
the newest two of a trial are kept: if one is damaged, the one before is used.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from bridge.jobs.work import Checkpoint
from bridge.runs.claims import Claim
from bridge.runs.trials import TrialStore
from bridge.store.artifacts import make_directory, write_whole
from cerebros.errors import ArtifactCorrupt
from telemetry.events import TrialProgress
from telemetry.logs import log_failure

# One to go on from, and one for the case that it is damaged.
KEPT = 2


class Checkpoints:
    """The checkpoints of all trials, as files under one directory and rows in the database."""

    def __init__(self, directory: Path, trials: TrialStore) -> None:
        self._directory = directory
        self._trials = trials
        make_directory(directory)

    async def save(self, claim: Claim, trial: int, checkpoint: Checkpoint) -> None:
        """Store a checkpoint and delete those that are too old.

        Raises:
            StaleWorker: the claim is lost; the row is not written.
        """
        content = msgspec.msgpack.encode(checkpoint)
        digest = hashlib.sha256(content).hexdigest()
        await asyncio.to_thread(
            write_whole, self._directory / file_name(claim.run_id, trial, checkpoint.resource, digest), content
        )
        progress = TrialProgress(
            resource=checkpoint.resource,
            loss=checkpoint.curve[-1] if checkpoint.curve else None,
            duration_s=checkpoint.spent.duration_s,
            run_id=claim.run_id,
            number=trial,
        )
        await self._trials.append_checkpoint(claim, digest, len(content), progress)
        for row in await self._trials.forget_checkpoints(claim.run_id, trial, KEPT):
            path = self._directory / file_name(claim.run_id, trial, row.resource, row.digest)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def newest(self, run_id: str, trial: int) -> Checkpoint | None:
        """Return the newest checkpoint whose bytes match its row; None where there never was one.

        Raises:
            ArtifactCorrupt: there are checkpoints, and every one of them is damaged or missing.
        """
        faults: list[str] = []
        for row in await self._trials.checkpoint_rows(run_id, trial):
            path = self._directory / file_name(run_id, trial, row.resource, row.digest)
            content = b""
            with suppress(OSError):
                content = await asyncio.to_thread(path.read_bytes)
            if hashlib.sha256(content).hexdigest() == row.digest:
                return msgspec.msgpack.decode(content, type=Checkpoint)
            faults.append(f"{path.name} is not what was written")
            log_failure("cerebros.checkpoint.corrupt", run_id=run_id, trial=trial, reason=faults[-1])
        if faults:
            raise ArtifactCorrupt(f"no checkpoint of trial {trial} is whole: {'; '.join(faults)}; look at the disk")
        return None

    async def forget(self, run_id: str, trial: int) -> None:
        """Delete the checkpoints of a trial that has ended."""
        if await self._trials.forget_checkpoints(run_id, trial, 0):
            await self._unlink(f"{run_id}~{trial}~*")

    async def forget_ended_trials(self, run_id: str) -> None:
        """Delete the checkpoints that a lost worker left of ended trials; a refit would resume from them."""
        for trial in await self._trials.forget_checkpoints_of_trials(run_id):
            await self._unlink(f"{run_id}~{trial}~*")

    async def forget_ended_runs(self) -> None:
        """Delete the checkpoints of trainings that were unfinished when their run ended."""
        for run_id in await self._trials.forget_checkpoints_of_runs():
            await self._unlink(f"{run_id}~*")

    async def _unlink(self, pattern: str) -> None:
        def unlink() -> None:
            for path in self._directory.glob(pattern):
                path.unlink(missing_ok=True)

        await asyncio.to_thread(unlink)


def file_name(run_id: str, trial: int, resource: int, digest: str) -> str:
    """Name a checkpoint's file; it differs by content, so a stale worker overwrites nothing. Ids have no `~`."""
    return f"{run_id}~{trial}~{resource}~{digest[:16]}"
