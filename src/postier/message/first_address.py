"""The first address of a field, read from a ready ENVELOPE (envelope.py made it): for SORT (RFC 5256 3,
RFC 5957 3)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from postier.base.cursor import Cursor
from postier.message import charsets
from postier.message.encoded_words import decode_text

__all__ = ["display_text", "first_address", "mailbox_text"]


NAME_KEPT = 200
"""Octets of the longest name that is remembered once it was decoded: few people write most of the mail."""


class _Address(NamedTuple):
    """RFC 3501's addr-name, addr-mailbox and addr-host; None is NIL."""

    name: bytes | None
    mailbox: bytes | None
    host: bytes | None


_NOBODY = _Address(None, None, None)
_FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc")

_STRING = rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|NIL)'
_INSIDE = rb'(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|NIL)'  # the group is what stands between the quotes
_ADDRESS = rb"\(" + rb" ".join([_STRING] * 4) + rb"\)"
_LIST = rb"(?:NIL|\((?:" + _ADDRESS + rb")++\))"
_FIRST = rb"(?:\(\(" + rb" ".join([_INSIDE, _STRING, _INSIDE, _INSIDE]) + rb"\)|NIL)"
_QUICK = {
    field: re.compile(rb"\(" + _STRING + rb" " + _STRING + (rb" " + _LIST) * position + rb" " + _FIRST)
    for position, field in enumerate(_FIELDS)
}
_NSTRING = re.compile(_STRING)
_LITERAL = re.compile(rb"\{([0-9]++)\}\r\n")
_ESCAPE = re.compile(rb"\\(.)")


def first_address(envelope: bytes, field: str) -> _Address:
    """Of the `field`, one of From, Sender, Reply-To, To, Cc and Bcc in lower case."""
    found = _QUICK[field].match(envelope)
    if found is None:  # a literal stands in the way
        return _first_behind_literals(Cursor(envelope), _FIELDS.index(field))
    return _Address._make([string and _unescaped(string) for string in found.groups()])


def mailbox_text(envelope: bytes, field: str) -> str:
    """addr-mailbox of the first address, "" where there is none."""
    found = _QUICK[field].match(envelope)
    if found is not None:  # nearly always, and tens of thousands of times in a row
        mailbox = found[2]
        return "" if mailbox is None else _text(_unescaped(mailbox))
    return _text(first_address(envelope, field).mailbox or b"")


def display_text(envelope: bytes, field: str) -> str:
    """RFC 5957 3: the name of the first address, else the address itself."""
    address = first_address(envelope, field)
    name = _name(address.name) if address.name else ""
    if name or address.mailbox is None:
        return name
    return _text(address.mailbox if address.host is None else address.mailbox + b"@" + address.host)


def _name(raw: bytes) -> str:
    return _known_name(raw) if len(raw) <= NAME_KEPT else decode_text(raw)


_known_name = lru_cache(maxsize=4096)(decode_text)


def _text(octets: bytes) -> str:
    return octets.decode() if octets.isascii() else charsets.decode_unknown(octets)


def _unescaped(octets: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", octets) if b"\\" in octets else octets


def _first_behind_literals(c: Cursor, position: int) -> _Address:
    c.expect(b"(")
    _nstring(c)
    c.expect(b" ")
    _nstring(c)
    for _ in range(position):
        c.expect(b" ")
        _first_of_list(c)
    c.expect(b" ")
    return _first_of_list(c)


def _first_of_list(c: Cursor) -> _Address:
    """The first address of the list, all of which is read."""
    if c.take(b"NIL"):
        return _NOBODY
    c.expect(b"(")
    first = None
    while c.take(b"("):
        strings = [_nstring(c)]
        while c.take(b" "):
            strings.append(_nstring(c))
        c.expect(b")")
        if first is None:
            first = _Address(strings[0], strings[2], strings[3])
    c.expect(b")")
    return first or _NOBODY


def _nstring(c: Cursor) -> bytes | None:
    literal = c.match(_LITERAL)
    if literal:
        return c.take_bytes(int(literal[1:-3]))
    string = c.require(_NSTRING, "a string")
    return None if string == b"NIL" else _unescaped(string[1:-1])
