"""Parts that hold NUL in base64 instead: what IMAP cannot show otherwise (RFC 3516 4.4, 6).

Only such parts change, and of their header sections only Content-Transfer-Encoding. In pieces of any size,
with memory for one header section.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from postier.message.parts import Part, PartIndex
from postier.message.structure import Kind

__all__ = ["CannotEncode", "NulFinder", "Reencoder"]

LINE = 57
"""Octets that make a line of 76 letters (RFC 2045 6.8)."""
_IDENTITY = frozenset(("7bit", "8bit", "binary", ""))
_OLD_FIELD = re.compile(
    rb"^Content-Transfer-Encoding[ \t]*:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z))*+",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY_LINE = re.compile(rb"^\r?\n\Z", re.MULTILINE)
_NEW_FIELD = b"Content-Transfer-Encoding: base64\r\n"


class CannotEncode(Exception):
    """NUL stands where no encoding can hide it: in a header section, between parts, in base64."""


class _Segment(NamedTuple):
    """Octets [start, end) of the message; `part` is -1 for what stays as it is."""

    start: int
    end: int
    part: int
    is_header: bool = False


def _leaves(parts: PartIndex) -> Iterator[tuple[int, Part]]:
    return ((index, part) for index, part in enumerate(parts) if part.kind == Kind.LEAF)


class NulFinder:
    """Which leaves hold NUL. Feed it the whole message."""

    def __init__(self, parts: PartIndex) -> None:
        self._parts = list(_leaves(parts))
        self._position = 0
        self._next = 0
        self.found: set[int] = set()

    def feed(self, chunk: bytes) -> None:
        """Raises CannotEncode for a NUL that is in no leaf's body, or in one that is encoded."""
        at = chunk.find(b"\0")
        while at >= 0:
            end = self._mark(self._position + at) - self._position
            at = chunk.find(b"\0", end) if end < len(chunk) else -1
        self._position += len(chunk)

    def _mark(self, offset: int) -> int:
        """The NUL at `offset`; where the leaf ends that holds it."""
        while self._next < len(self._parts) and self._parts[self._next][1].end <= offset:
            self._next += 1
        if self._next == len(self._parts) or offset < self._parts[self._next][1].body_start:
            raise CannotEncode("NUL outside the bodies of parts")
        index, part = self._parts[self._next]
        if part.encoding not in _IDENTITY:
            raise CannotEncode(f"NUL in a part encoded as {part.encoding}")
        self.found.add(index)
        return part.end


class Reencoder:
    """Feed it the whole message; what comes out has the leaves `chosen` in base64."""

    def __init__(self, parts: PartIndex, chosen: Iterable[int], size: int) -> None:
        self._parts = parts.parts
        self._segments = iter(self._cut(sorted(chosen), size))
        self._segment = next(self._segments)
        self._position = 0
        self._held = b""

    def _cut(self, chosen: list[int], size: int) -> Iterator[_Segment]:
        position = 0
        for index in chosen:
            part = self._parts[index]
            yield _Segment(position, part.header_start, -1)
            yield _Segment(part.header_start, part.body_start, index, is_header=True)
            yield _Segment(part.body_start, part.end, index)
            position = part.end
        yield _Segment(position, size, -1)

    def feed(self, chunk: bytes) -> bytes:
        made: list[bytes] = []
        while chunk:
            while self._position == self._segment.end:
                self._segment = next(self._segments)
            room = self._segment.end - self._position
            piece, chunk = chunk[:room], chunk[room:]
            self._position += len(piece)
            made.append(self._write(piece, is_last=len(piece) == room))
        return b"".join(made)

    def _write(self, piece: bytes, *, is_last: bool) -> bytes:
        segment = self._segment
        if segment.part < 0:
            return piece
        data, self._held = self._held + piece, b""
        if segment.is_header:
            if is_last:
                return _with_base64(data, is_message=self._parts[segment.part].parent < 0)
            self._held = data
            return b""
        cut = len(data) if is_last else len(data) - len(data) % LINE
        self._held = data[cut:]
        lines = b"".join(
            binascii.b2a_base64(data[start : min(start + LINE, cut)], newline=False) + b"\r\n"
            for start in range(0, cut, LINE)
        )
        return lines.removesuffix(b"\r\n") if is_last and self._parts[segment.part].parent >= 0 else lines


def _with_base64(header: bytes, *, is_message: bool) -> bytes:
    fields = _OLD_FIELD.sub(b"", _EMPTY_LINE.sub(b"", header))
    if is_message and re.search(rb"^MIME-Version[ \t]*:", fields, re.IGNORECASE | re.MULTILINE) is None:
        fields += b"MIME-Version: 1.0\r\n"
    return fields + _NEW_FIELD + b"\r\n"
