"""Messages as multi-line responses (RFC 1939 3), in chunks and in linear time."""

from __future__ import annotations

import re

__all__ = ["DotStuffer", "TopOfMessage"]


_DOT_BEGINS_LINE = re.compile(rb"\n\.")


class DotStuffer:
    """Doubles the dot at the start of a line. Chunks may be cut anywhere.

    A line starts behind every LF, also one without CR: a client that takes LF for the end of a line
    must not see the end of the response inside a message.
    """

    __slots__ = ("_line_start", "_tail")

    def __init__(self) -> None:
        self._line_start = True
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        if not chunk:
            return b""
        stuffed = chunk
        if b"." in chunk and _DOT_BEGINS_LINE.search(chunk):  # seldom: looking costs a third of replacing
            stuffed = chunk.replace(b"\n.", b"\n..")
        if self._line_start and chunk.startswith(b"."):
            stuffed = b"." + stuffed
        self._line_start = chunk.endswith(b"\n")
        self._tail = (self._tail + chunk[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """What ends the response: a CRLF if the message lacks one, and the dot."""
        return b".\r\n" if self._tail in (b"", b"\r\n") else b"\r\n.\r\n"


class TopOfMessage:
    """The header, the empty line and the first `lines` lines of the body (RFC 1939 7, TOP)."""

    __slots__ = ("_in_header", "_left", "_tail", "done", "wants_body")

    def __init__(self, lines: int) -> None:
        self._left = lines
        self.wants_body = lines > 0
        self._in_header = True
        self._tail = b"\n"
        self.done = False

    def feed(self, chunk: bytes) -> bytes:
        """The part of `chunk` that belongs to it; `done` once no more will."""
        if self.done:
            return b""
        start = 0
        if self._in_header:
            start = self._end_of_header(chunk)
            if start < 0:
                return chunk
            self._in_header = False
        count = chunk.count(b"\n", start)
        if count < self._left:
            self._left -= count
            return chunk
        self.done = True
        return chunk[: _after_line(chunk, start, self._left)]

    def _end_of_header(self, chunk: bytes) -> int:
        """The position in `chunk` behind the empty line, -1 if it is not in it."""
        joined = self._tail + chunk
        shift = len(self._tail)
        ends = [
            found + len(mark) - shift for mark in (b"\n\r\n", b"\n\n") if (found := joined.find(mark)) >= 0
        ]
        self._tail = joined[-2:]
        return min(ends, default=-1)


def _after_line(data: bytes, start: int, count: int) -> int:
    """The position behind the `count`-th LF after `start`, which must be there; by halving."""
    end = len(data)
    while count:
        if end - start <= 256:
            for _ in range(count):
                start = data.index(b"\n", start) + 1
            return start
        middle = (start + end) // 2
        before = data.count(b"\n", start, middle)
        if before < count:
            start, count = middle, count - before
        else:
            end = middle
    return start
