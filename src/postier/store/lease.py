"""Roles of which one is enough: whoever holds the lease does the work, whichever machine it is on.

A lease is one meta fact, `lease:ROLE` = "OWNER UNTIL"; it is taken in a transaction and runs out by itself.
"""

from __future__ import annotations

from postier.base.clock import Clock
from postier.store.api import Store, Tx

__all__ = ["give_back_lease", "hold_lease", "lease_holder", "take_lease"]


async def take_lease(store: Store, clock: Clock, role: str, owner: str, seconds: int) -> bool:
    """Hold `role` for so long from now, also if it is ours already. False while somebody else holds it."""
    now = int(clock.now())
    return await store.transact(lambda tx: hold_lease(tx, now, role, owner, seconds))


async def hold_lease(tx: Tx, now: int, role: str, owner: str, seconds: int) -> bool:
    """The same within a transaction, so that what it writes is written by the holder alone."""
    key = f"lease:{role}"
    holder, _, until = (await tx.meta(key) or "").rpartition(" ")
    if holder not in ("", owner) and int(until) > now:
        return False
    await tx.set_meta(key, f"{owner} {now + seconds}")
    return True


async def lease_holder(store: Store, role: str) -> str:
    """Who had it last, whether or not it has run out; "" for nobody."""
    return (await store.reader.meta(f"lease:{role}") or "").rpartition(" ")[0]


async def give_back_lease(store: Store, role: str, owner: str) -> None:
    """Whoever wants it next need not wait until it has run out; nothing happens where it is not ours."""
    key = f"lease:{role}"

    async def work(tx: Tx) -> None:
        if (await tx.meta(key) or "").rpartition(" ")[0] == owner:
            await tx.set_meta(key, "")

    await store.transact(work)
