"""The words of RFC 3501 section 9 (with RFC 4466 and RFC 7162), read from left to right.

A Grammar stands on one whole command: its lines joined by CRLF, each literal's octets after the CRLF that
follows its announcement, without the CRLF that ends the command. The core has framed it, so every literal
is complete, and has bounded it: whatever is read here costs time in proportion to its length.
"""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

from postier.base.cursor import Cursor
from postier.imap.wire import utf7
from postier.imap.wire.values import SequenceSet
from postier.message.dates import parse_internal_date

__all__ = ["Grammar", "Literal", "announced_literal"]

NUMBER_LIMIT = 2**32 - 1
NUMBER64_LIMIT = 2**63 - 1
FLAG_LIMIT = 255
LITERAL_DIGITS = 19
NO_NAME = "\ufffe"
"""No character: what begins with it is never the name of a mailbox."""

_ATOM = re.compile(rb"[!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]++")
_ASTRING = re.compile(rb"[!#$&'+,./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]++")
_LIST = re.compile(rb"[!#$%&'*+,./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]++")
_TAG = re.compile(rb"[!#$&',./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]{1,255}+")
_WORD = re.compile(rb"[A-Za-z0-9.+-]++")
_QUOTED_PLAIN = re.compile(rb'"([^"\\\r\n\0\x80-\xff]*+)"')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*+)"')
_QUOTED_UTF8 = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*+)"')
_ESCAPE = re.compile(rb"\\(.)")
_LITERAL = re.compile(rb"\{(\d{1,19}+)\+?\}\r\n")
_LITERAL8 = re.compile(rb"~\{(\d{1,19}+)\+?\}\r\n")
_ANNOUNCED = re.compile(rb"(~?)\{(\d++)(\+?)\}")
_DIGITS = re.compile(rb"\d{1,20}+")
_SEQUENCE = re.compile(rb"[0-9*:,]++")
_DATE = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"), 1
    )
}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SYSTEM_FLAGS = {
    name.upper().encode(): name
    for name in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "\\Recent")
}


class Literal(NamedTuple):
    """A literal as announced: `size` octets; `waits`: the client sends them only after our "+" (RFC 7888);
    `binary`: literal8 of RFC 3516."""

    size: int
    waits: bool
    binary: bool


def announced_literal(line: bytes) -> Literal | None:
    """What the end of `line` (without CRLF) announces, None if it is no literal.

    A size of more digits than a 64-bit number has counts as 2**63.
    """
    if not line.endswith(b"}"):
        return None
    start = line.rfind(b"{")
    if start > 0 and line[start - 1 : start] == b"~":
        start -= 1
    found = _ANNOUNCED.fullmatch(line, start) if start >= 0 else None
    if found is None:
        return None
    binary, digits, plus = found.groups()
    size = int(digits) if len(digits) <= LITERAL_DIGITS else 2**63
    return Literal(size, not plus, bool(binary))


