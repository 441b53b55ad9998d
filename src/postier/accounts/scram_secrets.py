"""What is kept for SCRAM: one salt for each account, and keys for each of its passwords.

The salt is one for all passwords of an account, since the client gets it before it has shown which of them
it knows; the server then tries the proof against each. The keys are made when a password is set, and when
one is proved by PLAIN that has none yet. Whoever is unknown has a salt, too: always the same one, made with a
secret of this server, so that nobody learns who is there.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Sequence

from postier.accounts.precis import spellings
from postier.sasl.scram import scram_keys
from postier.store.api import AccountId, ScramRow, ScramStored, Store, Tx

__all__ = ["SALT_OCTETS", "app_password_rows", "ensure_salt", "fake_salt", "password_rows", "server_secret"]

SALT_OCTETS = 16
_SECRET_META = "login.secret"  # noqa: S105 - the name of it


async def ensure_salt(store: Store, account_id: AccountId, iterations: int) -> ScramStored:
    """The salt of the account, made now if it has none; and made anew where nothing depends on it but the
    number of iterations has changed."""
    found = await store.reader.scram(account_id)
    if found is not None and (found.keys or found.iterations == iterations):
        return found

    async def work(tx: Tx) -> ScramStored:
        there = await tx.scram(account_id)
        if there is not None and (there.keys or there.iterations == iterations):
            return there
        salt = secrets.token_bytes(SALT_OCTETS)
        await tx.set_scram_salt(account_id, salt, iterations)
        return ScramStored(salt, iterations, ())

    return await store.transact(work)


async def password_rows(password: str, salt: ScramStored) -> list[ScramRow]:
    """Keys for the account's own password. Takes time, in threads."""
    return await _rows(spellings(password), salt)


async def app_password_rows(forms: Sequence[str], salt: ScramStored) -> list[ScramRow]:
    return await _rows(forms, salt)


async def _rows(forms: Sequence[str], salt: ScramStored) -> list[ScramRow]:
    keys = [
        await asyncio.to_thread(scram_keys, form.encode(errors="surrogatepass"), salt.salt, salt.iterations)
        for form in forms
    ]
    return [ScramRow(0, number, one.stored_key, one.server_key) for number, one in enumerate(keys)]


def fake_salt(secret: bytes, name: str) -> bytes:
    return hmac.digest(secret, b"salt of " + name.encode(errors="surrogatepass"), "sha256")[:SALT_OCTETS]


async def server_secret(store: Store) -> bytes:
    """Made once for each store."""
    found = await store.reader.meta(_SECRET_META)
    if found is not None:
        return bytes.fromhex(found)

    async def work(tx: Tx) -> str:
        there = await tx.meta(_SECRET_META)
        if there is None:
            there = secrets.token_hex(32)
            await tx.set_meta(_SECRET_META, there)
        return there

    return bytes.fromhex(await store.transact(work))
