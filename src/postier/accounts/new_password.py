"""Setting a password: whether it is good enough, its hash, and its keys for SCRAM."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from postier.accounts.audit import BY_SERVER, Actor
from postier.accounts.password import hash_password
from postier.accounts.people import find_person, set_password
from postier.accounts.quality import require_good
from postier.accounts.scram_secrets import password_rows, set_keys, standing_salt
from postier.base.address import Address
from postier.store.api import Account, ScramRow, ScramStored, Store, Tx

__all__ = ["choose_password", "hash_new_password", "make_all_scram_keys", "make_scram_keys"]


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
    await make_all_scram_keys(store, [(address, password)], iterations)


async def make_all_scram_keys(store: Store, people: Sequence[tuple[Address, str]], iterations: int) -> None:
    """The same for several, in one transaction. `iterations`: 0 to make none."""
    if not iterations:
        return
    made: list[tuple[Account, ScramStored, list[ScramRow]]] = []
    for address, password in people:
        account = await find_person(store.reader, address)
        salt = await standing_salt(store.reader, account.account_id, iterations)
        made.append((account, salt, await password_rows(password, salt)))

    async def work(tx: Tx) -> None:
        for account, salt, rows in made:
            now = await tx.account(account.account_id)
            if now.password_version == account.password_version:
                await set_keys(tx, account.account_id, salt, rows)

    await store.transact(work)