class Grammar(Cursor):
    """A position in one command. Methods named as the productions are raise ParseError if these do not
    stand here. `utf8`: the client has enabled UTF8=ACCEPT (RFC 9755): names and quoted strings are UTF-8.
    `off`: capabilities that are switched off (see capabilities.switched_off)."""

    __slots__ = ("off", "utf8")

    def __init__(
        self, data: bytes, position: int = 0, *, utf8: bool = False, off: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(data, position)
        self.utf8 = utf8
        self.off = off

    def needs(self, capability: str) -> None:
        """What stands here belongs to an extension, named in capitals: where that is switched off, it is as
        wrong as what nobody has heard of."""
        if capability in self.off:
            self.fail("what is not switched off")

    def space(self) -> None:
        if not self.data.startswith(b" ", self.position):
            self.fail("a space")
        self.position += 1

    def tag(self) -> bytes:
        return self.require(_TAG, "a tag")

    def atom(self) -> bytes:
        return self.require(_ATOM, "an atom")

    def word(self) -> bytes:
        """A name of this protocol (a command, an item, an option) in upper case."""
        return self.require(_WORD, "a name").upper()

    def quoted(self) -> bytes:
        """The octets between the quotes, escapes undone. No CR, LF or NUL; 8-bit only with `utf8`."""
        found = _QUOTED_PLAIN.match(self.data, self.position)
        if found is not None:
            self.position = found.end()
            return found[1]
        found = (_QUOTED_UTF8 if self.utf8 else _QUOTED).match(self.data, self.position)
        if found is None:
            self.fail("a quoted string of 7-bit characters without line breaks")
        if self.utf8:
            self._utf8(found[1])  # RFC 9755 3: what is no UTF-8 is BAD
        self.position = found.end()
        return _ESCAPE.sub(rb"\1", found[1])

    def literal(self) -> bytes:
        found = _LITERAL.match(self.data, self.position)
        if found is None:
            self.fail("a literal")
        start = found.end()
        end = start + int(found[1])
        if end > self.length:
            self.fail("a whole literal")
        octets = self.data[start:end]
        if b"\0" in octets:
            self.fail("a literal without NUL")
        self.position = end
        return octets

    def literal8(self) -> bytes:
        """A literal that may hold NUL (RFC 3516 7)."""
        found = _LITERAL8.match(self.data, self.position)
        if found is None:
            self.fail("a literal of any octets")
        start, end = found.end(), found.end() + int(found[1])
        if end > self.length:
            self.fail("a whole literal")
        self.position = end
        return self.data[start:end]

    def string(self) -> bytes:
        return self.quoted() if self.peek() == 0x22 else self.literal()

    def nstring(self) -> bytes | None:
        return None if self.take_nocase(b"NIL") else self.string()

    def astring(self) -> bytes:
        return self.match(_ASTRING) or self._string_or("an atom or a string")

    def text(self) -> str:
        """An astring as UTF-8 text."""
        return self._utf8(self.astring())

    def _string_or(self, name: str) -> bytes:
        if self.peek() not in (0x22, 0x7B):  # DQUOTE, "{"
            self.fail(name)
        return self.string()

    def _utf8(self, octets: bytes) -> str:
        try:
            return octets.decode()
        except UnicodeDecodeError:
            self.fail("UTF-8")

    def string_text(self) -> str:
        """A string (quoted or literal) as UTF-8 text."""
        return self._utf8(self._string_or("a string"))

    # ------------------------------------------------------------------ names of mailboxes

    def mailbox(self) -> str:
        """The mailbox's name as Unicode; INBOX in upper case (RFC 3501 5.1)."""
        name = self.name_of(self.astring())
        return "INBOX" if name.upper() == "INBOX" else name

    def list_mailbox(self) -> str:
        """A name that may hold the wildcards "*" and "%"."""
        return self.name_of(self.match(_LIST) or self._string_or("a mailbox pattern"))

    def name_of(self, octets: bytes) -> str:
        """`octets` as they stood for a mailbox's name: modified UTF-7, or UTF-8 after UTF8=ACCEPT.

        What is neither is no wrong syntax, but the name of nothing: NO_NAME and something behind it, which no
        mailbox is called and no pattern matches.
        """
        try:
            return octets.decode() if self.utf8 else utf7.decode(octets)
        except ValueError:
            return NO_NAME + octets.decode("latin-1")

    # ------------------------------------------------------------------ numbers

    def number(self, limit: int = NUMBER_LIMIT) -> int:
        value = int(self.require(_DIGITS, "a number"))
        if value > limit:
            self.fail(f"a number up to {limit}")
        return value

    def nz_number(self) -> int:
        value = self.number()
        if value == 0:
            self.fail("a number from 1")
        return value

    def number64(self) -> int:
        """mod-sequence-value and its kin (RFC 7162): 63 bits."""
        return self.number(NUMBER64_LIMIT)

    def nz_number64(self) -> int:
        """RFC 9051: nz-number64."""
        value = self.number64()
        if value == 0:
            self.fail("a number from 1")
        return value

    def sequence_set(self) -> SequenceSet:
        """RFC 3501 sequence-set, or "$" for the saved result (RFC 5182)."""
        if self.take(b"$"):
            return SequenceSet((), saved=True)
        start = self.position
        raw = self.require(_SEQUENCE, "a sequence set")
        if raw.isdigit() and len(raw) <= 9 and (number := int(raw)):
            return SequenceSet(((number, number),))
        try:
            return SequenceSet(tuple(map(_sequence_range, raw.split(b","))))
        except ValueError:
            self.position = start
            self.fail("a sequence set")

    # ------------------------------------------------------------------ flags

    def flag(self) -> str:
        """A flag or keyword. The system flags come out as RFC 3501 2.3.2 writes them, whatever their case."""
        start = self.position
        backslash = self.take(b"\\")
        name = self.atom()
        if len(name) > FLAG_LIMIT:
            self.position = start
            self.fail(f"a flag of up to {FLAG_LIMIT} octets")
        if not backslash:
            return name.decode()
        return _SYSTEM_FLAGS.get(b"\\" + name.upper()) or "\\" + name.decode()

    def flag_list(self) -> tuple[str, ...]:
        """`(\\Seen $Forwarded)`, without duplicates."""
        self.expect(b"(", "a flag list")
        return () if self.take(b")") else self._flags_until_parenthesis()

    def _flags_until_parenthesis(self) -> tuple[str, ...]:
        flags = [self.flag()]
        while self.take(b" "):
            flags.append(self.flag())
        self.expect(b")")
        return tuple(dict.fromkeys(flags))

    # ------------------------------------------------------------------ dates

    def date(self) -> int:
        """`1-Feb-1994`, quoted or not, as days since 1970-01-01 (negative before)."""
        quote = self.take(b'"')
        found = _DATE.match(self.data, self.position)
        month = _MONTHS.get(found[2].upper()) if found else None
        if found is None or month is None:
            self.fail("a date")
        try:
            day = date(int(found[3]), month, int(found[1])).toordinal()
        except ValueError:
            self.fail("a date of the calendar")
        self.position = found.end()
        if quote:
            self.expect(b'"')
        return day - _EPOCH_DAY

    def date_time(self) -> int:
        """`"17-Jul-1996 02:44:25 -0700"` as seconds since 1970-01-01T00:00:00Z. A day of one digit may stand
        without the space before it, as some clients write it."""
        start = self.position
        raw = self.quoted()
        moment = parse_internal_date(b" " + raw if raw[1:2] == b"-" else raw)
        if moment is None:
            self.position = start
            self.fail("a date and time")
        return moment.epoch

    # ------------------------------------------------------------------ lists

    def announced(self) -> Literal | None:
        """The announcement that ends the line if it is what stands here: its octets have not come yet."""
        found = _ANNOUNCED.fullmatch(self.data, self.position)
        if found is None:
            return None
        self.position = self.length
        return announced_literal(found.group())

    def words(self) -> tuple[str, ...]:
        """`(NAME NAME ...)`, at least one, in upper case."""
        self.expect(b"(", "a list in parentheses")
        names = [self.word().decode()]
        while self.take(b" "):
            names.append(self.word().decode())
        self.expect(b")")
        return tuple(names)


def _sequence_range(piece: bytes) -> tuple[int, int]:
    """Raises ValueError unless `piece` is seq-number or seq-range."""
    low, colon, high = piece.partition(b":")
    first = _sequence_number(low)
    return first, _sequence_number(high) if colon else first


def _sequence_number(raw: bytes) -> int:
    if raw == b"*":
        return 0
    if len(raw) > 10:
        raise ValueError("number too long")
    value = int(raw)
    if not 0 < value <= NUMBER_LIMIT:
        raise ValueError("number out of range")
    return value
