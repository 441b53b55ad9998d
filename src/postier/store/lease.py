"""Roles of which one is enough: whoever holds the lease does the work, whichever machine it is on.

A lease is one meta fact, `lease:ROLE` = "OWNER UNTIL"; it is taken in a transaction and runs out by itself.
"""

from __future__ import annotations

from postier.base.clock import Clock
from postier.store.api import Store, Tx

__all__ = ["take_lease"]


async def take_lease(store: Store, clock: Clock, role: str, owner: str, seconds: int) -> bool:
    """Hold `role` for so long from now, also if it is ours already. False while somebody else holds it."""
    key = f"lease:{role}"
    now = int(clock.now())

    async def work(tx: Tx) -> bool:
        holder, _, until = (await tx.meta(key) or "").rpartition(" ")
        if holder not in ("", owner) and int(until) > now:
            return False
        await tx.set_meta(key, f"{owner} {now + seconds}")
        return True

    return await store.transact(work)
