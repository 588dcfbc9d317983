"""The seal on verdicts and on versions of capability vectors: nobody else writes them, and nobody edits them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.contract.capability import VcvEntry
from bridge.contract.policy import Verdict
from bridge.runs.kinds import Deps
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
        """
        try:
            if not path.exists():
                _create_key(path)
            return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))
        except (OSError, ValueError) as problem:
            raise FailedPrecondition(
                f"the key of this home, {path}, cannot be used: {problem}; restore it from a backup, or move it away: "
                "a new one is made then, and what the old one signed has to be evaluated and promoted anew"
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


def _create_key(path: Path) -> None:
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


def _signed_part(document: Document) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(document, signature=""), order="deterministic")
