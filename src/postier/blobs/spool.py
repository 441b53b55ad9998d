"""A message that is coming in: memory first, past SPOOL_MEMORY a pack of its own.

States of a spool on disk, and what a crash leaves behind:

    incoming/NAME.pack               being written, or sealed and not yet taken; locked by its process
    incoming/NAME.pack + NAME.pack   a transaction took it (`LocalBlobs.append`), the commit is under way
    NAME.pack                        stored: the commit is done

The lock (flock) goes with the process. `LocalBlobs.abandoned` lists what is in incoming/ without a lock: the
engine looks whether a committed row names the pack, and keeps or removes it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from postier.base.ids import new_id
from postier.blobs.api import SPOOL_MEMORY
from postier.blobs.frames import FRAME, Frame, compress, decompress, pack_table, pieces
from postier.blobs.packfile import create_locked, pack_path, write_all

__all__ = ["LocalSpool", "OwnPack"]


class OwnPack:
    """The pack of one long message, growing."""

    def __init__(self, incoming: Path, packs: Path, worker_name: str) -> None:
        self.name = f"{worker_name}-{new_id()[:12]}"
        self.path = pack_path(incoming, self.name)
        self.final_path = pack_path(packs, self.name)
        self._descriptor = -1
        self._descriptor = create_locked(self.path)
        self.frames: list[Frame] = []
        self.size = 0
        self.linked = False
        self.kept = False

    def add_frame(self, content: bytes) -> None:
        """Raises OSError."""
        frame = self._write(content)
        self.frames.append(frame)

    def _write(self, content: bytes) -> Frame:
        stored = compress(content)
        frame = Frame(self.size, len(stored), len(content))
        write_all(self._descriptor, stored)
        self.size += len(stored)
        return frame

    def add_table(self, prefix: bytes) -> int:
        """Write the prefix and where everything lies; returns the length of the record, which begins at 0.

        One body may get several tables, one for each blob made of it.
        """
        frames = [self._write(piece) for piece in pieces(prefix)] + self.frames
        table = pack_table(frames)
        write_all(self._descriptor, table)
        self.size += len(table)
        return self.size

    def link(self) -> None:
        """Give the pack its final name beside the one it has. Raises OSError."""
        if not self.linked:
            os.link(self.path, self.final_path)
            self.linked = True

    def read_frame(self, frame: Frame) -> bytes:
        return decompress(os.pread(self._descriptor, frame.length, frame.offset), frame.size)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def keep(self) -> None:
        """A committed row names the pack: drop the incoming name."""
        self.path.unlink(missing_ok=True)
        self.kept = True

    def close(self) -> None:
        """Remove the pack unless it is kept, then give up the lock. May be called more than once."""
        if self._descriptor < 0:
            return
        if not self.kept:
            self.final_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def __del__(self) -> None:
        self.close()


class LocalSpool:
    """See `blobs.api.Spool`. Not for more than one task at a time."""

    def __init__(self, incoming: Path, packs: Path, worker_name: str) -> None:
        self._where = (incoming, packs, worker_name)
        self._pieces: list[bytes] = []
        self._held = 0
        self._size = 0
        self._sealed = False
        self._done = False
        self.own_pack: OwnPack | None = None

    @property
    def size(self) -> int:
        return self._size

    @property
    def body(self) -> bytes:
        """The whole body, where it is held in memory and sealed."""
        if not self._sealed or self._done or self.own_pack is not None:
            raise ValueError("the spool is not sealed, was discarded, or lies on disk")
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    @property
    def sealed(self) -> bool:
        return self._sealed and not self._done

    async def write(self, chunk: bytes) -> None:
        if self._sealed or self._done:
            raise ValueError("the spool takes no more")
        self._pieces.append(bytes(chunk))
        self._size += len(chunk)
        self._held += len(chunk)
        if self._size > SPOOL_MEMORY and self._held >= FRAME:
            self._spill(whole_frames=True)

    def _spill(self, *, whole_frames: bool) -> None:
        if self.own_pack is None:
            self.own_pack = OwnPack(*self._where)
        data = b"".join(self._pieces)
        end = len(data) - len(data) % FRAME if whole_frames else len(data)
        for piece in pieces(data[:end]):
            self.own_pack.add_frame(piece)
        rest = data[end:]
        self._pieces = [rest] if rest else []
        self._held = len(rest)

    async def seal(self) -> None:
        if self._sealed:
            return
        if self.own_pack is not None:
            self._spill(whole_frames=False)
            await asyncio.to_thread(self.own_pack.sync)
        self._sealed = True

    async def chunks(self) -> AsyncIterator[bytes]:
        if not self.sealed:
            raise ValueError("the spool is not sealed, or was discarded")
        if self.own_pack is None:
            for piece in pieces(self.body):
                yield piece
        else:
            for frame in self.own_pack.frames:
                yield self.own_pack.read_frame(frame)

    def stored(self) -> None:
        """A commit made the bytes part of the store. The spool may be stored again, with another prefix."""
        if self.own_pack is not None:
            self.own_pack.keep()

    def discard(self) -> None:
        self._done = True
        self._pieces = []
        if self.own_pack is not None:
            self.own_pack.close()
