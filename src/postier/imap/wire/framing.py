"""What came in and has not been read: lines and counted octets, and how much of them one command may cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AFTER_LOGIN", "BEFORE_LOGIN", "InputBuffer", "Limits", "TooLong"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets of a line, of a literal that is an argument, of a whole command, and of a refused literal that
    is worth skipping: past that the connection ends."""

    line: int
    argument: int
    command: int
    skip: int


KIB = 1024
BEFORE_LOGIN = Limits(line=8 * KIB, argument=8 * KIB, command=8 * KIB, skip=8 * KIB)
AFTER_LOGIN = Limits(line=64 * KIB, argument=64 * KIB, command=1024 * KIB, skip=1024 * 1024 * KIB)


class TooLong(Exception):
    """A line went past its limit: where the next command starts is not known."""


class InputBuffer:
    """Bytes from the peer in their order. A line that comes in pieces is searched from where it was left."""

    __slots__ = ("_bytes", "_scanned")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._scanned = 0  # no line feed before this offset

    def __len__(self) -> int:
        return len(self._bytes)

    def append(self, data: bytes) -> None:
        self._bytes += data

    def start(self) -> bytes:
        """Some of what comes next, without taking it."""
        return bytes(self._bytes[:300])

    def line(self, limit: int) -> bytes | None:
        """Take the next line of at most `limit` octets, its CR but not its LF; None if its end is not
        here yet. Raises TooLong."""
        end = self._bytes.find(b"\n", self._scanned)
        if (end if end >= 0 else len(self._bytes)) > limit + 1:
            raise TooLong
        if end < 0:
            self._scanned = len(self._bytes)
            return None
        line = bytes(self._bytes[:end])
        self.drop(end + 1)
        return line

    def take(self, count: int) -> bytes:
        """Take the next `count` octets, which must be here."""
        octets = bytes(self._bytes[:count])
        self.drop(count)
        return octets

    def drop(self, count: int) -> None:
        del self._bytes[:count]
        self._scanned = 0

    def clear(self) -> None:
        """Drop everything, and the memory that held it."""
        self._bytes = bytearray()
        self._scanned = 0
