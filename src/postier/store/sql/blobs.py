"""Where the bytes of messages lie, and how many need them."""

from __future__ import annotations

from postier.blobs.api import BlobRef, Spool
from postier.store.api import BlobId
from postier.store.sql.base import Reads, Writes

__all__ = ["BlobReader", "BlobTx"]


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
