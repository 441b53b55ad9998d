"""APPEND and REPLACE, a stretch at a time: what a line says up to the next literal, or to the command's end.

RFC 3501 6.3.11 with RFC 3502 (more than one message), RFC 3516 (literal8), RFC 4466 (append-data), RFC 4469
(CATENATE), RFC 6855 (UTF8), and RFC 8508 (REPLACE). The octets of every literal behind the mailbox's name
stream past, those of a URL as well; `Place` says where the grammar goes on behind them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Command, SequenceSet

__all__ = [
    "Append",
    "AppendItem",
    "AppendLine",
    "AppendLiteral",
    "AppendMessage",
    "CatenateUrl",
    "LiteralChunk",
    "LiteralEnd",
    "LiteralUse",
    "Place",
    "Replace",
    "parse_append",
    "parse_following",
    "parse_replace",
]

ITEM_LIMIT = 1000
"""Messages and URLs in one line."""


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """A message begins: `flags` as names, `internal_date` seconds since 1970 or None for now."""

    flags: tuple[str, ...]
    internal_date: int | None


@dataclass(frozen=True, slots=True)
class CatenateUrl:
    """The message goes on with what this URL names (RFC 4469 3)."""

    url: bytes


AppendItem = AppendMessage | CatenateUrl


class LiteralUse(enum.Enum):
    """What a literal is: the whole message, a part of it, the message or a part with UTF-8 in its header
    fields (RFC 6855 4), or a URL."""

    MESSAGE = enum.auto()
    TEXT = enum.auto()
    UTF8 = enum.auto()
    URL = enum.auto()


@dataclass(frozen=True, slots=True)
class AppendLiteral:
    """`size` octets announced; `binary`: as a literal8, which may hold NUL (RFC 3516 4.4)."""

    size: int
    use: LiteralUse
    binary: bool


class Place(enum.Enum):
    """What has just ended, and so what may follow."""

    MESSAGE = enum.auto()
    UTF8_MESSAGE = enum.auto()  # but for its parenthesis
    PART = enum.auto()
    UTF8_PART = enum.auto()  # but for its parenthesis
    LIST = enum.auto()  # the parenthesis before the first part


@dataclass(frozen=True, slots=True)
class AppendLine:
    """A stretch of the command: `items` in order, then a literal, or with None the command's end."""

    items: tuple[AppendItem, ...]
    literal: AppendLiteral | None
    place: Place = Place.MESSAGE


@dataclass(frozen=True, slots=True)
class Append(Command):
    """The command up to the first literal that the session decides about: `core.accept_literal()`, after
    which LiteralChunks and one LiteralEnd come, or `core.refuse_literal()`, after which nothing comes."""

    mailbox: str
    line: AppendLine
    name = "APPEND"


@dataclass(frozen=True, slots=True)
class Replace(Append):
    """RFC 8508: the one message of `sequence` gives way to that of `line`."""

    sequence: SequenceSet
    by_uid: bool = False
    name = "REPLACE"


