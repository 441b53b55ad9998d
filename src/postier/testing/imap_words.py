"""The words of which a server's IMAP responses are made, read as strictly as RFC 9051 section 9 writes them.

This is the other side of `imap.wire`, and shares nothing with it, so that neither hides the other's faults:
one space where the grammar has one, no octets that it does not allow, sets of numbers without zero.
"""

from __future__ import annotations

import re

from postier.base.cursor import Cursor

__all__ = ["Words", "numbers_in"]

_ATOM = re.compile(rb"[!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]++")
_ASTRING = re.compile(rb"[!#$&'+,./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]++")
_TAG = re.compile(rb"[!#$&',./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]++")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*+)"')
_QUOTED_UTF8 = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*+)"')
_LITERAL = re.compile(rb"(~?)\{(\d++)\}\r\n")
_DIGITS = re.compile(rb"\d++")
_SET = re.compile(rb"[0-9:,]++")
_TEXT = re.compile(rb"[^\r\n\0\x80-\xff]++")
_TEXT_UTF8 = re.compile(rb"[^\r\n\0]++")
_FLAG = re.compile(rb"\\?[!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]++")
_DATE_TIME = re.compile(
    rb'"[ 0-3]\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"'
)
NUMBER_LIMIT = 2**32 - 1
MODSEQ_LIMIT = 2**63 - 1


class Words(Cursor):
    """A position in one response, literals inside. Raises ParseError where a word is not as it must be.

    `utf8`: the client has enabled UTF8=ACCEPT or IMAP4rev2, so quoted strings may be UTF-8.
    """

    __slots__ = ("utf8",)

    def __init__(self, data: bytes, *, utf8: bool = False) -> None:
        super().__init__(data)
        self.utf8 = utf8

    def space(self) -> None:
        self.expect(b" ", "one space")

    def tag(self) -> bytes:
        return self.require(_TAG, "a tag")

    def atom(self) -> str:
        return self.require(_ATOM, "an atom").decode()

    def name(self) -> str:
        """An atom in upper case."""
        return self.atom().upper()

    def number(self, limit: int = NUMBER_LIMIT) -> int:
        digits = self.require(_DIGITS, "a number")
        if int(digits) > limit or (len(digits) > 1 and digits.startswith(b"0")):
            self.fail("a number in range, without leading zeros")
        return int(digits)

    def nz_number(self) -> int:
        return self.number() or self.fail("a number from 1")

    def modseq(self) -> int:
        return self.number(MODSEQ_LIMIT) or self.fail("a mod-sequence from 1")

    def text(self) -> str:
        """resp-text's text: never empty."""
        found = self.require(_TEXT_UTF8 if self.utf8 else _TEXT, "text")
        return found.decode()

    def quoted(self) -> bytes:
        found = (_QUOTED_UTF8 if self.utf8 else _QUOTED).match(self.data, self.position)
        if found is None:
            self.fail("a quoted string")
        self.position = found.end()
        found[1].decode()
        return re.sub(rb"\\(.)", rb"\1", found[1])

    def literal(self, *, binary: bool = False) -> bytes:
        """`binary`: NUL may be in it if it is a literal8 (RFC 3516)."""
        found = _LITERAL.match(self.data, self.position)
        if found is None:
            self.fail("a literal")
        self.position = found.end()
        octets = self.take_bytes(int(found[2]))
        if found[1] and not binary:
            self.fail("a literal that is not a literal8")
        if b"\0" in octets and not found[1]:
            self.fail("a literal without NUL")
        return octets

    def string(self) -> bytes:
        return self.quoted() if self.peek() == 0x22 else self.literal()

    def nstring(self) -> bytes | None:
        return None if self.take(b"NIL") else self.string()

    def astring(self) -> bytes:
        return self.match(_ASTRING) or self.string()

    def mailbox(self) -> bytes:
        """As it stands, in modified UTF-7 or UTF-8. A mailbox named NIL has to be quoted."""
        start = self.position
        name = self.astring()
        if self.data[start : self.position].upper() == b"NIL":
            self.fail("a quoted name")
        return b"INBOX" if name.upper() == b"INBOX" else name

    def flag(self) -> bytes:
        return self.require(_FLAG, "a flag")

    def flags(self, *, wild: bool = False) -> frozenset[bytes]:
        """`(\\Seen $Work)`, each once whatever its case; with `wild` also `\\*` (PERMANENTFLAGS)."""
        self.expect(b"(")
        found: list[bytes] = []
        while not self.take(b")"):
            if found:
                self.space()
            found.append(b"\\*" if wild and self.take(b"\\*") else self.flag())
        if len({flag.lower() for flag in found}) < len(found):
            self.fail("each flag once")
        return frozenset(found)

    def date_time(self) -> bytes:
        return self.require(_DATE_TIME, "a date-time")

    def uid_set(self) -> list[int]:
        """Numbers in the order that the set gives them; each range from low to high, no number twice."""
        found = self.require(_SET, "a set of numbers")
        try:
            return numbers_in(found)
        except ValueError:
            self.fail("a set of numbers")

    def atoms(self) -> tuple[str, ...]:
        """`NAME NAME`, at least one."""
        names = [self.atom()]
        while self.take(b" "):
            names.append(self.atom())
        return tuple(names)


def numbers_in(text: bytes) -> list[int]:
    """The numbers of a set without "*". Raises ValueError for what is none."""
    numbers: list[int] = []
    for piece in text.split(b","):
        low, _, high = piece.partition(b":")
        first, last = int(low), int(high or low)
        if not 0 < first <= last <= NUMBER_LIMIT or (b":" in piece and not high):
            raise ValueError("not a range of numbers from 1")
        if last - first > 10_000_000:
            raise ValueError("a range of more numbers than a test has messages")
        numbers.extend(range(first, last + 1))
    if len(set(numbers)) < len(numbers):
        raise ValueError("a number twice")
    return numbers
