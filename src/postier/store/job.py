"""One transaction on its way: its work, driven to its end without waiting for anything."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from postier.store.api import StoreUnavailable, Tx
from postier.store.sql.transaction import SqlTx
from postier.store.sqlite_connection import BREATH, NotInTransaction, unavailable

__all__ = ["Job", "Work", "drive", "run_job"]

Work = Callable[[Tx], Awaitable[Any]]


class Job:
    """`error`: why it undid itself, where it did; else `result` and `topics` count after the commit.
    `is_over`: nobody will answer any more."""

    __slots__ = ("durable", "error", "future", "is_over", "result", "tx", "work")

    def __init__(self, work: Work, durable: bool, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.durable = durable
        self.future = future
        self.tx: SqlTx | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_over = False

    def answer(self) -> None:
        self.is_over = True
        if self.future.done():
            return  # whoever asked has gone
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


async def run_job(database: sqlite3.Connection, job: Job, tx: SqlTx, *, among_others: bool) -> None:
    """Run the job's work; an error of its own undoes it and nothing else, by a savepoint where it is one
    `among_others`. Alone it leaves the undoing to the caller, who sees `job.error`.

    Raises StoreUnavailable where the database undid the whole batch (disk full, disk failed).
    """
    try:
        if among_others:
            database.execute("SAVEPOINT job")
        try:
            job.result = await drive(job.work, tx)
        except (Exception, asyncio.CancelledError) as error:
            job.error = error
            if not database.in_transaction:
                raise StoreUnavailable(f"the batch was undone: {error}") from error
            if among_others:
                database.execute("ROLLBACK TO job")
        if among_others:
            database.execute("RELEASE job")
    except sqlite3.Error as error:
        raise unavailable(error) from error
    job.tx = tx


async def drive(work: Work, tx: SqlTx) -> Any:
    """Step through the work. It never waits for anything; between pieces of long work the loop has a turn."""
    steps = _to_the_end(work, tx)
    try:
        while True:
            if steps.send(None) is not BREATH:
                raise NotInTransaction("the work of a transaction awaited something besides the transaction")
            await asyncio.sleep(0)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


async def _to_the_end(work: Work, tx: SqlTx) -> Any:
    result = await work(tx)
    await tx.settle()
    return result
