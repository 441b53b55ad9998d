"""Where the bytes of messages lie, and how many need them."""

from __future__ import annotations

from typing import NamedTuple

from postier.blobs.api import BlobRef, Spool
from postier.store.api import BlobId
from postier.store.sql.base import Reads, Writes

__all__ = ["BlobReader", "BlobTx", "Usage"]

_USAGE = (
    "SELECT pack, SUM(length), SUM(CASE WHEN refs = 0 THEN length ELSE 0 END), MAX(blob_id)"
    " FROM (SELECT * FROM blobs WHERE blob_id > ? ORDER BY blob_id LIMIT ?) some GROUP BY pack"
)
_LIVING = "SELECT blob_id FROM blobs WHERE blob_id > ? AND blob_id <= ? AND pack = ? AND refs > 0"
_WHERE = "SELECT pack, position, length, size FROM blobs WHERE blob_id = ? AND pack = ? AND refs > 0"
_FORGET = "DELETE FROM blobs WHERE blob_id > ? AND blob_id <= ? AND pack = ? AND refs = 0"
_MOVE = "UPDATE blobs SET pack = ?, position = ?, length = ?, size = ? WHERE blob_id = ?"


class Usage(NamedTuple):
    """What a pack holds among some blobs: bytes in all, bytes that nobody needs, and its highest blob."""

    pack: str
    total: int
    dead: int
    last: int


class BlobReader(Reads):
    async def blob_ref(self, blob_id: BlobId) -> BlobRef | None:
        await self._settle()
        row = await self._connection.row(
            "SELECT pack, position, length, size FROM blobs WHERE blob_id = ?", (blob_id,)
        )
        return None if row is None else BlobRef(*row)

    # for store.reclaim; no part of store.api
    async def pack_usage(self, after: int, count: int) -> list[Usage]:
        """Of the next `count` blobs past `after`."""
        return [Usage(*row) for row in await self._connection.rows(_USAGE, (after, count))]

    async def living_in(self, pack: str, after: int, last: int) -> list[BlobId]:
        """Blobs of a pack that somebody needs, ascending, among those past `after` up to `last`."""
        return sorted(map(BlobId, await self._connection.integers(_LIVING, (after, last, pack))))


class BlobTx(BlobReader, Writes):
    async def add_blob(self, prefix: bytes, body: Spool | bytes) -> tuple[BlobId, BlobRef]:
        ref = await self._sink.append(prefix, body)
        if not isinstance(body, bytes):
            self.stored.append(body)
        blob_id = BlobId(await self._connection.next_id("blob"))
        self._ledger.new_blobs[blob_id] = ref
        return blob_id, ref

    # for store.reclaim; no part of store.api
    async def place_in(self, blob_id: BlobId, pack: str) -> BlobRef | None:
        """Where in the pack the blob lies; None if it is needed no more or has moved."""
        row = await self._connection.row(_WHERE, (blob_id, pack))
        return None if row is None else BlobRef(*row)

    async def move_blob(self, blob_id: BlobId, content: bytes) -> None:
        """Store the bytes once more and let the blob lie there from the commit on."""
        ref = await self._sink.append(b"", content)
        await self._connection.execute(_MOVE, (*ref, blob_id))

    async def forget_dead(self, pack: str, after: int, last: int) -> None:
        await self._connection.execute(_FORGET, (after, last, pack))
