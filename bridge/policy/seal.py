"""The seal on verdicts and on versions of capability vectors: nobody else writes them, and nobody edits them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.contract.capability import VcvEntry
from bridge.contract.policy import Verdict
from bridge.process.files import files_answered
from bridge.process.home import NEXT_MOVE
from bridge.runs.kinds import Deps
from bridge.store.artifacts import draft_in
from cerebros.errors import FailedPrecondition

Document = TypeVar("Document", Verdict, VcvEntry)


class Seal:
    """This installation's Ed25519 key, which signs documents and recognises its own signatures."""

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
            FailedPrecondition: the file cannot be read or created, or holds no key.
            ResourceExhausted, Unavailable: the disk is in trouble.
        """
        with files_answered(f"the key of this home, {path}, cannot be used", NEXT_MOVE):
            secret = _key_in(path)
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(secret))
        except ValueError:
            raise FailedPrecondition(
                f"the key of this home, {path}, has {len(secret)} bytes instead of 32; restore it from a backup, or "
                "move it away: a new one is made, and what the old one signed has to be evaluated and promoted again"
            ) from None

    def sign(self, document: Document) -> Document:
        return msgspec.structs.replace(document, signature=self._key.sign(_signed_part(document)).hex())

    def signed(self, document: Document) -> bool:
        """Return True if the document was signed with this key and is unchanged since."""
        try:
            self._key.public_key().verify(bytes.fromhex(document.signature), _signed_part(document))
        except (InvalidSignature, ValueError):
            return False
        return True


def unsigned(document: Document) -> str:
    """Return, as the end of a sentence, why a document does not have this home's signature."""
    if not document.signature:
        return "is not signed: an earlier release wrote it, which did not sign all that counts"
    return "has a signature that does not hold: it was edited, or written by a home with another key"


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


def _signed_part(document: Document) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(document, signature=""), order="deterministic")
