"""The mail inside an S/MIME envelope that is signed and not encrypted (RFC 8551 3.5.2, RFC 5652 5).

The signature is not looked at: a report counts for what it says, whoever signed it. Of BER only what leads to
the content is read.
"""

from __future__ import annotations

from typing import NamedTuple

from postier.reports.limits import Unreadable

__all__ = ["signed_content"]

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_SEQUENCE, _OID, _OCTETS, _CONSTRUCTED_OCTETS, _CONTENT = 0x30, 0x06, 0x04, 0x24, 0xA0
_DEPTH = 12
_ELEMENTS = 200_000
"""Values of one envelope that are looked at; what is gone through twice counts twice."""


class _Element(NamedTuple):
    """A value: its content lies at start:end, the next one begins at `next`."""

    tag: int
    start: int
    end: int
    next: int


def signed_content(data: bytes) -> bytes:
    """Raises Unreadable where it is encrypted, or no envelope of the kind."""
    envelope = _Envelope(data)
    try:
        kind, content = envelope.children(envelope.only(0, _SEQUENCE))[:2]
        if kind.tag != _OID or data[kind.start : kind.end] != _SIGNED_DATA:
            raise Unreadable("the mail is encrypted")
        signed = envelope.children(envelope.only(content.start, _SEQUENCE))
        inner = next(one for one in signed if one.tag == _SEQUENCE)
        carried = envelope.children(inner)[1]
        if carried.tag != _CONTENT:
            raise IndexError
        return b"".join(envelope.octets(envelope.element(carried.start, 0), 0))
    except (IndexError, ValueError, StopIteration):
        raise Unreadable("the mail is in an S/MIME envelope that is broken or has no content") from None


class _Envelope:
    """Reads values at places of `data`. All methods raise IndexError or ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _ELEMENTS

    def only(self, at: int, tag: int) -> _Element:
        found = self.element(at, 0)
        if found.tag != tag:
            raise ValueError
        return found

    def children(self, around: _Element) -> list[_Element]:
        found: list[_Element] = []
        at = around.start
        while at < around.end:
            found.append(self.element(at, 0))
            at = found[-1].next
        return found

    def octets(self, element: _Element, depth: int) -> list[bytes]:
        """A string in one piece, or in pieces (X.690 8.7.3)."""
        if element.tag == _OCTETS:
            return [self._data[element.start : element.end]]
        if element.tag != _CONSTRUCTED_OCTETS or depth == _DEPTH:
            raise ValueError
        return [piece for one in self.children(element) for piece in self.octets(one, depth + 1)]

    def element(self, at: int, depth: int) -> _Element:
        """X.690 8.1, tags of one octet."""
        self._left -= 1
        if self._left < 0:
            raise ValueError
        data = self._data
        tag, length = data[at], data[at + 1]
        start = at + 2
        if length == 0x80:
            return self._until_end_of_contents(tag, start, depth)
        if length > 0x80:
            size = length & 0x7F
            if size > 4:
                raise ValueError
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        if start + length > len(data):
            raise IndexError
        return _Element(tag, start, start + length, start + length)

    def _until_end_of_contents(self, tag: int, start: int, depth: int) -> _Element:
        if depth == _DEPTH:
            raise ValueError
        at = start
        while self._data[at : at + 2] != b"\0\0":
            at = self.element(at, depth + 1).next
        return _Element(tag, start, at, at + 2)
