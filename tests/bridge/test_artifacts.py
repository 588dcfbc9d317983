import asyncio
import hashlib
import threading

import pytest

from bridge.store.artifacts import ArtifactFiles
from cerebros.errors import ArtifactCorrupt, NotFound


def test_what_was_written_is_read_back_under_its_digest(tmp_path):
    files = ArtifactFiles(tmp_path)
    digest = files.write(b"weights")
    assert digest == hashlib.sha256(b"weights").hexdigest()
    assert files.read(digest) == b"weights"
    assert files.write(b"weights") == digest
    assert [path.name for path in tmp_path.iterdir()] == [digest]


@pytest.mark.parametrize("spoilt", [b"weightz", b"", b"weights and more"])
def test_changed_bytes_are_refused(tmp_path, spoilt):
    files = ArtifactFiles(tmp_path)
    digest = files.write(b"weights")
    (tmp_path / digest).write_bytes(spoilt)
    with pytest.raises(ArtifactCorrupt, match="restore it"):
        files.read(digest)


def test_an_absent_artifact_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        ArtifactFiles(tmp_path).read("0" * 64)


async def test_artifacts_on_a_disk_that_hangs_hold_no_threads_of_others(tmp_path, monkeypatch):
    """Issue 11, kind 9: callers past their deadlines leave the pool that the process shares as it was."""
    files, answers = ArtifactFiles(tmp_path), threading.Event()
    monkeypatch.setattr(files, "read", lambda _digest: answers.wait())
    try:
        for _ in range(64):  # more than the shared pool has threads on any machine
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await files.require_sound("0" * 64)
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    finally:
        answers.set()
