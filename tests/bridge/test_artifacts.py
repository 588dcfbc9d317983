import hashlib

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
