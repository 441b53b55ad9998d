"""Behind the stories of messages: keys to find them by, and forgetting them when they are old.

For one process at a time (a lease); a second one does no harm. A crash at any point leaves the cursor where
the last commit put it, and the rows past it are looked through until the next run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from postier.store.api import Store, Tx
from postier.store.sql.steps import StepRow, keys_of
from postier.store.sql.transaction import SqlReader, SqlTx

__all__ = ["expire_steps", "has_steps_to_index", "index_steps"]

_AT_ONCE = 250
"""Rows of one transaction: it holds the lock of the store for some 3 ms."""


async def has_steps_to_index(store: Store) -> bool:
    reader = cast(SqlReader, store.reader)
    return bool(await reader.step_rows(await reader.steps_indexed(), 1))


async def index_steps(store: Store) -> int:
    """Fill the keys of all rows that have none yet; returns of how many. Raises StoreError."""
    done = 0
    while True:
        reader = cast(SqlReader, store.reader)
        after = await reader.steps_indexed()
        rows = await reader.step_rows(after, _AT_ONCE)
        if not rows:
            return done
        keys = _pairs(rows)

        async def work(
            tx: Tx, keys: Sequence[tuple[int, int]] = keys, after: int = after, last: int = rows[-1].step_id
        ) -> bool:
            return await cast(SqlTx, tx).add_step_keys(keys, after, last)

        if not await store.transact(work, durable=False):
            return done  # another process does the same
        done += len(rows)


async def expire_steps(store: Store, before: float) -> int:
    """Forget the rows written earlier than `before`, and return how many. Raises StoreError.

    Where the clock was wrong for a while the rows are not in its order: looking goes on to the first page
    that holds nothing old.
    """
    gone, after = 0, 0
    while True:
        rows = await cast(SqlReader, store.reader).step_rows(after, _AT_ONCE)
        old = [row for row in rows if row.at < before]
        if not old:
            return gone
        pairs = _pairs(old)

        async def work(
            tx: Tx, old: Sequence[StepRow] = old, pairs: Sequence[tuple[int, int]] = pairs
        ) -> None:
            await cast(SqlTx, tx).remove_steps([row.step_id for row in old], pairs)

        await store.transact(work, durable=False)
        gone += len(old)
        after = rows[-1].step_id


def _pairs(rows: Sequence[StepRow]) -> list[tuple[int, int]]:
    """In the order of the index."""
    return sorted((key, row.step_id) for row in rows for key in keys_of(row))
