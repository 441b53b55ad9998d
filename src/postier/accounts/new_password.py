"""Setting a password: whether it is good enough, its hash, and its keys for SCRAM."""

from __future__ import annotations

import asyncio

from postier.accounts.audit import BY_SERVER, Actor
from postier.accounts.password import hash_password
from postier.accounts.people import find_person, set_password
from postier.accounts.quality import require_good
from postier.accounts.scram_secrets import ensure_salt, password_rows
from postier.base.address import Address
from postier.store.api import Store, Tx

__all__ = ["choose_password", "hash_new_password", "make_scram_keys"]


def hash_new_password(password: str, address: str, *, force: bool = False) -> str:
    """The text to store. `force`: whatever it is, as long as it is a password. Takes time.

    Raises ValueError with a sentence for whoever chose it.
    """
    if not force:
        require_good(password, address=address)
    return hash_password(password)


async def choose_password(
    store: Store,
    address: Address,
    password: str,
    *,
    iterations: int,
    force: bool = False,
    by: Actor = BY_SERVER,
) -> None:
    """The person's password from now on. Whoever logged in by another one is logged out (see presence.py);
    app passwords stay good. `iterations`: of SCRAM, 0 to make no keys.

    Raises ValueError, PeopleError.
    """
    found = await asyncio.to_thread(hash_new_password, password, address.lookup_key, force=force)
    await set_password(store, address, found, by=by)
    await make_scram_keys(store, address, password, iterations)


async def make_scram_keys(store: Store, address: Address, password: str, iterations: int) -> None:
    """For the password just set. Should this be cut off, they are made at its next login."""
    if not iterations:
        return
    account = await find_person(store.reader, address)
    rows = await password_rows(password, await ensure_salt(store, account.account_id, iterations))

    async def work(tx: Tx) -> None:
        now = await tx.account(account.account_id)
        if now.password_version == account.password_version:
            await tx.set_scram_keys(account.account_id, rows)

    await store.transact(work)
