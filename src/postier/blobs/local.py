"""Blobs in files of this machine: `packs/` below the data folder.

Writing is in two steps: `append` (on the event loop, within a transaction) says where the bytes will lie,
`sync` (in a thread, before the commit) makes everything appended so far durable. Between the two nobody
reads it.
A pack is closed at 256 MiB and never appended to again, also not after a restart.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from postier.blobs.api import BlobRef, Spool
from postier.blobs.frames import (
    FRAME,
    TABLE_END,
    Frame,
    compress,
    decompress,
    pack_table,
    pieces,
    table_length,
    unpack_table,
)
from postier.blobs.packfile import GrowingPack, OpenPacks, is_locked, pack_path, sync_folder
from postier.blobs.spool import LocalSpool, OwnPack

__all__ = ["PACK_SIZE", "LocalBlobs", "is_disk_full"]

PACK_SIZE = 256 * 1024 * 1024


class LocalBlobs:
    """See `blobs.api.Blobs`. `worker_name` begins the names of the packs that this process writes."""

    def __init__(self, folder: Path, worker_name: str, *, pack_size: int = PACK_SIZE) -> None:
        self._packs = folder / "packs"
        self._incoming = self._packs / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._worker_name = worker_name
        self._pack_size = pack_size
        self._growing: GrowingPack | None = None
        self._unsynced: list[GrowingPack | OwnPack] = []
        self._folder_changed = False
        self._open = OpenPacks(self._packs)
        self._last_frame: tuple[str, int, bytes] = ("", 0, b"")
        self._last_table: tuple[BlobRef, list[Frame]] = (BlobRef("", 0, 0, 0), [])
        self.waiting = 0
        """Bytes appended since the last `sync`."""

    # writing
    def spool(self) -> LocalSpool:
        return LocalSpool(self._incoming, self._packs, self._worker_name)

    async def append(self, prefix: bytes, body: Spool | bytes) -> BlobRef:
        """Say where prefix and body will lie once `sync` has returned. Raises OSError."""
        if isinstance(body, LocalSpool):
            if not body.sealed:
                raise ValueError("the spool is not sealed, or was discarded")
            if body.own_pack is not None:
                return self._adopt(prefix, body.own_pack, body.size)
            body = body.body
        if not isinstance(body, bytes):
            raise TypeError(f"not a spool of these blobs: {type(body).__name__}")
        pack = self._pack()
        size = len(prefix) + len(body)
        if size <= FRAME:
            stored = compress(prefix + body if prefix else body)
            ref = BlobRef(pack.name, pack.append(stored), len(stored), size)
        else:
            ref = _append_frames(pack, prefix, body)
        self.waiting += ref.length
        return ref

    def _adopt(self, prefix: bytes, pack: OwnPack, size: int) -> BlobRef:
        length = pack.add_table(prefix)
        pack.link()
        if pack not in self._unsynced:
            self._unsynced.append(pack)
        self._folder_changed = True
        self.waiting += len(prefix)
        return BlobRef(pack.name, 0, length, len(prefix) + size)

    def _pack(self) -> GrowingPack:
        pack = self._growing
        if pack is None or pack.size >= self._pack_size:
            self._growing = None  # also where no new one can be made: a closed pack is never touched again
            if pack is not None and pack not in self._unsynced:
                pack.close()
            pack = self._growing = GrowingPack(self._packs, self._worker_name)
            self._folder_changed = True
        if pack not in self._unsynced:
            self._unsynced.append(pack)
        return pack

    @property
    def has_unsynced(self) -> bool:
        return bool(self._unsynced)

    def sync(self) -> None:
        """Make everything appended durable; may run in a thread while nothing is appended.

        Raises OSError. ENOSPC and EDQUOT: what was appended since the last time is lost, and new bytes go to
        a new pack. Any other: the disk cannot be trusted any more.
        """
        packs, self._unsynced, self.waiting = self._unsynced, [], 0
        try:
            for pack in packs:
                if isinstance(pack, GrowingPack):
                    pack.flush()
                pack.sync()
            if self._folder_changed:
                sync_folder(self._packs)
                self._folder_changed = False
        except OSError:
            self._give_up(packs)
            raise
        for pack in packs:
            if isinstance(pack, GrowingPack) and pack is not self._growing:
                pack.close()

    def forget_unsynced(self) -> None:
        """The transaction came to nothing: what was appended since the last sync is not needed."""
        packs, self._unsynced, self.waiting = self._unsynced, [], 0
        self._give_up(packs)

    def _give_up(self, packs: Sequence[GrowingPack | OwnPack]) -> None:
        """Never write to these again; the next bytes go to a new pack."""
        for pack in {*packs, self._growing}:
            if isinstance(pack, GrowingPack):
                pack.close()
        self._growing = None

    def stored(self, spool: Spool) -> None:
        """The commit of a transaction that appended this spool is done."""
        if isinstance(spool, LocalSpool):
            spool.stored()

    # reading
    async def read(self, ref: BlobRef, start: int = 0, end: int | None = None) -> bytes:
        if ref.size <= FRAME:
            content = decompress(self._open.read(ref.pack, ref.offset, ref.length), ref.size)
            return content if start == 0 and end is None else content[start:end]
        return b"".join([piece async for piece in self.stream(ref, start, end)])

    async def stream(self, ref: BlobRef, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        end = ref.size if end is None else min(end, ref.size)
        if ref.size <= FRAME:
            content = decompress(self._open.read(ref.pack, ref.offset, ref.length), ref.size)
            if piece := content[start:end]:
                yield piece
            return
        position = 0
        for frame in self._table(ref):
            if position >= end:
                return
            if position + frame.size > start:
                content = self._frame(ref, frame)
                first, last = max(start - position, 0), min(end - position, frame.size)
                yield content if last - first == frame.size else content[first:last]
            position += frame.size

    def _table(self, ref: BlobRef) -> list[Frame]:
        if self._last_table[0] == ref:
            return self._last_table[1]
        record_end = ref.offset + ref.length
        length = table_length(self._open.read(ref.pack, record_end - TABLE_END, TABLE_END))
        frames = unpack_table(self._open.read(ref.pack, record_end - length, length))
        self._last_table = (ref, frames)
        return frames

    def _frame(self, ref: BlobRef, frame: Frame) -> bytes:
        """Keeps the last one: clients ask for long messages in pieces smaller than a frame."""
        pack, offset, content = self._last_frame
        if pack != ref.pack or offset != ref.offset + frame.offset:
            offset = ref.offset + frame.offset
            content = decompress(self._open.read(ref.pack, offset, frame.length), frame.size)
            self._last_frame = (ref.pack, offset, content)
        return content

    # housekeeping
    def abandoned(self) -> list[str]:
        """Names of packs whose process ended before their message was stored or discarded."""
        return [path.stem for path in sorted(self._incoming.glob("*.pack")) if not is_locked(path)]

    def resolve(self, pack: str, *, keep: bool) -> None:
        """End the state between for an abandoned pack: `keep` where a committed row names it."""
        if not keep:
            pack_path(self._packs, pack).unlink(missing_ok=True)
        pack_path(self._incoming, pack).unlink(missing_ok=True)

    def finished_packs(self) -> list[str]:
        """Names of the packs that no process writes any more."""
        return [path.stem for path in sorted(self._packs.glob("*.pack")) if not is_locked(path)]

    def remove_pack(self, pack: str) -> None:
        """Only where no row names it. A reader that has it open reads on."""
        pack_path(self._packs, pack).unlink(missing_ok=True)

    def close(self) -> None:
        self._give_up(self._unsynced)
        self._open.close()


def is_disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _append_frames(pack: GrowingPack, prefix: bytes, body: bytes) -> BlobRef:
    frames: list[Frame] = []
    base = pack.size
    for piece in pieces(prefix) + pieces(body):
        stored = compress(piece)
        frames.append(Frame(pack.append(stored) - base, len(stored), len(piece)))
    pack.append(pack_table(frames))
    return BlobRef(pack.name, base, pack.size - base, len(prefix) + len(body))
