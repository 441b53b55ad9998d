"""Group commit: many transactions, one lock, one fsync.

**Who does what.** The statements of a transaction run on the event loop's own thread: handing them to a
thread costs more than they take (the interpreter lock changes hands around every statement, and beside a
busy loop a transaction of ten statements took 10 ms instead of 28 us). Only what waits for a disk or for
another process runs in a thread beside: taking the lock of the store, the fsync of the pack, COMMIT.

**A batch.** While one batch commits, transactions that arrive wait for the next. A batch takes the lock of
the store (flock, between processes), begins, runs the waiting transactions each within a savepoint, so that
one that fails undoes only itself, makes the blobs durable, commits, releases the lock, tells the bus, and
only then answers all of them. One that comes alone begins in the next turn of the loop: nobody waits for a
timer.

**Durability.** A batch with a durable transaction commits with synchronous=FULL. One of nothing but changes
of flags commits with synchronous=NORMAL and without a thread, and the log is synced within a second. A change
of flags that finds nobody before it is no batch at all: it begins, runs and commits in its caller's own turn.

**Faults.** Disk full: the batch is undone, all its transactions raise StoreUnavailable, the next may succeed.
An fsync that failed is never tried again: what the system holds in memory may differ from the disk, so the
store refuses everything from then on and the process must start anew.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any

from postier.base.clock import Clock
from postier.base.log import Log
from postier.blobs.local import LocalBlobs, is_disk_full
from postier.bus.api import Bus
from postier.store.api import StoreUnavailable
from postier.store.beside import Beside
from postier.store.filelock import FileLock
from postier.store.job import Job, Work, drive, run_job
from postier.store.sql.transaction import SqlTx
from postier.store.sqlite_connection import SqliteConnection, is_fatal, unavailable

__all__ = ["BATCH_BYTES", "BATCH_JOBS", "Committer"]

BATCH_JOBS = 500
BATCH_BYTES = 8 * 1024 * 1024
_JOBS_AT_A_STRETCH = 16
"""Transactions after which the event loop has a turn: some 2 ms."""

_log = Log("store")


class _NeedsBatch(Exception):
    """A transaction that need not be durable wrote bytes of messages: they are synced by a batch."""


class Committer:
    """Runs the transactions of one process. `database`: the one connection that writes."""

    def __init__(
        self,
        database: sqlite3.Connection,
        lock: FileLock,
        blobs: LocalBlobs,
        bus: Bus,
        clock: Clock,
        thread_key: bytes,
        after_commit: Callable[[bool], None],
    ) -> None:
        """`after_commit(durable)` hears of every commit, on the event loop."""
        self._database = database
        self._connection = SqliteConnection(database)
        self._lock = lock
        self._blobs = blobs
        self._bus = bus
        self._clock = clock
        self._thread_key = thread_key
        self._after_commit = after_commit
        self._synchronous = ""
        self._waiting: deque[Job] = deque()
        self._closing = False
        self._busy = False  # a batch, or one alone, is between its beginning and its end
        self._beside = Beside("store-commit")
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._serve())
        self.refusal = ""
        """Why this store refuses everything, once it does."""

    async def submit(self, work: Work, durable: bool) -> Any:
        """The result of `work`, once it is committed. Raises what `work` raised, or StoreUnavailable.

        Whoever is cancelled meanwhile is so only after the batch: until then it works with what is theirs,
        above all with the file of a long message, which they give back on their way out.
        """
        if self.refusal or self._closing:
            raise StoreUnavailable(self.refusal or "the store is closed")
        if not durable and not self._busy and not self._waiting and self._lock.try_acquire():
            try:
                return await self._run_alone(work)
            except _NeedsBatch:
                pass
        job = Job(work, durable, self._loop.create_future())
        self._waiting.append(job)
        self._wake_up()
        try:
            return await job.future
        except asyncio.CancelledError:
            await self._let_go(job)
            raise

    async def _let_go(self, job: Job) -> None:
        """Whoever asked was cancelled: take the job back if it has not begun, else wait for its end."""
        if job in self._waiting:
            self._waiting.remove(job)
            return
        if job.is_over:  # answered in the moment of the cancelling: there is nothing to wait for
            if not job.future.cancelled():
                job.future.exception()  # nobody else will look at it
            return
        job.future = self._loop.create_future()  # the one before was cancelled with its task
        while not job.future.done():
            try:
                await asyncio.wait((job.future,))
            except asyncio.CancelledError:
                continue  # the first one is passed on when the batch is over
        job.future.exception()  # nobody else will look at it

    def is_free(self) -> bool:
        """No transaction is open: the connection that writes may be asked, on the event loop's thread. Never
        again after a refusal, which may have left one that could not be undone."""
        return not self._busy and not self.refusal

    def refuse(self, reason: str) -> None:
        """The disk failed: nothing is accepted any more. From any thread."""
        if not self.refusal:
            self.refusal = reason
            _log.error("refusing everything", reason=reason)

    async def close(self) -> None:
        """After the transactions that wait."""
        self._closing = True
        self._wake_up()
        await self._task
        self._beside.stop()

    def _wake_up(self) -> None:
        if not self._wake.done():
            self._wake.set_result(None)

    # ------------------------------------------------------------------ one alone

    async def _run_alone(self, work: Work) -> Any:
        """With the lock held: run and commit. Raises what `work` raised, and StoreUnavailable."""
        self._busy = True
        try:
            self._begin("NORMAL")
            tx = self._new_tx(int(self._clock.now()))
            result = await drive(work, tx)
            if self._blobs.has_unsynced:
                raise _NeedsBatch
            await self._connection.save_sequences()
            try:
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._commit_failure(error) from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._busy = False
            self._lock.release()
            if self._waiting or self._closing:
                self._wake_up()
        self._after_commit(False)
        for topic, number in tx.topics.items():
            self._bus.publish(topic, number)
        return result

    # ------------------------------------------------------------------ batches

    async def _serve(self) -> None:
        while self._waiting or self._busy or not self._closing:
            if not self._waiting or self._busy:
                self._wake = self._loop.create_future()
                await self._wake
                continue
            jobs: list[Job] = []
            self._busy = True
            try:
                await self._batch(jobs)
            except Exception as error:  # the border: whoever asked gets the answer, the log gets the cause
                self._undo(jobs, error)
            self._busy = False
            for job in jobs:
                job.answer()

    async def _batch(self, jobs: list[Job]) -> None:
        """Run and commit waiting transactions, and list them in `jobs`. Raises StoreUnavailable."""
        if not self._lock.try_acquire():
            await self._beside.run(self._lock.acquire)
        while self._waiting and len(jobs) < BATCH_JOBS:
            jobs.append(self._waiting.popleft())
        durable = any(job.durable for job in jobs)
        self._begin("FULL" if durable else "NORMAL")
        await self._run(jobs)
        if all(job.error is not None for job in jobs):
            self._roll_back()
            durable = False
        if durable or self._blobs.has_unsynced:
            await self._beside.run(self._commit)
        else:
            self._commit()
        self._after_commit(durable)
        self._tell(jobs)

    def _begin(self, synchronous: str) -> None:
        if self.refusal:
            raise StoreUnavailable(self.refusal)
        try:
            if synchronous != self._synchronous:
                self._database.execute("PRAGMA synchronous = " + synchronous)
                self._synchronous = synchronous
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def _run(self, jobs: list[Job]) -> None:
        """Past BATCH_BYTES of new blobs the jobs that are left go back to those that wait."""
        now = int(self._clock.now())
        among_others = len(jobs) > 1
        for place, job in enumerate(jobs):
            if place and place % _JOBS_AT_A_STRETCH == 0:
                await asyncio.sleep(0)
            if self._blobs.waiting > BATCH_BYTES:
                self._waiting.extendleft(reversed(jobs[place:]))
                del jobs[place:]
                break
            await run_job(self._database, job, self._new_tx(now), among_others=among_others)
        await self._connection.save_sequences()

    def _new_tx(self, now: int) -> SqlTx:
        return SqlTx(self._connection, self._blobs, now, self._thread_key)

    def _commit(self) -> None:
        """Runs in the thread beside. Releases the lock at once, so that the next process may begin."""
        try:
            self._blobs.sync()
            if self._database.in_transaction:
                self._database.execute("COMMIT")
        except OSError as error:
            if not is_disk_full(error):
                self.refuse(f"a pack cannot be synced: {error}")
            raise StoreUnavailable(f"packs: {error}") from error
        except sqlite3.Error as error:
            raise self._commit_failure(error) from error
        self._lock.release()

    def _commit_failure(self, error: sqlite3.Error) -> StoreUnavailable:
        if is_fatal(error):
            self.refuse(f"the database cannot be written: {unavailable(error)}")
        return unavailable(error)

    def _tell(self, jobs: list[Job]) -> None:
        """Spools are kept, the bus hears each topic once, with its highest number."""
        topics: dict[int, int] = {}
        for job in jobs:
            if job.tx is None or job.error is not None:
                continue
            for spool in job.tx.stored:
                self._blobs.stored(spool)
            for topic, number in job.tx.topics.items():
                topics[topic] = max(number, topics.get(topic, 0))
        for topic, number in topics.items():
            self._bus.publish(topic, number)

    def _undo(self, jobs: list[Job], error: Exception) -> None:
        """Nothing of the batch was changed; jobs that had an error of their own keep it."""
        if isinstance(error, StoreUnavailable):  # a full disk and the like: a state, not a fault of ours
            _log.fault("a batch was undone", why=error, transactions=len(jobs))
            reason = error
        else:
            _log.error("a batch was undone", transactions=len(jobs), exception=error)
            reason = StoreUnavailable(str(error))
        for job in jobs:
            if job.error is None or isinstance(job.error, StoreUnavailable):
                job.error = StoreUnavailable(str(reason))
        self._blobs.forget_unsynced()
        self._roll_back()
        self._lock.release()

    def _roll_back(self) -> None:
        """What was appended to the packs stays there, needed by nobody, and is synced with the next bytes."""
        self._connection.forget_sequences()
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        except sqlite3.Error as failure:
            self.refuse(f"a batch cannot be undone: {failure}")
