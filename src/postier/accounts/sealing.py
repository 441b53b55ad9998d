"""Secrets that the server must read again, such as the key of a TOTP: sealed at rest (AES-256-GCM).

The key lies in a file beside the database and not in it, so that a copy of the database alone reveals
nothing. Who has both has the secrets; without the file they are lost, and people enrol anew.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_OCTETS", "SealBroken", "Sealer", "sealing_key"]

KEY_OCTETS = 32
_NONCE = 12


class SealBroken(Exception):
    """What was sealed can't be read: it, its place, or the key is another one."""


class Sealer:
    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, place: str) -> bytes:
        """`place`: where it belongs; it can be opened nowhere else."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises SealBroken."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            raise SealBroken from None


def sealing_key(file: Path) -> bytes:
    """The key in `file`, which is made where there is none; of several who make it at once one wins.

    Raises OSError, ValueError for a file that holds no key.
    """
    with contextlib.suppress(FileNotFoundError):
        return _checked(file.read_bytes())
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(secrets.token_bytes(KEY_OCTETS))
            written.flush()
            os.fsync(written.fileno())
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(draft)
    finally:
        draft.unlink()
    return _checked(file.read_bytes())


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_OCTETS:
        raise ValueError(f"a sealing key has {KEY_OCTETS} octets, this has {len(key)}")
    return key
