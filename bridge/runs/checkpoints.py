"""Trainings in the middle, kept where the next worker finds them.

The file is written before its row, the row carries the file's SHA-256, and
the newest two of a trial stay: a damaged one falls back to the one before.
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
from bridge.store.artifacts import write_whole
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
        directory.mkdir(parents=True, exist_ok=True)

    async def save(self, claim: Claim, trial: int, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint and drop those that are too old.

        Raises:
            StaleWorker: the claim is lost; the row is not written.
        """
        content = msgspec.msgpack.encode(checkpoint)
        digest = hashlib.sha256(content).hexdigest()
        await asyncio.to_thread(
            write_whole, self._directory / file_name(claim.run_id, trial, checkpoint.epoch, digest), content
        )
        progress = TrialProgress(
            epoch=checkpoint.epoch,
            loss=checkpoint.curve[-1] if checkpoint.curve else None,
            duration_s=checkpoint.spent.duration_s,
            run_id=claim.run_id,
            number=trial,
        )
        await self._trials.append_checkpoint(claim, digest, len(content), progress)
        for row in await self._trials.forget_checkpoints(claim.run_id, trial, KEPT):
            path = self._directory / file_name(claim.run_id, trial, row.epoch, row.digest)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def newest(self, run_id: str, trial: int) -> Checkpoint | None:
        """The newest checkpoint whose bytes are what its row says; None where there never was one.

        Raises:
            ArtifactCorrupt: there are checkpoints, and every one of them is damaged or missing.
        """
        faults: list[str] = []
        for row in await self._trials.checkpoint_rows(run_id, trial):
            path = self._directory / file_name(run_id, trial, row.epoch, row.digest)
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
        """The trial has ended: nobody goes on from its checkpoints any more."""
        if await self._trials.forget_checkpoints(run_id, trial, 0):
            await self._unlink(f"{run_id}~{trial}~*")

    async def forget_ended_trials(self, run_id: str) -> None:
        """What is left of trials whose worker was on its way out when they ended; a refit would take it for its own."""
        for trial in await self._trials.forget_checkpoints_of_trials(run_id):
            await self._unlink(f"{run_id}~{trial}~*")

    async def forget_ended_runs(self) -> None:
        """What is left of trainings that were under way when their run was ended."""
        for run_id in await self._trials.forget_checkpoints_of_runs():
            await self._unlink(f"{run_id}~*")

    async def _unlink(self, pattern: str) -> None:
        def unlink() -> None:
            for path in self._directory.glob(pattern):
                path.unlink(missing_ok=True)

        await asyncio.to_thread(unlink)


def file_name(run_id: str, trial: int, epoch: int, digest: str) -> str:
    """Two claims' states after the same epoch are two files, so a stale worker spoils nothing; ids have no `~`."""
    return f"{run_id}~{trial}~{epoch}~{digest[:16]}"
