"""One transaction on its way: its work, driven within a savepoint of a batch."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from postier.store.api import StoreUnavailable, Tx
from postier.store.sql.transaction import SqlTx
from postier.store.sqlite_connection import BREATH, NotInTransaction, unavailable

__all__ = ["Job", "run_job"]


class Job:
    """`error`: why it undid itself, where it did; else `result` and `topics` count after the commit."""

    __slots__ = ("durable", "error", "future", "result", "tx", "work")

    def __init__(
        self, work: Callable[[Tx], Awaitable[Any]], durable: bool, future: asyncio.Future[Any]
    ) -> None:
        self.work = work
        self.durable = durable
        self.future = future
        self.tx: SqlTx | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    def answer(self) -> None:
        if self.future.done():
            return  # whoever asked has gone
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


async def run_job(database: sqlite3.Connection, job: Job, tx: SqlTx) -> None:
    """Run the job's work; an error of its own undoes it and nothing else.

    Raises StoreUnavailable where the database undid the whole batch (disk full, disk failed).
    """
    try:
        database.execute("SAVEPOINT job")
        try:
            job.result = await _drive(job, tx)
        except (Exception, asyncio.CancelledError) as error:
            job.error = error
            if not database.in_transaction:
                raise StoreUnavailable(f"the batch was undone: {error}") from error
            database.execute("ROLLBACK TO job")
        database.execute("RELEASE job")
    except sqlite3.Error as error:
        raise unavailable(error) from error
    job.tx = tx


async def _drive(job: Job, tx: SqlTx) -> Any:
    """Step through the work. It never waits for anything; between pieces of long work the loop has a turn."""
    work = _to_the_end(job, tx)
    try:
        while True:
            if work.send(None) is not BREATH:
                raise NotInTransaction("the work of a transaction awaited something besides the transaction")
            await asyncio.sleep(0)
    except StopIteration as end:
        return end.value
    finally:
        work.close()


async def _to_the_end(job: Job, tx: SqlTx) -> Any:
    result = await job.work(tx)
    await tx.settle()
    return result
