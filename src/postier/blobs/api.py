"""Message bytes: written once, read by range, never changed.

A blob is the **prefix** (what we add at acceptance: Return-Path, Received, Authentication-Results) followed
by the **body** (what came over the wire, byte for byte). Bodies lie in packs, append-only files of many
blobs; `BlobRef` says where. One blob serves all recipients of a transaction.

While a message comes in it is a Spool: memory up to SPOOL_MEMORY, past that a pack of its own on disk, so
that no message is held whole in memory and none is copied when it is accepted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

__all__ = ["SPOOL_MEMORY", "BlobRef", "BlobUnreadable", "Blobs", "Spool"]

SPOOL_MEMORY = 1024 * 1024
"""Bytes of one incoming message held in memory before it streams to disk."""


class BlobUnreadable(Exception):
    """The bytes of an acknowledged blob are missing or damaged; the message says which and why."""


class BlobRef(NamedTuple):
    """Where a blob lies. `size` is of prefix and body together, as clients see it.

    `pack`: name of the pack; `offset` and `length`: of the stored record, in bytes.
    """

    pack: str
    offset: int
    length: int
    size: int


class Spool(Protocol):
    """A message that is coming in. Belongs to one session; `discard` frees it unless it was stored."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Add to the body. Raises OSError when the disk is full or fails."""
        ...

    async def seal(self) -> None:
        """No more writes follow. Flushes a spool that went to disk (fsync of file and folder)."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body from the start, in pieces of at most 256 KiB; only after `seal`."""
        ...

    def discard(self) -> None:
        """Give up what is held. Does nothing after the spool was stored or discarded."""
        ...


class Blobs(Protocol):
    """The store of bytes of one server. Writing goes through the store's transactions (`Tx.add_blob`)."""

    def spool(self) -> Spool: ...

    async def read(self, ref: BlobRef, start: int = 0, end: int | None = None) -> bytes:
        """Bytes [start, end) of prefix + body; for ranges known to be small (headers, one chunk).

        Raises BlobUnreadable.
        """
        ...

    def stream(self, ref: BlobRef, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same range in pieces of at most 256 KiB. Raises BlobUnreadable, possibly halfway."""
        ...
