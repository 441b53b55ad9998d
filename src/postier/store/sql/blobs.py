"""Where the bytes of messages lie, and how many need them."""

from __future__ import annotations

from collections.abc import Iterable

from postier.blobs.api import BlobRef, Spool
from postier.store.api import BlobId
from postier.store.sql.base import Reads, Writes

__all__ = ["BlobReader", "BlobTx"]

_MOSTLY_DEAD = (
    "SELECT pack FROM blobs GROUP BY pack"
    " HAVING SUM(CASE WHEN refs = 0 THEN length ELSE 0 END) > ? * SUM(length)"
)
_LIVING = (
    "SELECT blob_id, pack, position, length, size FROM blobs WHERE pack = ? AND refs > 0"
    " ORDER BY blob_id LIMIT ?"
)
_MOVE = "UPDATE blobs SET pack = ?, position = ?, length = ?, size = ? WHERE blob_id = ?"


class BlobReader(Reads):
    async def blob_ref(self, blob_id: BlobId) -> BlobRef | None:
        await self._settle()
        row = await self._connection.row(
            "SELECT pack, position, length, size FROM blobs WHERE blob_id = ?", (blob_id,)
        )
        return None if row is None else BlobRef(*row)


class BlobTx(BlobReader, Writes):
    async def add_blob(self, prefix: bytes, body: Spool | bytes) -> tuple[BlobId, BlobRef]:
        ref = await self._sink.append(prefix, body)
        if not isinstance(body, bytes):
            self.stored.append(body)
        blob_id = BlobId(await self._connection.next_id("blob"))
        self._ledger.new_blobs[blob_id] = ref
        return blob_id, ref

    # for store.reclaim; no part of store.api
    async def mostly_dead_packs(self, share: float) -> list[str]:
        """Packs of which more than `share` is needed by nobody."""
        return sorted(pack for (pack,) in await self._connection.rows(_MOSTLY_DEAD, (share,)))

    async def living_in(self, pack: str, limit: int) -> list[tuple[BlobId, BlobRef]]:
        """Up to `limit` blobs of a pack that somebody needs."""
        rows = await self._connection.rows(_LIVING, (pack, limit))
        return [(BlobId(blob_id), BlobRef(*ref)) for blob_id, *ref in rows]

    async def move_blob(self, blob_id: BlobId, content: bytes) -> None:
        """Store the bytes once more and let the blob lie there from the commit on."""
        ref = await self._sink.append(b"", content)
        await self._connection.execute(_MOVE, (*ref, blob_id))

    async def forget_dead(self, pack: str) -> None:
        await self._connection.execute("DELETE FROM blobs WHERE pack = ? AND refs = 0", (pack,))

    async def packs_without_rows(self, packs: Iterable[str]) -> list[str]:
        """Those of `packs` that hold nothing any row names."""
        named = {pack for (pack,) in await self._connection.rows("SELECT DISTINCT pack FROM blobs")}
        return sorted(set(packs) - named)
