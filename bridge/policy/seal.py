"""The seal on verdicts: they are signed, and bound to all they judged."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.contract.policy import Verdict
from bridge.runs.kinds import Deps


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
        """Return the seal with the key in this file; an absent key is created, readable by its owner alone."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            draft = path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(fresh)
            try:
                os.link(draft, path)  # fails when another process was first: then its key is the one
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))

    def sign(self, verdict: Verdict) -> Verdict:
        return msgspec.structs.replace(verdict, signature=self._key.sign(_signed_part(verdict)).hex())

    def holds(self, verdict: Verdict, now: datetime) -> bool:
        """Return True if the verdict was signed here, is unchanged and has not expired."""
        try:
            self._key.public_key().verify(bytes.fromhex(verdict.signature), _signed_part(verdict))
        except (InvalidSignature, ValueError):
            return False
        return now < verdict.expires_at


def _signed_part(verdict: Verdict) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(verdict, signature=""), order="deterministic")
