"""Giving back the space of messages that are gone.

A pack that is mostly dead is rewritten: what lives moves to a growing pack, some of it in each transaction,
until no row names the old one. Files that no row names (also what transactions left that a crash undid) are
removed by the run after the one that found them, so that whoever looked up a place in one has long read it.

Crash at any point: a blob lies where its row says, before and after; the next run finds the rest again.
"""

from __future__ import annotations

import json
from typing import NamedTuple, cast

from postier.blobs.api import SPOOL_MEMORY, BlobRef
from postier.blobs.local import LocalBlobs
from postier.store.api import BlobId, Store, Tx
from postier.store.sql.transaction import SqlTx

__all__ = ["Reclaimed", "reclaim"]

_AT_ONCE = 64
"""Blobs moved in one transaction: some 10 MB where they are long."""
_LEFTOVER = "packs-without-rows"


class Reclaimed(NamedTuple):
    """What one run did: packs emptied, files removed."""

    emptied: int
    removed: int


async def reclaim(store: Store, blobs: LocalBlobs, *, share: float = 0.5) -> Reclaimed:
    """Empty the packs of which more than `share` is dead, and remove the files the last run left.

    For one process at a time (a lease), now and then: it reads the whole table of blobs.
    """
    finished = set(blobs.finished_packs())
    candidates = await store.transact(lambda tx: cast(SqlTx, tx).mostly_dead_packs(share))
    emptied = 0
    for pack in candidates:
        if pack in finished:
            emptied += await _empty(store, blobs, pack)
    return Reclaimed(emptied, await _remove_leftovers(store, blobs))


async def _empty(store: Store, blobs: LocalBlobs, pack: str) -> bool:
    """Move what lives; False where the pack holds a long message that lives, which stays where it is."""

    async def move_some(tx: Tx) -> list[tuple[BlobId, BlobRef]]:
        own = cast(SqlTx, tx)
        await own.forget_dead(pack)
        living = await own.living_in(pack, _AT_ONCE)
        if any(ref.size > 2 * SPOOL_MEMORY for _, ref in living):
            return []
        for blob_id, ref in living:
            await own.move_blob(blob_id, await blobs.read(ref))
        return living

    while await store.transact(move_some):
        pass
    return not await store.transact(lambda tx: cast(SqlTx, tx).living_in(pack, 1))


async def _remove_leftovers(store: Store, blobs: LocalBlobs) -> int:
    async def find(tx: Tx) -> list[str]:
        """No other transaction runs beside this one: what is unlocked now has its rows, or never will."""
        known = set(json.loads(await tx.meta(_LEFTOVER) or "[]"))
        found = await cast(SqlTx, tx).packs_without_rows(blobs.finished_packs())
        await tx.set_meta(_LEFTOVER, json.dumps([pack for pack in found if pack not in known]))
        return [pack for pack in found if pack in known]

    old = await store.transact(find)
    for pack in old:
        blobs.remove_pack(pack)
    return len(old)
