"""The two canonical forms of header fields and bodies (RFC 6376 3.4).

Bodies stream: a chunk is rewritten by whole-buffer operations, and what the next chunk may change (the
white space and CR at its end, the empty lines that may turn out to be the last ones) is held back in O(1)
memory. The result never depends on where the chunks were cut.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

__all__ = ["BodyHasher", "Canonicalizer", "LengthLimitedHash", "relaxed_field", "simple_field"]

_EMPTY_LINES = b"\r\n" * 4096


def simple_field(raw: bytes) -> bytes:
    """RFC 6376 3.4.1: as it is. `raw` and the result are without the final CRLF."""
    return raw


def relaxed_field(raw: bytes) -> bytes:
    """RFC 6376 3.4.2: name in lower case, unfolded, no white space but single SPs between words."""
    name, _, value = raw.partition(b":")
    value = _reduce_spaces(value.replace(b"\r\n", b"")).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value


def _reduce_spaces(data: bytes) -> bytes:
    """Every run of SP and HTAB as one SP; each pass halves the runs, so the cost is n log n at worst."""
    data = data.replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data


class Sink(Protocol):
    """What takes the canonical body, piece by piece."""

    def update(self, data: bytes, /) -> None: ...


class Canonicalizer:
    """A body on its way to a sink, in the relaxed form or the simple one (RFC 6376 3.4.3, 3.4.4)."""

    __slots__ = ("_empty_lines", "_held", "_relaxed", "_sink", "_something")

    def __init__(self, sink: Sink, *, relaxed: bool) -> None:
        self._sink = sink
        self._relaxed = relaxed
        self._held = b""  # at most one SP and one CR, which the next chunk decides on
        self._empty_lines = 0  # CRLFs that are not written until something follows
        self._something = False

    def feed(self, chunk: bytes) -> None:
        if not chunk:
            return
        data = self._held + chunk if self._held else chunk
        self._held = b""
        if self._relaxed:
            data = _reduce_spaces(data).replace(b" \r\n", b"\r\n")
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        if self._relaxed and data.endswith(b" "):
            data, self._held = data[:-1], b" " + self._held
        self._write(data)

    def finish(self) -> None:
        """The end of the body: the last line gets its CRLF, empty lines at the end are dropped."""
        held, self._held = self._held, b""
        self._write(held if not self._relaxed or held.endswith(b"\r") else b"")
        if self._something or not self._relaxed:
            self._sink.update(b"\r\n")  # the simple form of an empty body is CRLF, the relaxed one nothing

    def _write(self, data: bytes) -> None:
        """Pass on all of `data` but the CRLFs at its end."""
        end = _end_of_text(data)
        if end:
            self._write_empty_lines()
            self._sink.update(data[:end] if end < len(data) else data)
            self._something = True
        self._empty_lines += (len(data) - end) // 2

    def _write_empty_lines(self) -> None:
        octets = 2 * self._empty_lines
        self._empty_lines = 0
        while octets > 0:
            self._sink.update(_EMPTY_LINES[:octets])
            octets -= len(_EMPTY_LINES)


def _end_of_text(data: bytes) -> int:
    """Where the whole CRLFs at the end of `data` begin. A bare CR or LF is text."""
    stem = len(data.rstrip(b"\r\n"))
    start = max(stem, data.rfind(b"\n\n", stem) + 1, data.rfind(b"\r\r", stem) + 1)
    if data.startswith(b"\n", start):
        start += 1
    return start if (len(data) - start) % 2 == 0 else len(data)


class LengthLimitedHash:
    """SHA-256 of the first `limit` octets (all with None), and how many there were (RFC 6376 3.5, l=)."""

    __slots__ = ("_hash", "length", "limit")

    def __init__(self, limit: int | None = None) -> None:
        self._hash = hashlib.sha256()
        self.limit = limit
        self.length = 0

    def update(self, data: bytes, /) -> None:
        room = None if self.limit is None else self.limit - self.length
        self.length += len(data)
        if room is None or room >= len(data):
            self._hash.update(data)
        elif room > 0:
            self._hash.update(data[:room])

    def digest(self) -> bytes:
        return self._hash.digest()


class BodyHasher:
    """The body hash that a new signature carries: SHA-256 of the relaxed form, chunk by chunk."""

    __slots__ = ("_canonicalizer", "_finished", "_hash")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._canonicalizer = Canonicalizer(self._hash, relaxed=True)
        self._finished = False

    def feed(self, chunk: bytes) -> None:
        """The next octets of the body as it goes over the wire, before dot-stuffing."""
        self._canonicalizer.feed(chunk)

    def digest(self) -> bytes:
        """The hash of the whole body; nothing can be fed after that."""
        if not self._finished:
            self._canonicalizer.finish()
            self._finished = True
        return self._hash.digest()
