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
from postier.sasl.api import ScramKeys
from postier.sasl.scram import scram_keys
from postier.store.api import AccountId, LoginReader, LoginTx, ScramRow, ScramStored, Store, Tx

__all__ = [
    "SALT_OCTETS",
    "app_password_rows",
    "fake_salt",
    "password_rows",
    "server_secret",
    "set_keys",
    "standing_salt",
]

SALT_OCTETS = 16
_SECRET_META = "login.secret"  # noqa: S105 - the name of it


async def standing_salt(reader: LoginReader, account_id: AccountId, iterations: int) -> ScramStored:
    """The salt of the account; a new one, not stored yet, where it has none, or where nothing depends on it
    and the number of iterations has changed."""
    found = await reader.scram(account_id)
    if found is not None and (found.keys or found.iterations == iterations):
        return found
    return ScramStored(secrets.token_bytes(SALT_OCTETS), iterations, ())


async def set_keys(tx: LoginTx, account_id: AccountId, salt: ScramStored, rows: Sequence[ScramRow]) -> bool:
    """Store keys that were made with `salt`, and the salt if it is new. False, and nothing is stored, where
    the account has got another salt meanwhile."""
    found = await tx.scram(account_id)
    if found is None or (found.salt != salt.salt and not found.keys):
        await tx.set_scram_salt(account_id, salt.salt, salt.iterations)
    elif found.salt != salt.salt:
        return False
    await tx.set_scram_keys(account_id, rows)
    return True


async def password_rows(password: str, salt: ScramStored) -> list[ScramRow]:
    """Keys for the account's own password. Takes time, in threads."""
    return await _rows(spellings(password), salt)


async def app_password_rows(forms: Sequence[str], salt: ScramStored) -> list[ScramRow]:
    return await _rows(forms, salt)


async def _rows(forms: Sequence[str], salt: ScramStored) -> list[ScramRow]:
    def derive(form: str) -> ScramKeys:
        return scram_keys(form.encode(errors="surrogatepass"), salt.salt, salt.iterations)

    keys = await asyncio.gather(*(asyncio.to_thread(derive, form) for form in forms))
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
