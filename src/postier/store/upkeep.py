"""The log file of SQLite: synced behind commits that did not wait, and carried over into the database.

Both run in a thread of their own, so that no commit waits for them. A checkpoint first carries over what it
can beside the writers; where the log has grown long it then takes the lock of the store for the small rest,
after which the next writer begins the log anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from postier.store.filelock import FileLock
from postier.store.sqlite_connection import connect

__all__ = ["Upkeep"]

_LONG_LOG = 2000
"""Pages in the log from which the lock is worth taking: 16 MB."""


class Upkeep:
    """Used by one thread at a time."""

    def __init__(self, path: Path, lock_path: Path) -> None:
        self._database = connect(path, read_only=False)
        self._log_path = path.with_name(path.name + "-wal")
        self._lock = FileLock(lock_path)

    def sync_log(self) -> None:
        """Make every commit so far survive a power cut. Raises OSError; then nothing is sure any more."""
        descriptor = os.open(self._log_path, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def checkpoint(self) -> None:
        """Raises sqlite3.Error."""
        if self._carry_over() < _LONG_LOG:
            return
        self._lock.acquire()
        try:
            self._carry_over()
        finally:
            self._lock.release()

    def _carry_over(self) -> int:
        """Returns how many pages the log has."""
        _, pages, _ = self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages)

    def close(self) -> None:
        self._database.close()
        self._lock.close()
