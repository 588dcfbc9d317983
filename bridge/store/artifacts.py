"""Content-addressed files: a digest is both the name of a file and the proof of its content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bridge.process.files import files_answered
from bridge.process.home import NEXT_MOVE
from bridge.process.threads import Threads
from cerebros.errors import ArtifactCorrupt, NotFound

# Artifacts are read and hashed so many at a time in a server, each in memory as a whole.
READERS = 4

DRAFT = "draft-"


class ArtifactFiles:
    """Files under one directory, each named by its SHA-256."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._threads = Threads("artifacts", READERS)
        make_directory(directory)

    def write(self, content: bytes) -> str:
        """Store bytes and return their digest; after a crash the file is whole or absent."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.directory / digest
        if path.exists() and path.read_bytes() == content:
            return digest
        write_whole(path, content)
        return digest

    def read(self, digest: str) -> bytes:
        """Return the bytes of this digest, checked.

        Raises:
            NotFound: no such file.
            ArtifactCorrupt: its bytes have another digest.
        """
        path = self.directory / digest
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"artifact {digest} is not in {self.directory}; restore it from a backup") from None
        except OSError as problem:
            raise ArtifactCorrupt(f"{path} cannot be read: {problem.strerror}; mend it or restore it") from None
        actual = hashlib.sha256(content).hexdigest()
        if actual != digest:
            raise ArtifactCorrupt(f"{path} has sha256 {actual}; delete it and restore it from a backup")
        return content

    async def require_sound(self, digest: str) -> None:
        """Read and check the bytes of this digest in a thread of its own; raises as `read`, or ResourceExhausted."""
        await self._threads.run(self.read, digest)


def make_directory(directory: Path) -> None:
    """Create a directory of the home where it is absent.

    Raises:
        FailedPrecondition, ResourceExhausted, Unavailable: it cannot be.
    """
    with files_answered(f"{directory} cannot be used", NEXT_MOVE):
        directory.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it is complete, or as it was before.

    Raises:
        FailedPrecondition, ResourceExhausted, Unavailable: it cannot be written; it is as it was before.
    """
    with files_answered(f"{path} cannot be written", NEXT_MOVE):
        with draft_in(path.parent) as (file, draft):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            draft.rename(path)
        _sync_directory(path.parent)


@contextmanager
def draft_in(directory: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Yield a new file, for its owner alone, and its name; it is deleted unless it has been renamed by the end.

    A full disk must not become fuller. What a killed process leaves is found by its lock, which nobody holds any more.
    """
    descriptor, draft = _locked_draft(directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, draft
    finally:
        draft.unlink(missing_ok=True)


def sweep_drafts(directory: Path) -> None:
    """Delete the drafts of writers that were killed; a living writer holds the lock on its own."""
    for draft in directory.glob(f"{DRAFT}*"):
        with suppress(OSError), draft.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()


def _locked_draft(directory: Path) -> tuple[int, Path]:
    while True:
        descriptor, draft = tempfile.mkstemp(dir=directory, prefix=DRAFT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(draft)
        os.close(descriptor)  # swept before it was locked


def _sync_directory(directory: Path) -> None:
    """Make a rename survive a power cut; a file's own fsync does not cover its name."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