@dataclass(frozen=True, slots=True)
class LiteralChunk:
    """A piece of the literal's octets, at most 64 KiB."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LiteralEnd:
    """The literal is whole, and so is the command, or the `line` behind it up to the next literal."""

    line: AppendLine


def parse_append(g: Grammar, tag: bytes) -> Append | None:
    """ "APPEND" SP mailbox 1*append-message.

    None if what is announced is the mailbox's name: the core collects it as any argument and asks again.
    """
    g.space()
    if g.announced() is not None:
        return None
    return Append(tag, g.mailbox(), _line(g, Place.MESSAGE, is_first=True, only_one=False))


def parse_replace(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Replace | None:
    """ "REPLACE" SP seq-number SP mailbox append-message (RFC 8508 5)."""
    g.space()
    sequence = g.sequence_set()
    if len(sequence.ranges) != 1 or sequence.ranges[0][0] != sequence.ranges[0][1]:
        g.fail("the number of one message")
    g.space()
    if g.announced() is not None:
        return None
    mailbox = g.mailbox()
    return Replace(tag, mailbox, _line(g, Place.MESSAGE, is_first=True, only_one=True), sequence, by_uid)


def parse_following(g: Grammar, command: Append, place: Place) -> AppendLine:
    """What stands behind a literal of `command` after which the grammar was at `place`."""
    return _line(g, place, is_first=False, only_one=isinstance(command, Replace))


def _line(g: Grammar, place: Place, *, is_first: bool, only_one: bool) -> AppendLine:
    items: list[AppendItem] = []
    while True:
        if place is Place.MESSAGE and not is_first:
            if g.at_end():
                return AppendLine(tuple(items), None)
            if only_one:
                g.end()
            g.needs("MULTIAPPEND")
        is_first = False
        found = _STEPS[place](g, items)
        if isinstance(found, Place):
            place = found
            continue
        use, place = found
        literal = g.announced()
        if literal is None:
            g.fail("a literal")
        if literal.binary and use is not LiteralUse.UTF8:
            g.needs("BINARY")
        return AppendLine(tuple(items), AppendLiteral(literal.size, use, literal.binary), place)


_Step = Place | tuple[LiteralUse, Place]


def _message(g: Grammar, items: list[AppendItem]) -> _Step:
    """append-message = [SP flag-list] [SP date-time] SP append-data, as far as its list or its literal."""
    g.space()
    flags: tuple[str, ...] = ()
    if g.peek() == 0x28:  # "("
        flags = g.flag_list()
        g.space()
    internal_date: int | None = None
    if g.peek() == 0x22:  # DQUOTE
        internal_date = g.date_time()
        g.space()
    _add(g, items, AppendMessage(flags, internal_date))
    if g.take_nocase(b"CATENATE "):
        g.needs("CATENATE")
        g.expect(b"(")
        return Place.LIST
    if g.take_nocase(b"UTF8 "):
        g.needs("UTF8=ACCEPT")
        g.expect(b"(")
        return LiteralUse.UTF8, Place.UTF8_MESSAGE
    return LiteralUse.MESSAGE, Place.MESSAGE


def _add(g: Grammar, items: list[AppendItem], item: AppendItem) -> None:
    if len(items) == ITEM_LIMIT:
        g.fail(f"{ITEM_LIMIT} messages and URLs at most")
    items.append(item)


def _part(g: Grammar, items: list[AppendItem]) -> _Step:
    """cat-part = "TEXT" SP literal / "URL" SP astring / "UTF8" SP "(" literal8 ")"."""
    name = g.word()
    g.space()
    if name == b"TEXT":
        return LiteralUse.TEXT, Place.PART
    if name == b"UTF8":
        g.needs("UTF8=ACCEPT")
        g.expect(b"(")
        return LiteralUse.UTF8, Place.UTF8_PART
    if name != b"URL":
        g.fail("TEXT or URL")
    if g.peek() == 0x7B:  # "{"
        return LiteralUse.URL, Place.PART
    _add(g, items, CatenateUrl(g.astring()))
    return Place.PART


def _after_part(g: Grammar, items: list[AppendItem]) -> _Step:
    if g.take(b")"):
        return Place.MESSAGE
    g.space()
    return _part(g, items)


def _closed(place: Place) -> Callable[[Grammar, list[AppendItem]], _Step]:
    def step(g: Grammar, items: list[AppendItem]) -> _Step:
        g.expect(b")")
        return place

    return step


_STEPS: dict[Place, Callable[[Grammar, list[AppendItem]], _Step]] = {
    Place.MESSAGE: _message,
    Place.UTF8_MESSAGE: _closed(Place.MESSAGE),
    Place.PART: _after_part,
    Place.UTF8_PART: _closed(Place.PART),
    Place.LIST: _part,
}
