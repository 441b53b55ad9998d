"""Sections of messages: BODY[...], RFC822 and their kin, read from the blobs by range.

The part index that was made at arrival turns a section into a byte range, so nothing is parsed here but a
header section of which single fields are wanted; and those that every mail program lists are kept beside
the message, so that no blob is touched. What is small is gathered into writes of some hundred KiB; what is
large leaves piece by piece, each taken by the client before the next is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from postier.accounts.delivery import LISTING_FIELDS
from postier.base.log import Log
from postier.blobs.api import BlobRef, BlobUnreadable
from postier.imap.session.context import Context
from postier.imap.session.header_fields import chosen_fields
from postier.imap.session.selected import Selected
from postier.imap.wire.responses import literal_header, section_label
from postier.imap.wire.values import BodySection
from postier.message.parts import PartIndex, section_range
from postier.net.api import ConnectionLost
from postier.store.api import Uid

__all__ = ["SectionReader", "Sections"]

WRITE = 256 * 1024
"""Octets gathered before they are written."""
LARGE = 256 * 1024
"""Sections past this size are streamed."""

log = Log("imap")


class Sections:
    """The sections of one FETCH command.

    `labels`: what stands before the data of each, with the space that separates it from what came before.
    `needs_parts`: something else than whole messages. `is_listing`: nothing but fields that are kept beside
    the message (accounts.delivery.LISTING_FIELDS).
    """

    __slots__ = ("is_listing", "labels", "needs_parts", "sections")

    def __init__(self, sections: Sequence[BodySection], *, after_items: bool) -> None:
        self.sections = tuple(sections)
        self.labels = tuple(
            (b" " if after_items or position else b"") + section_label(section.label, section.partial) + b" "
            for position, section in enumerate(sections)
        )
        self.needs_parts = any(section.path or section.specifier for section in sections)
        self.is_listing = all(map(_is_listing, sections))


def _is_listing(section: BodySection) -> bool:
    return (
        section.specifier == "HEADER.FIELDS"
        and not section.path
        and all(name.decode("latin-1").lower() in LISTING_FIELDS for name in section.fields)
    )


class _Message(NamedTuple):
    """What one message is answered from: `whole` where several sections are cut from it."""

    ref: BlobRef
    parts: PartIndex | None
    whole: bytes | None


class SectionReader:
    """Answers one batch of messages. `unreadable`: how many of them could not be read (the log says why)."""

    __slots__ = ("_context", "_held", "_held_size", "_is_cut", "_sections", "_selected", "unreadable")

    def __init__(self, context: Context, selected: Selected, sections: Sections) -> None:
        self._context = context
        self._selected = selected
        self._sections = sections
        self._held: list[bytes] = []
        self._held_size = 0
        self._is_cut = False  # part of the current message has left already
        self.unreadable = 0

    async def answer(self, heads: Sequence[bytes], uids: Sequence[int]) -> None:
        """`heads`: for each message the line so far. Messages that vanish meanwhile are left out."""
        headers = await self._column("header", uids) if self._sections.is_listing else {}
        there = [uid for uid in uids if not headers.get(uid)]
        reader = self._context.reader
        refs = await reader.blob_refs(
            self._selected.account_id, self._selected.mailbox_id, cast(Sequence[Uid], there)
        )
        parts = await self._column("parts", there) if self._sections.needs_parts and there else {}
        for head, uid in zip(heads, uids, strict=True):
            header = headers.get(uid)
            ref = refs.get(cast(Uid, uid))
            if header:
                await self._from_listing(head, header)
            elif ref is not None and (uid in parts or not self._sections.needs_parts):
                await self._from_blob(head, uid, ref, parts.get(uid))
        await self._flush()

    async def _column(self, name: str, uids: Sequence[int]) -> dict[int, bytes]:
        view, selected = self._selected.view, self._selected
        ranges = view.ranges(view.spans_of(uids))
        rows = await self._context.reader.facts(selected.account_id, selected.mailbox_id, ranges, (name,))
        return dict(cast(list[tuple[int, bytes]], rows))

    async def _from_listing(self, head: bytes, header: bytes) -> None:
        line = [head]
        for section, label in zip(self._sections.sections, self._sections.labels, strict=True):
            data = without_nul(chosen_fields(header, section))
            first, last = _partial(section, 0, len(data))
            line += (label, literal_header(last - first), data[first:last])
        line.append(b")\r\n")
        await self._put(b"".join(line))

    # ------------------------------------------------------------------ from blobs

    async def _from_blob(self, head: bytes, uid: int, ref: BlobRef, encoded_parts: bytes | None) -> None:
        """A message that cannot be read is left out; where half of it has left, only the end of the
        connection tells the client so. Raises ConnectionLost then."""
        mark, size = len(self._held), self._held_size
        self._is_cut = False
        try:
            await self._message(head, ref, encoded_parts)
        except BlobUnreadable as error:
            log.error("unreadable", exception=error, session=self._context.connection.id, uid=uid)
            if self._is_cut:
                self._context.connection.abort()
                raise ConnectionLost("a message could not be read to its end") from error
            del self._held[mark:]
            self._held_size = size
            self.unreadable += 1

    async def _message(self, head: bytes, ref: BlobRef, encoded_parts: bytes | None) -> None:
        message = _Message(
            ref,
            PartIndex.decode(encoded_parts) if encoded_parts is not None else None,
            await self._read(ref, 0, ref.size)
            if len(self._sections.sections) > 1 and ref.size <= LARGE
            else None,
        )
        await self._put(head)
        for section, label in zip(self._sections.sections, self._sections.labels, strict=True):
            found = _range(section, message)
            if found is None:
                await self._put(label + b"NIL")
            elif section.fields:
                await self._fields(section, label, message, *found)
            else:
                await self._octets(label, message, *_partial(section, *found))
        await self._put(b")\r\n")

    async def _fields(
        self, section: BodySection, label: bytes, message: _Message, start: int, end: int
    ) -> None:
        data = without_nul(chosen_fields(await self._cut(message, start, end), section))
        first, last = _partial(section, 0, len(data))
        await self._put(label + literal_header(last - first) + data[first:last])

    async def _octets(self, label: bytes, message: _Message, start: int, end: int) -> None:
        if end - start <= LARGE:
            data = await self._cut(message, start, end)
            await self._put(label + literal_header(end - start))
            await self._put(without_nul(data))
            return
        await self._put(label + literal_header(end - start))
        await self._flush()
        self._is_cut = True
        async for chunk in self._context.services.blobs.stream(message.ref, start, end):
            await self._context.write([without_nul(chunk)])

    async def _cut(self, message: _Message, start: int, end: int) -> bytes:
        if message.whole is not None:
            return message.whole[start:end]
        return await self._read(message.ref, start, end)

    async def _read(self, ref: BlobRef, start: int, end: int) -> bytes:
        return await self._context.services.blobs.read(ref, start, end)

    # ------------------------------------------------------------------ writing

    async def _put(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size >= WRITE:
            self._is_cut = True
            await self._flush()

    async def _flush(self) -> None:
        held, self._held, self._held_size = self._held, [], 0
        if held:
            await self._context.write(held)


def _range(section: BodySection, message: _Message) -> tuple[int, int] | None:
    """Where the section lies in the message; None if the message has no such section."""
    if message.parts is None:
        return 0, message.ref.size
    return section_range(message.parts, section.path, "HEADER" if section.fields else section.specifier)


def without_nul(data: bytes) -> bytes:
    """RFC 3501 4.3 has no NUL in literals: it becomes 0x80, which keeps the size."""
    return data.replace(b"\0", b"\x80") if b"\0" in data else data


def _partial(section: BodySection, start: int, end: int) -> tuple[int, int]:
    """The part of [start, end) that `<first.length>` leaves (RFC 3501 6.4.5); empty past the end."""
    if section.partial is None:
        return start, end
    first, length = section.partial
    start = min(start + first, end)
    return start, min(start + length, end)
