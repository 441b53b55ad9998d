"""Passwords at rest: argon2id (RFC 9106), and the memory of those already proved.

Hashing is slow on purpose (20 ms), so it runs in a few threads and never on the event loop; a client that
logs in again with the same password costs a keyed hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["MAX_PASSWORD_OCTETS", "PasswordVerifier", "ProofTable", "hash_password"]

MAX_PASSWORD_OCTETS = 1024
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's first choice
_PROOF_OCTETS = 32
_NOBODY = _HASHER.hash(secrets.token_bytes(16))


def hash_password(password: str) -> str:
    """The text to store. Raises ValueError if the password is empty or longer than 1,024 octets."""
    octets = _octets(password)
    if not octets:
        raise ValueError("the password is empty")
    if len(octets) > MAX_PASSWORD_OCTETS:
        raise ValueError("the password is longer than 1,024 octets")
    return _HASHER.hash(octets)


class ProofTable:
    """Remembers which passwords were proved against which hashes, for all processes forked after it is made.

    A proof is a hash over the stored password hash and the password, keyed by a secret that lives only in
    these processes: it dies with a change of the password and with the server, and is never written down.
    The table is anonymous shared memory with one place for each proof; a newer proof takes the place of
    an older one, which costs that one's owner a slow hash once. Two processes that write to a place at the
    same time leave a proof that matches nothing.
    """

    PLACES = 1 << 16

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._memory = mmap.mmap(-1, self.PLACES * _PROOF_OCTETS)

    def __contains__(self, proof: bytes) -> bool:
        start = self._place(proof)
        return self._memory[start : start + _PROOF_OCTETS] == proof

    def add(self, proof: bytes) -> None:
        start = self._place(proof)
        self._memory[start : start + _PROOF_OCTETS] = proof

    def proof(self, password_hash: str, octets: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=_PROOF_OCTETS)
        digest.update(password_hash.encode() + b"\0" + octets)
        return digest.digest()

    def _place(self, proof: bytes) -> int:
        return int.from_bytes(proof[:4]) % self.PLACES * _PROOF_OCTETS


class PasswordVerifier:
    """Checks passwords in a few threads; `proofs` spares those that were proved before."""

    def __init__(self, proofs: ProofTable, *, threads: int = 2) -> None:
        self._proofs = proofs
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")

    async def verify(self, password_hash: str, password: str) -> bool:
        """True if the password is the right one. An empty hash takes as long as any and is never right."""
        octets = _octets(password)
        if len(octets) > MAX_PASSWORD_OCTETS:
            octets = b""
        proof = self._proofs.proof(password_hash, octets)
        if password_hash and proof in self._proofs:
            return True
        if await self._matches_once(proof, password_hash or _NOBODY, octets) and password_hash:
            self._proofs.add(proof)
            return True
        return False

    async def _matches_once(self, proof: bytes, password_hash: str, octets: bytes) -> bool:
        """One hash however many connections of a program ask the same at once."""
        running = self._running.get(proof)
        if running is None:
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._pool, _matches, password_hash, octets)
            self._running[proof] = running
            running.add_done_callback(lambda _: self._running.pop(proof, None))
        return await asyncio.shield(running)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _octets(password: str) -> bytes:
    """NFC, so that the same keys typed on two systems are the same password (RFC 8265 4.2.1)."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


def _matches(password_hash: str, octets: bytes) -> bool:
    try:
        return _HASHER.verify(password_hash, octets)
    except (VerificationError, InvalidHashError):
        return False
