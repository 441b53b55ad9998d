"""Passwords at rest: argon2id (RFC 9106), and the memory of those already proved.

Hashing is slow on purpose (20 ms), so it runs in a few threads and never on the event loop; a client that
logs in again with the same password costs a keyed hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["MAX_PASSWORD_OCTETS", "PasswordVerifier", "hash_password"]

MAX_PASSWORD_OCTETS = 1024
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's first choice
_NOBODY = _HASHER.hash(secrets.token_bytes(16))


def hash_password(password: str) -> str:
    """The text to store. Raises ValueError if the password is empty or longer than 1,024 octets."""
    octets = password.encode()
    if not octets:
        raise ValueError("the password is empty")
    if len(octets) > MAX_PASSWORD_OCTETS:
        raise ValueError("the password is longer than 1,024 octets")
    return _HASHER.hash(octets)


class PasswordVerifier:
    """Checks passwords; remembers proofs, not passwords, for as long as the process lives.

    A proof is keyed by a random secret of this process over the stored hash and the password, so it dies
    with a change of the password and tells nothing to whoever reads our memory dumps later.
    """

    def __init__(self, *, threads: int = 2, remembered: int = 50_000) -> None:
        self._key = secrets.token_bytes(32)
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        self._remembered = remembered
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")

    def is_remembered(self, password_hash: str, password: str) -> bool:
        """True if this password was proved against this hash before."""
        proof = self._proof(password_hash, password)
        if proof not in self._proved:
            return False
        self._proved.move_to_end(proof)
        return True

    async def verify(self, password_hash: str, password: str) -> bool:
        """True if the password is the right one. An empty hash takes as long as any and is never right."""
        octets = password.encode(errors="surrogatepass")
        if len(octets) > MAX_PASSWORD_OCTETS:
            octets = b""
        if password_hash and self.is_remembered(password_hash, password):
            return True
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._pool, _matches, password_hash or _NOBODY, octets)
        if right and password_hash:
            self._proved[self._proof(password_hash, password)] = None
            if len(self._proved) > self._remembered:
                self._proved.popitem(last=False)
        return right and bool(password_hash)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _proof(self, password_hash: str, password: str) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        digest.update(password_hash.encode() + b"\0" + password.encode(errors="surrogatepass"))
        return digest.digest()


def _matches(password_hash: str, octets: bytes) -> bool:
    try:
        return _HASHER.verify(password_hash, octets)
    except (VerificationError, InvalidHashError):
        return False
