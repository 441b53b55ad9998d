"""The text of a stored message for SEARCH: as much of it as an index keeps, or all of it, piece by piece.

A message of up to WHOLE octets is read at once. Of a longer one no more is held than a part of that size, or
a window of a longer part.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from postier.blobs.api import BlobRef, Blobs
from postier.message.parts import Part, PartIndex
from postier.message.searched import (
    GAP,
    HeadText,
    LargeText,
    MessageText,
    TextQuery,
    Zone,
    body_sections,
    has_text,
    head_text,
    mime_sections,
    section_lines,
    section_text,
)

__all__ = ["KEPT_BODY", "KEPT_HEAD", "StoredMessage", "occurs", "read_text"]

WHOLE = 1024 * 1024
WINDOW = 256 * 1024
KEPT_HEAD = 128 * 1024
"""Characters of all header fields together that an index keeps."""
KEPT_BODY = 1024 * 1024
"""Characters of BODY that an index keeps."""


class StoredMessage:
    """A message's bytes and where its parts lie."""

    __slots__ = ("_blobs", "_ref", "_whole", "parts")

    def __init__(self, blobs: Blobs, ref: BlobRef, encoded_parts: bytes) -> None:
        self._blobs = blobs
        self._ref = ref
        self._whole: bytes | None = None
        self.parts = PartIndex.decode(encoded_parts).parts

    async def load(self) -> None:
        """Read a short message at once. Raises BlobUnreadable, as does whatever reads it."""
        if self._ref.size <= WHOLE and self._whole is None:
            self._whole = await self._blobs.read(self._ref)

    async def read(self, start: int, end: int) -> bytes:
        if self._whole is not None:
            return self._whole[start:end]
        await asyncio.sleep(0)  # ten thousand parts of a long message take their time
        return await self._blobs.read(self._ref, start, end)

    async def header(self) -> bytes:
        """The header section of the message."""
        return await self.read(self.parts[0].header_start, self.parts[0].body_start)

    async def windows(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The same pieces each time, however the bytes are stored; other connections have their turn between
        them."""
        held = b""
        async for piece in self._blobs.stream(self._ref, start, end):
            held += piece
            while len(held) >= WINDOW:
                yield held[:WINDOW]
                held = held[WINDOW:]
                await asyncio.sleep(0)
        yield held


async def read_text(message: StoredMessage) -> MessageText:
    """What an index keeps of a message."""
    await message.load()
    top = head_text(await message.header())
    head, head_whole = await _some(_head_pieces(message, top), KEPT_HEAD)
    body, body_whole = await _some(_body_pieces(message), KEPT_BODY)
    fields_whole = sum(map(len, top.fields)) <= KEPT_HEAD
    fields = top.fields if fields_whole else ("",) * len(top.fields)
    return MessageText(fields, head, body, head_whole and body_whole and fields_whole)


async def _some(pieces: AsyncIterator[str], limit: int) -> tuple[str, bool]:
    """The first `limit` characters, and whether that is all."""
    kept: list[str] = []
    room = limit
    async for piece in pieces:
        kept.append(piece[:room])
        if len(piece) > room:
            return "".join(kept), False
        room -= len(piece)
    return "".join(kept), True


async def occurs(message: StoredMessage, query: TextQuery) -> bool:
    """Whether the message itself has it, however long it is."""
    await message.load()
    top = head_text(await message.header())
    for zone in query.zones:
        if zone is Zone.BODY:
            found = await _in_pieces(_body_pieces(message), query.text)
        elif zone is Zone.HEAD and not query.field:
            found = await _in_pieces(_head_pieces(message, top), query.text)
        else:
            found = has_text(MessageText(top.fields, top.lines, ""), query._replace(zones=(zone,)))
        if found:
            return True
    return False


async def _in_pieces(pieces: AsyncIterator[str], text: str) -> bool:
    """Each piece is searched together with the end of what came before it."""
    before = ""
    if not text:
        return True
    async for piece in pieces:
        window = before + piece
        if text in window:
            return True
        before = window[max(0, len(window) - len(text) + 1) :]
    return False


async def _head_pieces(message: StoredMessage, top: HeadText) -> AsyncIterator[str]:
    yield top.lines
    for start, end in mime_sections(message.parts):
        yield GAP + section_lines(await message.read(start, end))


async def _body_pieces(message: StoredMessage) -> AsyncIterator[str]:
    for start, end, part in body_sections(message.parts):
        if part is not None and end - start > WHOLE:
            async for piece in _large_part(message, part):
                yield piece
        else:
            yield section_text(await message.read(start, end), part)
        yield GAP


async def _large_part(message: StoredMessage, part: Part) -> AsyncIterator[str]:
    text = LargeText(part)
    async for window in message.windows(part.body_start, part.end):
        yield text.feed(window)
    yield text.finish()
