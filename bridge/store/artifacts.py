"""Content-addressed files: a digest is both the name of a file and the proof of its content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from bridge.process.threads import Threads
from cerebros.errors import ArtifactCorrupt, NotFound

# Artifacts are read and hashed so many at a time in a server, each in memory as a whole.
READERS = 4


class ArtifactFiles:
    """Files under one directory, each named by its SHA-256."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._threads = Threads("artifacts", READERS)
        directory.mkdir(parents=True, exist_ok=True)

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
        actual = hashlib.sha256(content).hexdigest()
        if actual != digest:
            raise ArtifactCorrupt(f"{path} has sha256 {actual}; delete it and restore it from a backup")
        return content

    async def require_sound(self, digest: str) -> None:
        """Read and check the bytes of this digest in a thread of its own; raises as `read`, or ResourceExhausted."""
        await self._threads.run(self.read, digest)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it is complete, or as it was before."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix="draft-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).rename(path)
    except BaseException:  # a full disk must not become fuller
        Path(draft).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Make a rename survive a power cut; a file's own fsync does not cover its name."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
