"""Giving back the space of messages that are gone.

A pack that is mostly dead is rewritten: what lives moves to a growing pack, some of it in each transaction,
until no row names the old one. Files that no row names (also what transactions left that a crash undid) are
removed by the run after the one that found them, so that whoever looked up a place in one has long read it.

Crash at any point: a blob lies where its row says, before and after; the next run finds the rest again.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from postier.blobs.api import SPOOL_MEMORY
from postier.blobs.local import LocalBlobs
from postier.store.api import BlobId, Store, Tx
from postier.store.sql.transaction import SqlReader, SqlTx

__all__ = ["Reclaimed", "reclaim"]

_AT_ONCE = 64
"""Blobs moved in one transaction: some 10 MB where they are long."""
_PIECE = 10_000
"""Rows looked at before the other tasks have their turn: some 5 ms."""
_LEFTOVER = "packs-without-rows"


class Reclaimed(NamedTuple):
    """What one run did: packs emptied, files removed."""

    emptied: int
    removed: int


@dataclass(slots=True)
class _Pack:
    """What is known of a pack. `ranges`: its blobs are among those past the first number up to the second."""

    total: int = 0
    dead: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)


async def reclaim(store: Store, blobs: LocalBlobs, *, share: float = 0.5) -> Reclaimed:
    """Empty the packs of which more than `share` is dead, and remove the files the last run left.

    For one process at a time (a lease), now and then: it reads the whole table of blobs, in pieces and
    without the lock of the store.
    """
    finished = set(blobs.finished_packs())
    packs = await _look(store)
    emptied = 0
    for name, pack in sorted(packs.items()):
        is_due = name in finished and pack.dead > share * pack.total
        if is_due and await _empty(store, blobs, name, pack.ranges):
            del packs[name]
            emptied += 1
    return Reclaimed(emptied, await _remove_leftovers(store, blobs, finished.difference(packs)))


async def _look(store: Store) -> dict[str, _Pack]:
    """Every pack that a row names."""
    found: dict[str, _Pack] = {}
    after = 0
    while usages := await cast(SqlReader, store.reader).pack_usage(after, _PIECE):
        for usage in usages:
            pack = found.setdefault(usage.pack, _Pack())
            pack.total += usage.total
            pack.dead += usage.dead
            pack.ranges.append((after, usage.last))
        after = max(usage.last for usage in usages)
        await asyncio.sleep(0)
    return found


async def _empty(store: Store, blobs: LocalBlobs, pack: str, ranges: list[tuple[int, int]]) -> bool:
    """Move what lives; False where the pack holds a long message that lives, which stays where it is."""
    for after, last in ranges:

        async def forget(tx: Tx, span: tuple[int, int] = (after, last)) -> None:
            await cast(SqlTx, tx).forget_dead(pack, *span)

        await store.transact(forget)
        living = await cast(SqlReader, store.reader).living_in(pack, after, last)
        for start in range(0, len(living), _AT_ONCE):
            if not await _move(store, blobs, pack, living[start : start + _AT_ONCE]):
                return False
    return True


async def _move(store: Store, blobs: LocalBlobs, pack: str, blob_ids: list[BlobId]) -> bool:
    async def move_some(tx: Tx) -> bool:
        own = cast(SqlTx, tx)
        for blob_id in blob_ids:
            ref = await own.place_in(blob_id, pack)
            if ref is not None:
                if ref.size > 2 * SPOOL_MEMORY:
                    return False
                await own.move_blob(blob_id, await blobs.read(ref))
        return True

    return await store.transact(move_some)


async def _remove_leftovers(store: Store, blobs: LocalBlobs, unnamed: set[str]) -> int:
    """`unnamed`: finished packs that no row names. Nothing can name them any more; whoever looked up a place
    in one reads it before the next run."""

    async def remember(tx: Tx) -> list[str]:
        known = set(json.loads(await tx.meta(_LEFTOVER) or "[]"))
        await tx.set_meta(_LEFTOVER, json.dumps(sorted(unnamed - known)))
        return sorted(unnamed & known)

    old = await store.transact(remember)
    for pack in old:
        blobs.remove_pack(pack)
    return len(old)
