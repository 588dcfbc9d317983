"""Manifests as callers name them: files on the bridge's host."""

from __future__ import annotations

from pathlib import Path

from cerebros.data.manifest import Manifest, parse_manifest
from cerebros.errors import ManifestRejected

# Far more than the longest manifest that makes sense.
MANIFEST_BYTES_AT_MOST = 2**20


def read_manifest(file: str) -> tuple[Manifest, str]:
    """The manifest in a file, and the directory its relative paths start from.

    Raises:
        ManifestRejected: there is no such file, or it breaks a rule.
    """
    try:
        path = Path(file).resolve()
        if path.exists() and not (path.is_file() and path.stat().st_size <= MANIFEST_BYTES_AT_MOST):
            raise ManifestRejected(f"manifest {path} is no file of at most {MANIFEST_BYTES_AT_MOST} bytes; give one")
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as problem:  # a name with a NUL, links in a circle, no UTF-8
        raise ManifestRejected(
            f"manifest {file!r} cannot be read: {problem}; give a path on the bridge's host"
        ) from None
    return parse_manifest(text, str(path)), str(path.parent)
