"""Reading bytes from left to right with the grammar's words.

Every grammar in this program that is not a flat list is read by one of these: the position
only moves forward, so reading costs time in proportion to the input whatever a peer sends.
A regular expression may name ONE flat character class (`rb"[a-z0-9]+"`); nesting belongs to
the methods of a subclass, which are named as the RFC's productions are.
"""

from __future__ import annotations

import re
from typing import NoReturn

__all__ = ["Cursor", "ParseError"]


class ParseError(ValueError):
    """The bytes do not follow the grammar.

    `position` counts bytes from the start of the input; `expected` is a word for a person.
    The message never holds the input itself, so that it can be shown to a peer.
    """

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(f"expected {expected} at position {position}")
        self.position = position
        self.expected = expected


class Cursor:
    """A position in `data`. All methods either consume what they matched or leave the position alone."""

    __slots__ = ("data", "length", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position
        self.length = len(data)

    def at_end(self) -> bool:
        return self.position >= self.length

    def peek(self) -> int:
        """The next byte as a number, or -1 at the end."""
        return self.data[self.position] if self.position < self.length else -1

    def take(self, literal: bytes) -> bool:
        """Consume `literal` if it stands here, byte for byte."""
        if self.data.startswith(literal, self.position):
            self.position += len(literal)
            return True
        return False

    def take_nocase(self, literal: bytes) -> bool:
        """Consume `literal` (given in upper case) whatever the case of its ASCII letters."""
        end = self.position + len(literal)
        if self.data[self.position : end].upper() == literal:
            self.position = end
            return True
        return False

    def expect(self, literal: bytes, name: str | None = None) -> None:
        """Consume `literal` or raise ParseError."""
        if not self.take(literal):
            self.fail(name or repr(literal.decode("ascii", "replace")))

    def expect_nocase(self, literal: bytes, name: str | None = None) -> None:
        if not self.take_nocase(literal):
            self.fail(name or repr(literal.decode("ascii", "replace")))

    def match(self, flat_class: re.Pattern[bytes]) -> bytes:
        """Consume what `flat_class` matches here; b"" if it does not."""
        found = flat_class.match(self.data, self.position)
        if found is None:
            return b""
        self.position = found.end()
        return found.group()

    def require(self, flat_class: re.Pattern[bytes], name: str) -> bytes:
        """Consume at least one byte of `flat_class` or raise ParseError."""
        found = flat_class.match(self.data, self.position)
        if found is None or found.end() == self.position:
            self.fail(name)
        self.position = found.end()
        return found.group()

    def take_bytes(self, count: int) -> bytes:
        """Consume exactly `count` bytes or raise ParseError."""
        end = self.position + count
        if end > self.length:
            self.fail(f"{count} bytes")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def rest(self) -> bytes:
        """Consume all that is left."""
        piece = self.data[self.position :]
        self.position = self.length
        return piece

    def end(self) -> None:
        """Raise ParseError unless everything was consumed."""
        if self.position < self.length:
            self.fail("the end of the line")

    def fail(self, expected: str) -> NoReturn:
        raise ParseError(self.position, expected)
