"""BINARY and BINARY.SIZE: sections without their Content-Transfer-Encoding (RFC 3516 4.3, RFC 9051 7.5.2).

A part of text comes with CRLF at the end of each line, however it is kept, unless it holds NUL: then it is no
text of lines. Multiparts, messages, and header sections have no encoding that hides them and come as they
stand. The size tells exactly what will come; both are made by the one `Decoding`, in pieces.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from postier.imap.wire.values import BodySection
from postier.message.parts import Part, PartIndex, section_range
from postier.message.structure import Kind
from postier.message.transfer import CanonicalLines, TransferDecoder, decode_transfer, is_known

__all__ = ["Decoding", "Measure", "PartMemory", "Stream", "UnknownEncoding", "decoding_of", "partial_octets"]


class UnknownEncoding(Exception):
    """Nobody knows how to decode this part."""


class Measure(NamedTuple):
    """What a part decodes to: how many octets, whether NUL is among those asked for, and whether lone LFs are
    to become CRLF."""

    size: int
    has_nul: bool
    mends_lines: bool


class Reached(NamedTuple):
    """How far a part was decoded: octets taken, octets made, and the decoders as they were then."""

    taken: int
    made: int
    decoder: TransferDecoder
    lines: CanonicalLines | None


class PartMemory:
    """What one session learnt of the part it reads, so that the next piece of it goes on where the last one
    ended: clients on slow links fetch large parts piece by piece."""

    __slots__ = ("_key", "measure", "progress")

    def __init__(self) -> None:
        self._key: object = None
        self.measure: Measure | None = None
        self.progress: Reached | None = None

    def turn_to(self, key: object) -> None:
        """Forget everything unless it is the part of before."""
        if key != self._key:
            self._key, self.measure, self.progress = key, None, None


Stream = Callable[[int], AsyncIterator[bytes]]
"""The section's octets as they stand in the message, from that one on."""


class Decoding(NamedTuple):
    """How a section is read: its range in the message, the encoding to be undone, and whether it is text."""

    start: int
    end: int
    encoding: str = ""
    is_text: bool = False

    def whole(self, data: bytes) -> bytes:
        """The decoded section from all of its octets `data`."""
        decoded = decode_transfer(data, self.encoding)
        return CanonicalLines().feed(decoded) if self.is_text and b"\0" not in decoded else decoded

    async def measure(self, stream: Stream, partial: tuple[int, int] | None, memory: PartMemory) -> Measure:
        """Decode everything once, and keep nothing but what is found of the whole."""
        known = memory.measure
        if known is not None and (partial is None or not known.has_nul):
            return known
        first, length = partial or (0, 0)
        size = lone = 0
        has_nul = nul_wanted = False
        lines = CanonicalLines()
        async for piece, _ in self._decoded(stream, self._start(mends_lines=False)):
            if b"\0" in piece:
                has_nul = True
                low, high = max(first - size, 0), first + length - size
                nul_wanted |= b"\0" in (piece if partial is None else piece[low : max(high, 0)])
            if self.is_text:
                lone += len(lines.feed(piece)) - len(piece)
            size += len(piece)
        mends = self.is_text and not has_nul
        measure = memory.measure = Measure(size + lone if mends else size, has_nul, mends)
        return measure._replace(has_nul=nul_wanted)

    async def pieces(
        self, stream: Stream, first: int, last: int, *, mends_lines: bool, memory: PartMemory
    ) -> AsyncIterator[bytes]:
        """The decoded octets [first, last), or up to the end. Goes on from what `memory` knows."""
        progress = memory.progress
        if progress is None or progress.made > first:
            progress = self._start(mends_lines=mends_lines)
        position = progress.made
        async for piece, before in self._decoded(stream, progress):
            memory.progress = before
            start, position = position, position + len(piece)
            if position > first:
                yield piece[max(first - start, 0) : last - start]
            if position >= last:
                return

    def _start(self, *, mends_lines: bool) -> Reached:
        return Reached(0, 0, TransferDecoder(self.encoding), CanonicalLines() if mends_lines else None)

    async def _decoded(self, stream: Stream, progress: Reached) -> AsyncIterator[tuple[bytes, Reached]]:
        """Each piece, and where it begins."""
        taken, made, decoder, lines = progress
        decoder, lines = copy.copy(decoder), copy.copy(lines)
        async for chunk in stream(taken):
            before = Reached(taken, made, copy.copy(decoder), copy.copy(lines))
            piece = decoder.feed(chunk)
            if lines is not None:
                piece = lines.feed(piece)
            yield piece, before
            taken, made = taken + len(chunk), made + len(piece)
            await asyncio.sleep(0)  # the other connections' turn
        before = Reached(taken, made, copy.copy(decoder), copy.copy(lines))
        piece = decoder.finish()
        yield piece if lines is None else lines.feed(piece), before


def decoding_of(section: BodySection, parts: PartIndex | None, size: int) -> Decoding | None:
    """How to read `section` of a message of `size` octets; None if there is no such section.

    `parts` may be None for the whole message. Raises UnknownEncoding.
    """
    if parts is None or not (section.path or section.specifier):
        return Decoding(0, size)
    specifier = "HEADER" if section.fields else section.specifier
    found = section_range(parts, section.path, specifier)
    if found is None:
        return None
    if specifier in ("HEADER", "MIME"):
        return Decoding(*found)
    part = parts.message_in(section.path) if specifier == "TEXT" else parts.part(section.path)
    assert part is not None, "a section of a part that is not there"
    return Decoding(*found, _encoding(part), part.content_type.startswith("text/"))


def _encoding(part: Part) -> str:
    if part.kind == Kind.MULTIPART:
        return ""
    if not is_known(part.encoding):
        raise UnknownEncoding(part.encoding)
    return part.encoding


def partial_octets(section: BodySection, start: int, end: int) -> tuple[int, int]:
    """The part of [start, end) that `<first.length>` leaves (RFC 3501 6.4.5); empty past the end."""
    if section.partial is None:
        return start, end
    first, length = section.partial
    start = min(start + first, end)
    return start, min(start + length, end)
