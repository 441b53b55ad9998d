"""A server's responses, cut out of a stream and read by the grammar, one kind after the other.

    for raw in split_answers(data):
        answer = read_answer(raw)          # Answer(tag=b"*", name="FETCH", number=3, value={"UID": 7, ...})

What the grammar does not allow raises ParseError, and so does a kind of response that no row of the tables
knows: a test that hears something new must be told first what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from postier.testing.imap_body import read_body, read_envelope
from postier.testing.imap_codes import Code, read_code
from postier.testing.imap_words import Words

__all__ = ["Answer", "Incomplete", "read_answer", "split_answers"]

_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n\Z")
_SECTION = re.compile(
    rb"(?:BODY|BINARY)\[(?:[1-9]\d*(?:\.[1-9]\d*)*\.?)?"
    rb"(?:HEADER|TEXT|MIME|HEADER\.FIELDS(?:\.NOT)? \((?:[^()\r\n\"{}]|\"[^\"\r\n]*\")+\))?\](?:<\d+>)?"
)
_BINARY_SIZE = re.compile(rb"BINARY\.SIZE\[(?:[1-9]\d*(?:\.[1-9]\d*)*)?\]")
_WORD = re.compile(rb"[A-Z0-9.]++")
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}+")


class Incomplete(Exception):
    """The stream ends in the middle of a response; `rest` is what was left."""

    def __init__(self, rest: bytes) -> None:
        super().__init__(f"an unfinished response: {rest[:100]!r}")
        self.rest = rest


class Answer(NamedTuple):
    """`tag` is b"*", b"+" or a command's. `number` is that of EXISTS, FETCH and the like; `value` what the
    response says, as the function of its row makes it; `code` only with OK, NO, BAD, BYE, PREAUTH."""

    tag: bytes
    name: str
    number: int = 0
    value: Any = None
    code: Code | None = None
    raw: bytes = b""

    @property
    def is_tagged(self) -> bool:
        return self.tag not in (b"*", b"+")


def split_answers(data: bytes) -> list[bytes]:
    """Whole responses, each with its literals and its CRLF. Raises Incomplete."""
    found: list[bytes] = []
    start = position = 0
    while position < len(data):
        end = data.find(b"\n", position) + 1
        if not end:
            raise Incomplete(data[start:])
        literal = _LITERAL.search(data[position:end])
        if literal is not None:
            position = end + int(literal[1])
            if position >= len(data):
                raise Incomplete(data[start:])
            continue
        found.append(data[start:end])
        start = position = end
    return found


def read_answer(raw: bytes, *, utf8: bool = False) -> Answer:
    """Raises ParseError."""
    w = Words(raw, utf8=utf8)
    if w.take(b"+ "):
        value = w.text() if not w.data.startswith(b"+ \r\n") else ""
        return _ended(w, Answer(b"+", "+", value=value, raw=raw))
    tag = b"*" if w.take(b"*") else w.tag()
    w.space()
    number = 0
    if w.peek() in b"0123456789":
        number = w.number()
        w.space()
    name = w.name()
    if name in _STATUS and not number:
        return _ended(w, _status(w, tag, name, raw))
    rows = _NUMBERED if number or raw.startswith(b"* 0 ") else _UNTAGGED
    if tag != b"*" or name not in rows:
        w.fail("a response that the tables know")
    return _ended(w, Answer(tag, name, number, rows[name](w), raw=raw))


def _ended(w: Words, answer: Answer) -> Answer:
    w.expect(b"\r\n", "CRLF")
    w.end()
    return answer


# ---------------------------------------------------------------------- status responses

_STATUS = {"OK", "NO", "BAD", "BYE", "PREAUTH"}


def _status(w: Words, tag: bytes, name: str, raw: bytes) -> Answer:
    if tag != b"*" and name in ("BYE", "PREAUTH"):
        w.fail("OK, NO or BAD behind a tag")
    w.space()
    code = None
    if w.take(b"["):
        code = read_code(w)
        w.expect(b"] ")
    return Answer(tag, name, value=w.text(), code=code, raw=raw)


# ---------------------------------------------------------------------- mailboxes


def _capability(w: Words) -> tuple[str, ...]:
    w.space()
    names = w.atoms()
    return names if {"IMAP4rev1", "IMAP4rev2"} & set(names) else w.fail("IMAP4rev1 or IMAP4rev2")


def _enabled(w: Words) -> tuple[str, ...]:
    return w.atoms() if w.take(b" ") else ()


def _flags(w: Words) -> frozenset[bytes]:
    w.space()
    return w.flags()


def _list(w: Words) -> tuple[frozenset[bytes], bytes | None, bytes, bytes]:
    """Attributes, separator, name, and the extended part as it stands."""
    w.space()
    attributes = w.flags()
    w.space()
    separator = None if w.take(b"NIL") else w.quoted()
    if separator is not None and len(separator) != 1:
        w.fail("a separator of one character")
    w.space()
    name = w.mailbox()
    extended = _anything(w) if w.take(b" ") else b""
    return attributes, separator, name, extended


def _status_items(w: Words) -> tuple[bytes, dict[str, Any]]:
    w.space()
    name = w.mailbox()
    w.expect(b" (")
    items: dict[str, Any] = {}
    while not w.take(b")"):
        if items:
            w.space()
        item = w.name()
        w.space()
        items[item] = _object_id(w) if item == "MAILBOXID" else _limit_or_number(w, item)
    return name, items


def _limit_or_number(w: Words, item: str) -> int | None:
    return None if item == "APPENDLIMIT" and w.take(b"NIL") else w.number(2**63 - 1)


def _object_id(w: Words) -> bytes:
    w.expect(b"(")
    found = w.require(_OBJECT_ID, "an object id")
    w.expect(b")")
    return found


def _anything(w: Words) -> bytes:
    """tagged-ext-val, quota lists and whatever else is made of atoms, strings and lists."""
    start, depth = w.position, 0
    while True:
        if w.take(b"("):
            depth += 1
            continue
        if w.peek() != 0x29 and not (w.match(_ATOMS) or _string_here(w)):
            w.fail("a value")
        while depth and w.take(b")"):
            depth -= 1
        if w.peek() != 0x20:
            return w.data[start : w.position] if not depth else w.fail('")"')
        w.space()


_ATOMS = re.compile(rb"[^\x00-\x20\"(){\x7f-\xff]++")


def _string_here(w: Words) -> bool:
    if w.peek() not in b'"{~':
        return False
    if w.peek() == 0x22:
        w.quoted()
    else:
        w.literal(binary=True)
    return True


def _values(w: Words) -> bytes:
    w.space()
    return _anything(w)


def _maybe_values(w: Words) -> bytes:
    return _anything(w) if w.take(b" ") else b""


# ---------------------------------------------------------------------- results


def _search(w: Words) -> tuple[tuple[int, ...], int | None]:
    """The numbers, and the MODSEQ of RFC 7162 3.1.6."""
    numbers: list[int] = []
    while w.take(b" "):
        if w.take(b"(MODSEQ "):
            modseq = w.modseq()
            w.expect(b")")
            return tuple(numbers), modseq
        numbers.append(w.nz_number())
    return tuple(numbers), None


def _esearch(w: Words) -> dict[str, Any]:
    """RFC 4466: `(TAG "x")`, `UID`, then name and value pairs; "TAG" and "UID" are keys of the result."""
    items: dict[str, Any] = {"UID": False}
    if w.take(b" ("):
        items["CORRELATOR"] = _correlator(w)
        items["TAG"] = items["CORRELATOR"].get("TAG", b"")
    if w.take(b" UID"):
        items["UID"] = True
    while w.take(b" "):
        name = w.name()
        if name in items:
            w.fail("each item once")
        w.space()
        items[name] = _ESEARCH.get(name, _anything)(w)
    return items


def _correlator(w: Words) -> dict[str, Any]:
    """`TAG "x"` and, of RFC 7377, `MAILBOX name UIDVALIDITY n`."""
    found: dict[str, Any] = {}
    while not found or w.take(b" "):
        name = w.name()
        w.space()
        found[name] = w.nz_number() if name == "UIDVALIDITY" else w.astring()
    w.expect(b")")
    return found


_ESEARCH: dict[str, Callable[[Words], Any]] = {
    "MIN": Words.nz_number,
    "MAX": Words.nz_number,
    "COUNT": Words.number,
    "ALL": Words.uid_set,
    "MODSEQ": Words.modseq,
}


def _thread(w: Words) -> tuple[int, ...]:
    """RFC 5256 5: lists within lists; the numbers in them, each once."""
    numbers: list[int] = []
    if not w.take(b" "):
        return ()
    while True:
        _thread_list(w, numbers)
        if w.peek() != 0x28:
            return tuple(numbers) if len(set(numbers)) == len(numbers) else w.fail("each number once")


def _thread_list(w: Words, numbers: list[int]) -> None:
    """thread-members, or two lists or more within one."""
    depth = 0
    while True:
        while w.take(b"("):
            depth += 1
        numbers.append(w.nz_number())
        while w.take(b")"):
            depth -= 1
            if not depth:
                return
        if w.peek() != 0x28:
            w.space()


def _vanished(w: Words) -> tuple[bool, list[int]]:
    """Whether (EARLIER), and the UIDs."""
    earlier = w.take(b" (EARLIER)")
    w.space()
    return earlier, w.uid_set()


_UNTAGGED: dict[str, Callable[[Words], Any]] = {
    "CAPABILITY": _capability,
    "ENABLED": _enabled,
    "FLAGS": _flags,
    "LIST": _list,
    "LSUB": _list,
    "STATUS": _status_items,
    "NAMESPACE": _values,
    "ID": _values,
    "SEARCH": _search,
    "SORT": _search,
    "ESEARCH": _esearch,
    "THREAD": _thread,
    "VANISHED": _vanished,
    "QUOTA": _values,
    "QUOTAROOT": _values,
    "ACL": _values,
    "LISTRIGHTS": _values,
    "MYRIGHTS": _values,
    "METADATA": _values,
    "LANGUAGE": _values,
    "COMPARATOR": _maybe_values,
    "JMAPACCESS": _values,
    "UIDBATCHES": _maybe_values,
}

# ---------------------------------------------------------------------- of one message


def _nothing(w: Words) -> None:
    """EXISTS, RECENT and EXPUNGE are their number."""


def _fetch(w: Words) -> dict[str, Any]:
    w.expect(b" (")
    items: dict[str, Any] = {}
    while not w.take(b")"):
        if items:
            w.space()
        name = _item_name(w)
        if name in items:
            w.fail("each item once")
        w.space()
        items[name] = _ITEMS[name.partition("[")[0].partition("<")[0]](w)
    return items if items else w.fail("an item")


def _item_name(w: Words) -> str:
    section = w.match(_SECTION) or w.match(_BINARY_SIZE)
    if section:
        return section.decode("latin-1")
    name = w.require(_WORD, "an item").decode()
    if name not in _ITEMS:
        w.fail("an item that the tables know")
    return name if name != "BODY" else "BODY "


def _parenthesised_modseq(w: Words) -> int:
    w.expect(b"(")
    modseq = w.modseq()
    w.expect(b")")
    return modseq


def _section(w: Words) -> bytes | None:
    return None if w.take(b"NIL") else w.quoted() if w.peek() == 0x22 else w.literal(binary=True)


def _thread_id(w: Words) -> bytes | None:
    return None if w.take(b"NIL") else _object_id(w)


def _size(w: Words) -> int:
    return w.number(2**63 - 1)


_ITEMS: dict[str, Callable[[Words], Any]] = {
    "UID": Words.nz_number,
    "FLAGS": Words.flags,
    "MODSEQ": _parenthesised_modseq,
    "INTERNALDATE": Words.date_time,
    "SAVEDATE": lambda w: None if w.take(b"NIL") else w.date_time(),
    "RFC822.SIZE": _size,
    "RFC822": Words.nstring,
    "RFC822.HEADER": Words.nstring,
    "RFC822.TEXT": Words.nstring,
    "ENVELOPE": read_envelope,
    "BODYSTRUCTURE": lambda w: read_body(w, extended=True),
    "BODY ": lambda w: read_body(w, extended=False),
    "BODY": _section,
    "BINARY": _section,
    "BINARY.SIZE": _size,
    "EMAILID": _object_id,
    "THREADID": _thread_id,
    "PREVIEW": Words.nstring,
}

_NUMBERED: dict[str, Callable[[Words], Any]] = {
    "EXISTS": _nothing,
    "RECENT": _nothing,
    "EXPUNGE": _nothing,
    "FETCH": _fetch,
    "UIDFETCH": _fetch,
}
