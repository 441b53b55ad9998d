"""The bytes of an entry, as they go out.

A blob is what we added at acceptance, then what came. When it begins with a Return-Path field, that one
stays behind: it belongs to final delivery (RFC 5321 4.4), and the copy in a mailbox shares the blob.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from postier.blobs.api import BlobRef, Blobs

__all__ = ["StoredMessage", "open_message"]

_READ_AT_ONCE = 256 * 1024
_PREFIX_OCTETS = 4096
_RETURN_PATH = re.compile(rb"return-path:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE)


class StoredMessage:
    """Implements queue.api.OutgoingMessage. `start`: the offset in the blob where the message begins."""

    __slots__ = ("_blobs", "_head", "_ref", "size", "start")

    def __init__(self, blobs: Blobs, ref: BlobRef, start: int, head: bytes) -> None:
        self._blobs = blobs
        self._ref = ref
        self._head = head  # the blob's first bytes, or all of them
        self.start = start
        self.size = ref.size - start

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises BlobUnreadable, possibly halfway."""
        if len(self._head) == self._ref.size:
            yield self._head[self.start :]
            return
        async for chunk in self._blobs.stream(self._ref, self.start):
            yield chunk

    async def beginning(self, octets: int) -> bytes:
        """At most so many bytes of it, cut after a whole line. Raises BlobUnreadable."""
        end = min(self.start + octets, self._ref.size)
        if end <= len(self._head):
            data = self._head[self.start : end]
        else:
            data = await self._blobs.read(self._ref, self.start, end)
        return data if end == self._ref.size else data[: data.rfind(b"\r\n") + 2] or data


async def open_message(blobs: Blobs, ref: BlobRef) -> StoredMessage:
    """Raises BlobUnreadable."""
    whole = ref.size <= _READ_AT_ONCE
    head = await blobs.read(ref, 0, None if whole else _PREFIX_OCTETS)
    found = _RETURN_PATH.match(head)
    return StoredMessage(blobs, ref, found.end() if found else 0, head)
