"""Some messages of the mailbox while a search looks at them: what it needs of them is read once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple, cast

from postier.blobs.api import BlobRef
from postier.imap.session.context import Context
from postier.imap.session.scope import Scope
from postier.imap.session.view import Batch
from postier.message.parts import PartIndex
from postier.store.api import Message, Uid

__all__ = ["Content", "Slice"]

WHOLE = 1024 * 1024
"""Messages up to this size are read at once, larger ones part by part and piece by piece."""


class Content(NamedTuple):
    """A message's bytes and where its parts lie. `whole` is None for a large one."""

    ref: BlobRef
    parts: PartIndex
    whole: bytes | None


class Slice:
    """A batch, with columns that are read at first use. Messages that vanish are in none of them."""

    __slots__ = (
        "_batch",
        "_context",
        "_facts",
        "_flags",
        "_listing",
        "_messages",
        "_parts",
        "_refs",
        "_scope",
    )

    def __init__(self, context: Context, scope: Scope, batch: Batch) -> None:
        self._context = context
        self._scope = scope
        self._batch = batch
        self._messages: list[Message] | None = None
        self._flags: dict[int, int] | None = None
        self._facts: dict[str, dict[int, int]] = {}
        self._listing: dict[int, bytes] | None = None
        self._refs: dict[Uid, BlobRef] = {}
        self._parts: dict[int, bytes] = {}

    async def _rows(self) -> list[Message]:
        if self._messages is None:
            self._messages = await self._context.reader.messages(
                self._scope.account_id, self._scope.mailbox_id, self._batch.ranges
            )
        return self._messages

    async def flags(self) -> dict[int, int]:
        """{UID: flags}"""
        if self._flags is None:
            self._flags = {uid: flags for uid, flags, _ in await self._rows()}
        return self._flags

    async def modseqs(self) -> dict[int, int]:
        """{UID: modseq}"""
        return {message.uid: message.modseq for message in await self._rows()}

    async def facts(self, column: str) -> dict[int, int]:
        """{UID: value} of a column of numbers."""
        if column not in self._facts:
            self._facts[column] = cast(dict[int, int], await self._column(column))
        return self._facts[column]

    async def _column(self, column: str) -> dict[object, object]:
        rows = await self._context.reader.facts(
            self._scope.account_id, self._scope.mailbox_id, self._batch.ranges, (column,)
        )
        return dict(cast(list[tuple[object, object]], rows))

    # ------------------------------------------------------------------ header sections

    async def listing_header(self, uid: int) -> bytes:
        """The listing fields (accounts.delivery.LISTING_FIELDS) of a message, or its whole header section."""
        if self._listing is None:
            self._listing = cast(dict[int, bytes], await self._column("header"))
        kept = self._listing.get(uid)
        return kept if kept else await self.header(uid)

    async def header(self, uid: int) -> bytes:
        """The whole header section; b"" for a message that is gone."""
        await self.find_contents((uid,))
        ref, encoded = self._refs.get(Uid(uid)), self._parts.get(uid)
        if ref is None or encoded is None:
            return b""
        root = PartIndex.decode(encoded).parts[0]
        return await self._context.services.blobs.read(ref, root.header_start, root.body_start)

    # ------------------------------------------------------------------ bodies

    async def find_contents(self, uids: Iterable[int]) -> None:
        """Learn where the bytes of these messages lie."""
        wanted = [Uid(uid) for uid in uids if uid not in self._refs]
        if not wanted:
            return
        account_id, mailbox_id, reader = (
            self._scope.account_id,
            self._scope.mailbox_id,
            self._context.reader,
        )
        self._refs.update(await reader.blob_refs(account_id, mailbox_id, wanted))
        ranges = self._scope.view.ranges(self._scope.view.spans_of(wanted))
        rows = await reader.facts(account_id, mailbox_id, ranges, ("parts",))
        self._parts.update(cast(list[tuple[int, bytes]], rows))

    async def content(self, uid: int) -> Content | None:
        """None for a message that is gone; `find_contents` knows it."""
        ref, encoded = self._refs.get(Uid(uid)), self._parts.get(uid)
        if ref is None or encoded is None:
            return None
        whole = await self._context.services.blobs.read(ref) if ref.size <= WHOLE else None
        return Content(ref, PartIndex.decode(encoded), whole)

    async def read(self, content: Content, start: int, end: int) -> bytes:
        """For what is never large: header sections."""
        if content.whole is not None:
            return content.whole[start:end]
        return await self._context.services.blobs.read(content.ref, start, end)

    def pieces(self, content: Content, start: int, end: int) -> AsyncIterator[bytes]:
        """For the parts of large messages."""
        return self._context.services.blobs.stream(content.ref, start, end)
