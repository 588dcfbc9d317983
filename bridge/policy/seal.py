"""The seal on verdicts: they are signed, and bound to all they judged."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.contract.policy import Verdict
from bridge.process.files import files_answered
from bridge.process.home import NEXT_MOVE
from bridge.runs.kinds import Deps
from bridge.store.artifacts import draft_in
from cerebros.errors import FailedPrecondition


class Seal:
    """This installation's Ed25519 key, which signs verdicts and recognises its own signatures."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def of(cls, deps: Deps) -> Seal:
        """Return the seal of this home."""
        return cls.at(deps.settings.home / "keys" / "verdicts.ed25519")

    @classmethod
    def at(cls, path: Path) -> Seal:
        """Return the seal with the key in this file; an absent key is created, readable by its owner alone.

        Raises:
            FailedPrecondition: the file cannot be used.
            ResourceExhausted, Unavailable: the disk is in trouble.
        """
        with files_answered(f"signing key {path} cannot be used", NEXT_MOVE):
            secret = _key_in(path)
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(secret))
        except ValueError:
            raise FailedPrecondition(
                f"signing key {path} has {len(secret)} bytes instead of 32; restore it from a backup"
            ) from None

    def sign(self, verdict: Verdict) -> Verdict:
        return msgspec.structs.replace(verdict, signature=self._key.sign(_signed_part(verdict)).hex())

    def holds(self, verdict: Verdict, now: datetime) -> bool:
        """Return True if the verdict was signed here, is unchanged and has not expired."""
        try:
            self._key.public_key().verify(bytes.fromhex(verdict.signature), _signed_part(verdict))
        except (InvalidSignature, ValueError):
            return False
        return now < verdict.expires_at


def _key_in(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        # Where another process was first, its key is the one.
        with draft_in(path.parent) as (file, draft), suppress(FileExistsError):
            file.write(fresh)
            file.flush()
            os.fsync(file.fileno())
            os.link(draft, path)
    return path.read_bytes()


def _signed_part(verdict: Verdict) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(verdict, signature=""), order="deterministic")
