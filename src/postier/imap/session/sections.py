"""Sections of messages: BODY[...], RFC822 and their kin, read from the blobs by range.

The part index that was made at arrival turns a section into a byte range, so nothing is parsed here but a
header section of which single fields are wanted. What is small is gathered into writes of some hundred
KiB; what is large leaves piece by piece, each taken by the client before the next is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from postier.blobs.api import BlobRef
from postier.imap.session.selected import Selected
from postier.imap.wire.responses import literal_header, section_label
from postier.imap.wire.values import BodySection
from postier.message.headers import HeaderFields
from postier.message.parts import PartIndex, section_range
from postier.store.api import Uid

if TYPE_CHECKING:
    from postier.imap.session.context import Context

__all__ = ["SectionReader", "Sections"]

WRITE = 256 * 1024
"""Octets gathered before they are written."""
LARGE = 256 * 1024
"""Sections past this size are streamed."""


class Sections:
    """The sections of one FETCH command, with their labels made ready.

    `label` of each: what stands before its data, with the space that separates it from what came before.
    """

    __slots__ = ("labels", "needs_parts", "sections")

    def __init__(self, sections: Sequence[BodySection], *, after_items: bool) -> None:
        self.sections = tuple(sections)
        self.labels = tuple(
            (b" " if after_items or position else b"") + section_label(section.label, section.partial) + b" "
            for position, section in enumerate(sections)
        )
        self.needs_parts = any(section.path or section.specifier for section in sections)


class Piece(NamedTuple):
    """Where a section's data is: in `data` if it was read already, else at [start, end) of the blob."""

    data: bytes | None
    start: int
    end: int


class SectionReader:
    """Answers one batch of messages."""

    __slots__ = ("_context", "_held", "_held_size", "_sections", "_selected")

    def __init__(self, context: Context, selected: Selected, sections: Sections) -> None:
        self._context = context
        self._selected = selected
        self._sections = sections
        self._held: list[bytes] = []
        self._held_size = 0

    async def answer(self, heads: Sequence[bytes], uids: Sequence[int]) -> None:
        """`heads`: for each message the line so far. Messages that vanish meanwhile are left out."""
        account_id, mailbox_id = self._selected.account_id, self._selected.mailbox_id
        reader = self._context.reader
        refs = await reader.blob_refs(account_id, mailbox_id, cast(Sequence[Uid], uids))
        parts: dict[object, object] = {}
        if self._sections.needs_parts:
            ranges = self._selected.view.ranges(self._selected.view.spans_of(uids))
            parts = dict(
                cast(list[tuple[int, bytes]], await reader.facts(account_id, mailbox_id, ranges, ("parts",)))
            )
        for head, uid in zip(heads, uids, strict=True):
            ref = refs.get(cast(Uid, uid))
            if ref is None or (self._sections.needs_parts and uid not in parts):
                continue
            await self._message(head, ref, cast(bytes, parts.get(uid, b"")))
        await self._flush()

    async def _message(self, head: bytes, ref: BlobRef, encoded_parts: bytes) -> None:
        index = PartIndex.decode(encoded_parts) if self._sections.needs_parts else None
        whole = await self._whole(ref)
        await self._put(head)
        for section, label in zip(self._sections.sections, self._sections.labels, strict=True):
            piece = await self._piece(section, index, ref, whole)
            if piece is None:
                await self._put(label + b"NIL")
                continue
            await self._put(label + literal_header(piece.end - piece.start))
            if piece.data is not None:
                await self._put(without_nul(piece.data))
            elif piece.end - piece.start <= LARGE:
                data = await self._context.services.blobs.read(ref, piece.start, piece.end)
                await self._put(without_nul(data))
            else:
                await self._stream(ref, piece)
        await self._put(b")\r\n")

    async def _whole(self, ref: BlobRef) -> bytes | None:
        """Several sections of one small message are cut from one read."""
        if len(self._sections.sections) > 1 and ref.size <= LARGE:
            return await self._context.services.blobs.read(ref)
        return None

    async def _piece(
        self, section: BodySection, index: PartIndex | None, ref: BlobRef, whole: bytes | None
    ) -> Piece | None:
        """None for a section the message does not have."""
        if index is None:
            found: tuple[int, int] | None = (0, ref.size)
        else:
            specifier = "HEADER" if section.fields else section.specifier
            found = section_range(index, section.path, specifier)
        if found is None:
            return None
        start, end = found
        if section.fields:
            header = (
                whole[start:end]
                if whole is not None
                else await self._context.services.blobs.read(ref, start, end)
            )
            chosen = chosen_fields(header, section)
            first, last = _partial(section, 0, len(chosen))
            return Piece(chosen[first:last], first, last)
        start, end = _partial(section, start, end)
        return Piece(whole[start:end] if whole is not None else None, start, end)

    async def _stream(self, ref: BlobRef, piece: Piece) -> None:
        await self._flush()
        async for chunk in self._context.services.blobs.stream(ref, piece.start, piece.end):
            await self._context.write([without_nul(chunk)])

    async def _put(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size >= WRITE:
            await self._flush()

    async def _flush(self) -> None:
        held, self._held, self._held_size = self._held, [], 0
        if held:
            await self._context.write(held)


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


def chosen_fields(header: bytes, section: BodySection) -> bytes:
    """HEADER.FIELDS or HEADER.FIELDS.NOT: whole fields in order, then the empty line (RFC 3501 6.4.5)."""
    names = {name.lower() for name in section.fields}
    wanted = section.specifier == "HEADER.FIELDS"
    kept = [
        header[field.start : field.end]
        for field in HeaderFields(header)
        if (field.name.lower() in names) is wanted
    ]
    if kept and not kept[-1].endswith(b"\n"):  # a header section that ends with the message
        kept.append(b"\r\n")
    return b"".join(kept) + b"\r\n"
