"""What came in and was not read yet, given out as lines or as it lies.

A byte is searched for its line end once, however it came; an over-long line is dropped as it comes.
"""

from __future__ import annotations

from postier.base.status import Reply
from postier.smtp.wire.replies import SmtpViolation

__all__ = ["BARE", "MAX_SKIPPED", "LineBuffer"]

MAX_SKIPPED = 1024 * 1024
"""Octets of an over-long line that are dropped before the dialogue ends."""

BARE = Reply(554, "5.5.2", "A CR or LF stands alone: lines end in CRLF")


class LineBuffer:
    """The input of one dialogue. True while anything waits."""

    __slots__ = ("_buffer", "_limit", "_position", "_received", "_scanned", "_skipped")

    def __init__(self, limit: int) -> None:
        """`limit`: octets of the longest line that is kept, without CRLF."""
        self._limit = limit
        self._received: list[bytes] = []
        self._buffer = b""
        self._position = 0
        self._scanned = 0
        self._skipped = 0

    def __bool__(self) -> bool:
        return bool(self._received) or self._position < len(self._buffer)

    def receive(self, data: bytes) -> None:
        self._received.append(data)

    def clear(self) -> None:
        self._received.clear()
        self._buffer = b""
        self._position = self._scanned = self._skipped = 0

    def take(self) -> bytes:
        """Everything that waits, out of the buffer."""
        if self._received:
            self._join()
        data = self._buffer[self._position :] if self._position else self._buffer
        self._buffer, self._position, self._scanned = b"", 0, 0
        return data

    def put_back(self, data: bytes) -> None:
        """What was taken too much; nothing may have been received or read since."""
        self._buffer = data

    def line(self) -> bytes | None:
        """The next line without its CRLF; None while it is not complete.

        Raises SmtpViolation for a bare LF and for a line without end.
        """
        if self._received:
            self._join()
        start = self._position
        end = self._buffer.find(b"\n", max(start, self._scanned))
        if end < 0:
            self._scanned = len(self._buffer)
            if self._scanned - start > self._limit + 2:
                self._skip()
            return None
        if end == start or self._buffer[end - 1] != 0x0D:
            raise SmtpViolation("bare LF in a command", BARE)
        self._position = self._scanned = end + 1
        return self._buffer[start : end - 1]

    def was_cut(self) -> bool:
        """True if the last line had its beginning dropped; says so once."""
        cut, self._skipped = self._skipped > 0, 0
        return cut

    def _join(self) -> None:
        if self._position < len(self._buffer):
            self._received.insert(0, self._buffer[self._position :])
        self._scanned = max(0, self._scanned - self._position)
        self._position = 0
        self._buffer = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()

    def _skip(self) -> None:
        """Drop what there is of the line, but for its last byte: it may be the CR."""
        self._skipped += len(self._buffer) - self._position - 1
        self._buffer, self._position, self._scanned = self._buffer[-1:], 0, 1
        if self._skipped > MAX_SKIPPED:
            raise SmtpViolation("endless line", Reply(500, "5.5.2", "Line too long"))
