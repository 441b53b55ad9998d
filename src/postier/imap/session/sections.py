"""Sections of messages: BODY[...], BINARY[...], RFC822 and their kin, read from the blobs by range.

The part index that was made at arrival turns a section into a byte range, so nothing is parsed here but a
header section of which single fields are wanted; and those that every mail program lists are kept beside
the message, so that no blob is touched. What is small is gathered into writes of some hundred KiB; what is
large leaves piece by piece, each taken by the client before the next is read.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, cast

from postier.accounts.delivery import LISTING_FIELDS
from postier.accounts.device_meter import WEIGHED_FROM
from postier.base.log import Log
from postier.blobs.api import BlobRef, BlobUnreadable
from postier.imap.session.binary import (
    Decoding,
    PartMemory,
    Stream,
    UnknownEncoding,
    decoding_of,
    partial_octets,
)
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.header_fields import chosen_fields
from postier.imap.session.selected import Selected
from postier.imap.wire.responses import literal_header, section_label
from postier.imap.wire.values import BodySection, SectionForm
from postier.message.parts import PartIndex, section_range
from postier.net.api import ConnectionLost
from postier.store.api import Uid

__all__ = ["SectionReader", "Sections"]

WRITE = 256 * 1024
"""Octets gathered before they are written."""
LARGE = 256 * 1024
"""Sections past this size are streamed."""
CONTENT = ("", "TEXT")
"""Specifiers of sections that are more than headers."""
WEIGHED_AT_ONCE = 4
"""Of a batch of messages fetched whole, those whose attachments are told from their text: the largest."""
PIECE = 1024 * 1024
"""A piece of a decoded section that is held, so that it need not be measured before it is announced."""

log = Log("imap")


class Sections:
    """The sections of one FETCH command.

    `labels`: what stands before the data of each, with the space that separates it from the section before.
    `needs_parts`: something else than whole messages. `is_listing`: nothing but fields that are kept beside
    the message (accounts.delivery.LISTING_FIELDS). `moves_content`: more than headers and sizes. `is_whole`:
    something of that is no part, so that what is attached has to be told from the rest.
    """

    __slots__ = ("is_listing", "is_whole", "labels", "moves_content", "needs_parts", "sections")

    def __init__(self, sections: Sequence[BodySection]) -> None:
        self.sections = tuple(sections)
        self.labels = tuple(
            (b" " if position else b"") + section_label(section.label, section.partial) + b" "
            for position, section in enumerate(sections)
        )
        self.needs_parts = any(section.path or section.specifier for section in sections)
        self.is_listing = all(map(_is_listing, sections))
        content = [section for section in sections if _is_content(section)]
        self.moves_content = bool(content)
        self.is_whole = any(not section.path for section in content)


def _is_listing(section: BodySection) -> bool:
    return (
        section.form is SectionForm.BODY
        and section.specifier == "HEADER.FIELDS"
        and not section.path
        and all(name.decode("latin-1").lower() in LISTING_FIELDS for name in section.fields)
    )


def _is_content(section: BodySection) -> bool:
    return section.form is not SectionForm.BINARY_SIZE and section.specifier in CONTENT


class _Message(NamedTuple):
    """What one message is answered from: `whole` where several sections are cut from it. `weighed`: where its
    attachments lie, None where nobody asks."""

    ref: BlobRef
    parts: PartIndex | None
    whole: bytes | None
    weighed: PartIndex | None


class SectionReader:
    """Answers one FETCH, a batch of messages at a time. A message that cannot be answered is left out."""

    __slots__ = (
        "_context",
        "_held",
        "_held_size",
        "_is_cut",
        "_meter",
        "_progress",
        "_sections",
        "_selected",
        "_unknown_encodings",
        "_unreadable",
    )

    def __init__(self, context: Context, selected: Selected, sections: Sections) -> None:
        self._context = context
        self._selected = selected
        self._sections = sections
        self._held: list[bytes] = []
        self._held_size = 0
        self._is_cut = False  # part of the current message has left already
        self._meter = context.meter if sections.moves_content else None
        self._progress = context.progress if sections.moves_content else None
        if self._meter is not None:
            self._meter.settle()
        self._unreadable = 0
        self._unknown_encodings = 0

    def raise_what_failed(self) -> None:
        """After the last batch: raises BlobUnreadable or No, if a message was left out."""
        if self._unreadable:
            raise BlobUnreadable(f"{self._unreadable} messages of a FETCH")
        if self._unknown_encodings:
            raise No("UNKNOWN-CTE", "A part has a content transfer encoding that nobody knows")

    async def answer(self, heads: Sequence[bytes], uids: Sequence[int]) -> None:
        """`heads`: for each message the line so far. Messages that vanish meanwhile are left out."""
        headers = await self._column("header", uids) if self._sections.is_listing else {}
        there = [uid for uid in uids if not headers.get(uid)]
        reader = self._context.reader
        refs = await reader.blob_refs(
            self._selected.account_id, self._selected.mailbox_id, cast(Sequence[Uid], there)
        )
        needed = there if self._sections.needs_parts else self._to_weigh(refs)
        parts = await self._column("parts", needed) if needed else {}
        for head, uid in zip(heads, uids, strict=True):
            header = headers.get(uid)
            ref = refs.get(cast(Uid, uid))
            if header:
                await self._from_listing(head, header)
            elif ref is not None and (uid in parts or not self._sections.needs_parts):
                await self._from_blob(head, uid, ref, parts.get(uid))
        if self._progress is not None and uids:
            self._progress.fetched(uids[-1])
        await self._flush()

    def _to_weigh(self, refs: Mapping[Uid, BlobRef]) -> list[int]:
        """Of messages that are fetched whole the largest, if attachments may weigh something in them."""
        if self._meter is None or not self._sections.is_whole:
            return []
        large = [uid for uid, ref in refs.items() if ref.size >= WEIGHED_FROM]
        if len(large) > WEIGHED_AT_ONCE:
            large = heapq.nlargest(WEIGHED_AT_ONCE, large, key=lambda uid: refs[uid].size)
        return sorted(large)

    async def _column(self, name: str, uids: Sequence[int]) -> dict[int, bytes]:
        view, selected = self._selected.view, self._selected
        ranges = view.ranges(view.spans_of(uids))
        rows = await self._context.reader.facts(selected.account_id, selected.mailbox_id, ranges, (name,))
        return dict(cast(list[tuple[int, bytes]], rows))

    async def _from_listing(self, head: bytes, header: bytes) -> None:
        line = [head]
        for section, label in zip(self._sections.sections, self._sections.labels, strict=True):
            data = without_nul(chosen_fields(header + b"\r\n", section))
            first, last = partial_octets(section, 0, len(data))
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
            self._take_back(mark, size)
            self._unreadable += 1
        except UnknownEncoding:
            self._take_back(mark, size)
            self._unknown_encodings += 1

    def _take_back(self, mark: int, size: int) -> None:
        """Nothing of this message was said."""
        del self._held[mark:]
        self._held_size = size

    async def _message(self, head: bytes, ref: BlobRef, encoded_parts: bytes | None) -> None:
        parts = PartIndex.decode(encoded_parts) if encoded_parts is not None else None
        message = _Message(
            ref,
            parts if self._sections.needs_parts else None,
            await self._read(ref, 0, ref.size)
            if len(self._sections.sections) > 1 and ref.size <= LARGE
            else None,
            parts if self._meter is not None else None,
        )
        decodings = [self._decoding(section, message) for section in self._sections.sections]
        await self._put(head)
        for section, label, decoding in zip(
            self._sections.sections, self._sections.labels, decodings, strict=True
        ):
            if decoding is None:
                await self._put(label + (b"0" if section.form is SectionForm.BINARY_SIZE else b"NIL"))
            elif section.fields:
                await self._fields(section, label, message, decoding)
            elif section.form is SectionForm.BODY:
                start, end = partial_octets(section, decoding.start, decoding.end)
                if self._meter is not None and section.specifier in CONTENT:
                    self._weigh(message, start, end, end - start)
                await self._octets(label, message, start, end)
            else:
                await self._binary(section, label, message, decoding)
        await self._put(b")\r\n")

    @staticmethod
    def _decoding(section: BodySection, message: _Message) -> Decoding | None:
        """Where the section lies; None if the message has no such section. Raises UnknownEncoding."""
        if section.form is not SectionForm.BODY:
            return decoding_of(section, message.parts, message.ref.size)
        if message.parts is None:
            return Decoding(0, message.ref.size)
        specifier = "HEADER" if section.fields else section.specifier
        found = section_range(message.parts, section.path, specifier)
        return None if found is None else Decoding(*found)

    async def _fields(self, section: BodySection, label: bytes, message: _Message, where: Decoding) -> None:
        data = without_nul(chosen_fields(await self._cut(message, where.start, where.end), section))
        if section.form is SectionForm.BINARY_SIZE:
            await self._put(label + b"%d" % len(data))
            return
        first, last = partial_octets(section, 0, len(data))
        await self._put(label + literal_header(last - first) + data[first:last])

    def _weigh(self, message: _Message, start: int, end: int, octets: int) -> None:
        """Tell the ledger of what [start, end) of the message becomes on its way: so many octets."""
        if self._meter is None:
            return
        if message.weighed is None:
            if message.ref.size >= WEIGHED_FROM:
                self._meter.guessed(octets)
            else:
                self._meter.whole(octets, 0)
            return
        attached = message.weighed.attached(start, end)
        if octets != end - start:  # decoded: nearly the same share of less
            attached = attached * octets // max(end - start, 1)
        if self._sections.is_whole:
            self._meter.weighed(octets, attached)
        else:
            self._meter.whole(octets, attached)

    async def _octets(self, label: bytes, message: _Message, start: int, end: int) -> None:
        if end - start <= LARGE:
            data = await self._cut(message, start, end)
            await self._put(label + literal_header(end - start))
            await self._put(without_nul(data))
            return
        await self._put(label + literal_header(end - start))
        await self._flush()
        self._is_cut = True
        async for chunk in self._stream(message, start, end):
            await self._context.write([without_nul(chunk)])

    async def _binary(
        self, section: BodySection, label: bytes, message: _Message, decoding: Decoding
    ) -> None:
        """RFC 3516 4.3: a literal8 only where NUL is among the octets."""
        if decoding.end - decoding.start > LARGE:
            await self._large_binary(section, label, message, decoding)
            return
        data = decoding.whole(await self._cut(message, decoding.start, decoding.end))
        if section.form is SectionForm.BINARY_SIZE:
            await self._put(label + b"%d" % len(data))
            return
        first, last = partial_octets(section, 0, len(data))
        data = data[first:last]
        self._weigh(message, decoding.start, decoding.end, len(data))
        await self._put(label + literal_header(len(data), binary=b"\0" in data))
        await self._put(data)

    async def _large_binary(
        self, section: BodySection, label: bytes, message: _Message, decoding: Decoding
    ) -> None:
        """Once through it to learn its size, if that is not known, and once more to send it."""
        memory = self._context.binary_part = self._context.binary_part or PartMemory()
        memory.turn_to((message.ref, decoding))

        def stream(offset: int) -> AsyncIterator[bytes]:
            return self._stream(message, decoding.start + offset, decoding.end)

        if section.partial is not None and section.partial[1] <= PIECE:
            octets = await self._piece_of_large_binary(section.partial, label, decoding, stream, memory)
            self._weigh(message, decoding.start, decoding.end, octets)
            return
        measure = await decoding.measure(stream, section.partial, memory)
        if section.form is SectionForm.BINARY_SIZE:
            await self._put(label + b"%d" % measure.size)
            return
        first, last = partial_octets(section, 0, measure.size)
        self._weigh(message, decoding.start, decoding.end, last - first)
        await self._put(label + literal_header(last - first, binary=measure.has_nul))
        await self._flush()
        self._is_cut = True
        left, mends = last - first, measure.mends_lines
        async for piece in decoding.pieces(stream, first, last, mends_lines=mends, memory=PartMemory()):
            left -= len(piece)
            await self._context.write([piece])
        if left:
            raise BlobUnreadable(f"{left} octets fewer than were told")

    async def _piece_of_large_binary(
        self,
        partial: tuple[int, int],
        label: bytes,
        decoding: Decoding,
        stream: Stream,
        memory: PartMemory,
    ) -> int:
        """What lies before it is passed over once for all the pieces of a part that are fetched in order.
        Returns how many octets it has."""
        mends = decoding.is_text and (await decoding.measure(stream, None, memory)).mends_lines
        first, length = partial
        pieces = decoding.pieces(stream, first, first + length, mends_lines=mends, memory=memory)
        data = b"".join([piece async for piece in pieces])
        await self._put(label + literal_header(len(data), binary=b"\0" in data))
        await self._put(data)
        return len(data)

    def _stream(self, message: _Message, start: int, end: int) -> AsyncIterator[bytes]:
        return self._context.services.blobs.stream(message.ref, start, end)

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
            await self._context.offer(held)


def without_nul(data: bytes) -> bytes:
    """RFC 3501 4.3 has no NUL in literals: it becomes 0x80, which keeps the size."""
    return data.replace(b"\0", b"\x80") if b"\0" in data else data
