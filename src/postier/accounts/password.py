"""Passwords at rest: argon2id (RFC 9106), and the memory of those already proved.

Hashing is slow on purpose (20 ms), so it runs in a few threads and never on the event loop; a client that
logs in again with the same password costs a keyed hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import secrets

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from postier.accounts.hashing import HashingPool
from postier.accounts.precis import opaque_string
from postier.sasl.api import ScramKeys
from postier.sasl.scram import scram_keys

__all__ = [
    "MAX_PASSWORD_OCTETS",
    "REFUSALS",
    "PasswordVerifier",
    "ProofTable",
    "hash_password",
    "needs_rehash",
]

MAX_PASSWORD_OCTETS = 1024
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's first choice
_PROOF_OCTETS = 32
REFUSALS = 1 << 13
"""Wrong passwords that are remembered."""
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

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._key = secrets.token_bytes(32)
        self._memory = mmap.mmap(-1, places * _PROOF_OCTETS)

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
        return int.from_bytes(proof[:4]) % self._places * _PROOF_OCTETS


class PasswordVerifier:
    """Checks passwords in a few threads; `proofs` spares those that were proved before, `refusals` those that
    were just refused: a device with an old password tries it again and again."""

    def __init__(
        self,
        proofs: ProofTable,
        refusals: ProofTable | None = None,
        *,
        threads: int = 2,
        most_waiting: int = 64,
    ) -> None:
        self._proofs = proofs
        self._refusals = refusals if refusals is not None else ProofTable(1 << 8)
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._pool = HashingPool(threads, most_waiting)

    async def verify(self, password_hash: str, password: str, *, first: bool = False) -> bool:
        """True if the password is the right one. An empty hash takes as long as any and is never right.

        `first`: before those who wait without it. Raises HashingBusy.
        """
        octets = self._octets(password)
        proof = self._proofs.proof(password_hash, octets)
        if password_hash and proof in self._proofs:
            return True
        if await self._matches_once(proof, password_hash or _NOBODY, octets, first) and password_hash:
            self._proofs.add(proof)
            return True
        return False

    def is_proved(self, password_hash: str, password: str) -> bool:
        """It was the right one lately."""
        return (
            bool(password_hash) and self._proofs.proof(password_hash, self._octets(password)) in self._proofs
        )

    def repeats(self, whose: str, password_hash: str, password: str) -> bool:
        """`whose` tried this password against this hash lately, in vain: no hash is needed to say so."""
        return self._refusal(whose, password_hash, password) in self._refusals

    def note_refused(self, whose: str, password_hash: str, password: str) -> None:
        self._refusals.add(self._refusal(whose, password_hash, password))

    def _refusal(self, whose: str, password_hash: str, password: str) -> bytes:
        return self._refusals.proof(f"{whose}\0{password_hash}", self._octets(password))

    async def hash(self, password: str) -> str:
        """Anew, behind all who wait. Raises HashingBusy, ValueError."""
        return await self._pool.run(lambda: hash_password(password), first=False)

    async def scram_keys(self, password: bytes, salt: bytes, iterations: int) -> ScramKeys:
        """Raises HashingBusy."""
        return await self._pool.run(lambda: scram_keys(password, salt, iterations), first=False)

    @staticmethod
    def _octets(password: str) -> bytes:
        octets = _octets(password)
        return octets if len(octets) <= MAX_PASSWORD_OCTETS else b""

    async def _matches_once(self, proof: bytes, password_hash: str, octets: bytes, first: bool) -> bool:
        """One hash however many connections of a program ask the same at once."""
        running = self._running.get(proof)
        if running is None:
            work = self._pool.run(lambda: _matches(password_hash, octets), first=first)
            running = asyncio.ensure_future(work)
            self._running[proof] = running
            running.add_done_callback(lambda _: self._running.pop(proof, None))
        return await asyncio.shield(running)

    def close(self) -> None:
        self._pool.close()


def needs_rehash(password_hash: str) -> bool:
    """It was made when hashing cost less than now."""
    try:
        return _HASHER.check_needs_rehash(password_hash)
    except InvalidHashError:
        return False


def _octets(password: str) -> bytes:
    return opaque_string(password).encode(errors="surrogatepass")


def _matches(password_hash: str, octets: bytes) -> bool:
    try:
        return _HASHER.verify(password_hash, octets)
    except (VerificationError, InvalidHashError):
        return False
