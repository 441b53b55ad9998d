"""Files of packs: the one that grows, and those that are read."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections import OrderedDict
from pathlib import Path

from postier.base.ids import new_id
from postier.blobs.api import BlobUnreadable

__all__ = ["GrowingPack", "OpenPacks", "create_locked", "is_locked", "pack_path", "sync_folder", "write_all"]

AHEAD = 256 * 1024
"""Zeros written ahead of what is appended."""


def pack_path(folder: Path, name: str) -> Path:
    return folder / (name + ".pack")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Raises OSError; then some of it may have been written."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def create_locked(path: Path) -> int:
    """A new file, open to read and write, never seen unlocked; the lock ends with the process."""
    unlocked = path.with_suffix(".new")
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a process still writes this pack. A file that is gone counts as locked: leave it alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class GrowingPack:
    """A pack this process appends to. What is appended waits in memory until `flush`.

    Behind the content lie zeros that were written ahead: overwriting them is durable without a change of the
    file's length, which takes a third off a small fdatasync. `close` cuts them off; after a crash they stay,
    in nobody's way.
    """

    def __init__(self, folder: Path, worker_name: str) -> None:
        self.name = f"{worker_name}-{new_id()[:12]}"
        self.size = 0
        self._waiting: list[bytes] = []
        self._length = 0  # of the file
        self._descriptor = create_locked(pack_path(folder, self.name))

    def append(self, data: bytes) -> int:
        """Returns the offset at which the data will lie."""
        offset = self.size
        self._waiting.append(data)
        self.size += len(data)
        return offset

    def flush(self) -> None:
        """Write what waits. Raises OSError; after that the pack must be given up."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        write_all(self._descriptor, data)
        self._length = max(self._length, self.size)
        if self._length == self.size and len(data) < AHEAD:
            self._write_ahead()

    def _write_ahead(self) -> None:
        try:
            self._length += os.pwrite(self._descriptor, bytes(AHEAD), self.size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # a nearly full disk: what matters has its place already

    def sync(self) -> None:
        """Make what was flushed durable. An OSError means that it may be lost: never try again."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """May be called more than once: the number of a closed descriptor is soon somebody else's."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):  # then they stay, as after a crash
                os.ftruncate(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))
            os.close(descriptor)


class OpenPacks:
    """Descriptors of packs that were read lately: at most `limit` are open."""

    def __init__(self, folder: Path, limit: int = 128) -> None:
        self._folder = folder
        self._limit = limit
        self._open: OrderedDict[str, int] = OrderedDict()

    def read(self, pack: str, offset: int, length: int) -> bytes:
        """Raises BlobUnreadable where the pack is gone or too short."""
        descriptor = self._open.get(pack)
        if descriptor is None:
            descriptor = self._open_pack(pack)
        else:
            self._open.move_to_end(pack)
        try:
            data = os.pread(descriptor, length, offset)
        except OSError as error:
            raise BlobUnreadable(f"pack {pack}: {error}") from error
        if len(data) != length:
            raise BlobUnreadable(f"pack {pack} ends before {offset} + {length}")
        return data

    def _open_pack(self, pack: str) -> int:
        try:
            descriptor = os.open(pack_path(self._folder, pack), os.O_RDONLY)
        except OSError as error:
            raise BlobUnreadable(f"pack {pack}: {error}") from error
        self._open[pack] = descriptor
        if len(self._open) > self._limit:
            _, oldest = self._open.popitem(last=False)
            os.close(oldest)
        return descriptor

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
