"""The store in one SQLite file: everything a single machine needs.

Reading happens on the event loop with a connection of its own and sees the last commit (WAL); changing is the
Committer's. Any number of processes may have the same file open.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from postier.base.clock import Clock
from postier.base.log import Log
from postier.blobs.local import LocalBlobs
from postier.bus.api import Bus
from postier.store.api import StoreUnavailable, Tx
from postier.store.beside import Beside
from postier.store.committer import Committer
from postier.store.filelock import FileLock
from postier.store.migrations import migrate
from postier.store.sql.transaction import SqlReader
from postier.store.sqlite_connection import ReadingConnection, SqliteConnection, connect, unavailable
from postier.store.upkeep import Upkeep

__all__ = ["SqliteStore", "open_sqlite"]

_WORDS = {"id": "INTEGER", "bytes": "BLOB", "clustered": "WITHOUT ROWID", "json": "TEXT"}
_SYNC_AFTER = 0.5
_CHECKPOINT_ROWS = 8000
"""Rows changed by this process after which the log is carried over into the database."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOST_MODSEQS = 100_000
"""More than any account gets in the second before the log is synced."""

_log = Log("store")
Result = TypeVar("Result")


async def open_sqlite(path: Path, *, blobs: LocalBlobs, bus: Bus, clock: Clock, owner: str) -> SqliteStore:
    """Open the database file `path` (made if it is not there) and bring its schema up to date.

    `owner` names this process in the log. Beside the file lie `PATH-wal`, `PATH-shm` and `PATH.lock`.
    Raises StoreUnavailable, or SchemaTooNew (a StoreError).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_path = path.with_name(path.name + ".lock")
    lock = FileLock(lock_path)
    await asyncio.to_thread(lock.acquire)
    try:
        writing = connect(path, read_only=False)
        connection = SqliteConnection(writing)
        await migrate(connection, _WORDS, "BEGIN IMMEDIATE")
        thread_key = await _thread_key(connection)
        await _skip_lost_modseqs(connection)
        await _resolve_abandoned(connection, blobs)
        store = SqliteStore(path, lock_path, owner, writing, lock, blobs, bus, clock, thread_key)
    except sqlite3.Error as error:
        raise unavailable(error) from error
    finally:
        lock.release()
    return store


async def _thread_key(connection: SqliteConnection) -> bytes:
    """The secret that keys the hashes of Message-IDs: made once for each store."""
    await connection.execute(
        "INSERT INTO meta (key, value) VALUES ('thread-key', ?) ON CONFLICT DO NOTHING",
        (secrets.token_hex(16),),
    )
    row = await connection.row("SELECT value FROM meta WHERE key = 'thread-key'")
    assert row is not None
    return bytes.fromhex(row[0])


async def _skip_lost_modseqs(connection: SqliteConnection) -> None:
    """After a restart of the machine no modseq is given out that a client may have seen before.

    Changes of flags of the last second may be lost with a power cut. They never stand for other changes.
    """
    boot = _this_boot()
    row = await connection.row("SELECT value FROM meta WHERE key = 'boot'")
    if row is not None and row[0] == boot:
        return
    await connection.execute("BEGIN IMMEDIATE")
    if row is not None:
        await connection.execute("UPDATE accounts SET modseq = modseq + ?", (_LOST_MODSEQS,))
    await connection.execute(
        "INSERT INTO meta (key, value) VALUES ('boot', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (boot,),
    )
    await connection.execute("COMMIT")


def _this_boot() -> str:
    """Differs after each restart of the machine; "" where the system does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


async def _resolve_abandoned(connection: SqliteConnection, blobs: LocalBlobs) -> None:
    """Long messages whose process ended on the way in: kept if a commit names them, else removed."""
    for pack in blobs.abandoned():
        row = await connection.row("SELECT 1 FROM blobs WHERE pack = ? LIMIT 1", (pack,))
        blobs.resolve(pack, keep=row is not None)
        _log.info("abandoned pack", pack=pack, kept=row is not None)


class SqliteStore:
    """See `store.api.Store`. Belongs to one event loop."""

    def __init__(
        self,
        path: Path,
        lock_path: Path,
        owner: str,
        writing: sqlite3.Connection,
        lock: FileLock,
        blobs: LocalBlobs,
        bus: Bus,
        clock: Clock,
        thread_key: bytes,
    ) -> None:
        self._owner = owner
        self._writing = writing
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._reading = connect(path, read_only=True)
        self._committer = Committer(writing, lock, blobs, bus, clock, thread_key, self._committed)
        connection = ReadingConnection(self._reading, writing, self._committer.is_free)
        self._reader = SqlReader(connection, clock.now)
        self._upkeep = Upkeep(path, lock_path)
        self._upkeep_thread = Beside("store-upkeep")
        self._sync_timer: asyncio.TimerHandle | None = None
        self._upkeep_tasks: set[asyncio.Task[None]] = set()
        self._rows_at_checkpoint = 0

    @property
    def reader(self) -> SqlReader:
        """Raises StoreUnavailable once the disk failed."""
        if self._committer.refusal:
            raise StoreUnavailable(self._committer.refusal)
        return self._reader

    @property
    def refusal(self) -> str:
        return self._committer.refusal

    async def transact(self, work: Callable[[Tx], Awaitable[Result]], *, durable: bool = True) -> Result:
        result: Result = await self._committer.submit(work, durable)
        return result

    def _committed(self, durable: bool) -> None:
        if durable:
            if self._sync_timer is not None:  # the log is synced as a whole
                self._sync_timer.cancel()
                self._sync_timer = None
        elif self._sync_timer is None:
            self._sync_timer = self._loop.call_later(_SYNC_AFTER, self._sync_log)
        rows = self._writing.total_changes
        if rows - self._rows_at_checkpoint > _CHECKPOINT_ROWS:
            self._rows_at_checkpoint = rows
            self._start_upkeep(self._upkeep.checkpoint)

    def _sync_log(self) -> None:
        self._sync_timer = None
        self._start_upkeep(self._upkeep.sync_log)

    def _start_upkeep(self, call: Callable[[], None]) -> None:
        task = self._loop.create_task(self._run_upkeep(call))
        self._upkeep_tasks.add(task)
        task.add_done_callback(self._upkeep_tasks.discard)

    async def _run_upkeep(self, call: Callable[[], None]) -> None:
        try:
            await self._upkeep_thread.run(call)
        except (OSError, sqlite3.Error) as error:
            self._committer.refuse(f"{self._owner}: the log cannot be synced or carried over: {error}")

    async def close(self) -> None:
        await self._committer.close()
        if self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_log()
        if self._upkeep_tasks:
            await asyncio.wait(self._upkeep_tasks)
        self._upkeep_thread.stop()
        self._reading.close()
        self._upkeep.close()
        self._writing.close()
        self._lock.close()
