"""Annotations (RFC 5464): GETMETADATA, SETMETADATA and the METADATA response."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.pieces import astring, literal, literal_header, mailbox_name, string
from postier.imap.wire.values import Command

__all__ = [
    "MAX_VALUE",
    "TOO_LONG",
    "Entry",
    "GetMetadata",
    "SetMetadata",
    "changed_metadata_line",
    "metadata_entries",
    "metadata_line",
    "parse_getmetadata",
    "parse_setmetadata",
]

MAX_VALUE = 64 * 1024
"""Octets of one value: what a literal may have."""

TOO_LONG = f"METADATA MAXSIZE {MAX_VALUE}"

MAX_ENTRIES = 100
"""Named in one command."""

MAX_NAME = 1000

_NAME = re.compile(rb"/(?:private|shared)((?:/[^\x00-\x19/*%\x80-\xff]+)*+)", re.IGNORECASE)
_VENDOR_COMPONENTS = 4


class Entry(NamedTuple):
    """An entry as a client names it: `path` is what is behind /private or /shared, in lower case; `text` is
    the whole as it was written."""

    private: bool
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class GetMetadata(Command):
    """`mailbox` is "" for the server. `depth`: 0, 1, or None for all that is below."""

    mailbox: str
    entries: tuple[Entry, ...]
    max_size: int | None = None
    depth: int | None = 0
    name = "GETMETADATA"


@dataclass(frozen=True, slots=True)
class SetMetadata(Command):
    """None takes an entry away. No entry is named twice."""

    mailbox: str
    values: tuple[tuple[Entry, bytes | None], ...]
    name = "SETMETADATA"


# ---------------------------------------------------------------------- commands


def parse_getmetadata(g: Grammar, tag: bytes) -> GetMetadata:
    """getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries; the options may stand
    behind the mailbox, too, as the RFC's examples have it."""
    g.space()
    options: dict[str, int | None] = {}
    if g.peek() == 0x28:  # "("
        options = _options(g)
        g.space()
    mailbox = g.mailbox()
    g.space()
    if not options and g.peek() == 0x28 and _is_option(g):
        options = _options(g)
        g.space()
    entries = metadata_entries(g, whole=options.get("depth", 0) == 0)
    g.end()
    return GetMetadata(tag, mailbox, entries, options.get("max_size"), options.get("depth", 0))


def _is_option(g: Grammar) -> bool:
    return g.data[g.position + 1 : g.position + 2].isalpha()


def _options(g: Grammar) -> dict[str, int | None]:
    g.expect(b"(")
    options: dict[str, int | None] = {}
    while True:
        name = g.word()
        g.space()
        if name == b"MAXSIZE":
            options["max_size"] = g.number()
        elif name == b"DEPTH":
            options["depth"] = _depth(g)
        else:
            g.fail("MAXSIZE or DEPTH")
        if g.take(b")"):
            return options
        g.space()


def _depth(g: Grammar) -> int | None:
    depths = {b"0": 0, b"1": 1, b"INFINITY": None}
    start = g.position
    word = g.word()
    if word not in depths:
        g.position = start
        g.fail("0, 1 or infinity")
    return depths[word]


def metadata_entries(g: Grammar, *, whole: bool = True) -> tuple[Entry, ...]:
    """entries = entry / "(" entry *(SP entry) ")", without duplicates. `whole`: names that cannot have a
    value, like /shared alone, are wrong."""
    if not g.take(b"("):
        return (_entry(g, whole=whole),)
    entries = [_entry(g, whole=whole)]
    while g.take(b" "):
        entries.append(_entry(g, whole=whole))
        if len(entries) > MAX_ENTRIES:
            g.fail(f"{MAX_ENTRIES} entries at most")
    g.expect(b")")
    return tuple({(entry.private, entry.path): entry for entry in entries}.values())


def _entry(g: Grammar, *, whole: bool) -> Entry:
    """RFC 5464 3.2: at least two components, four in a vendor's tree."""
    start = g.position
    octets = g.astring()
    found = _NAME.fullmatch(octets) if len(octets) <= MAX_NAME else None
    if found is not None:
        path = found[1].decode().lower()
        components = 1 + path.count("/")
        least = _VENDOR_COMPONENTS if f"{path}/".startswith("/vendor/") else 2
        if not whole or components >= least:
            return Entry(octets[:2].lower() == b"/p", path, octets.decode())
    g.position = start
    g.fail("the name of an entry")


def parse_setmetadata(g: Grammar, tag: bytes) -> SetMetadata:
    """setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"; of an entry
    named twice the last value holds."""
    g.space()
    mailbox = g.mailbox()
    g.space()
    g.expect(b"(", "entries and values")
    values: dict[tuple[bool, str], tuple[Entry, bytes | None]] = {}
    while True:
        entry = _entry(g, whole=True)
        g.space()
        values[entry.private, entry.path] = entry, _value(g)
        if len(values) > MAX_ENTRIES:
            g.fail(f"{MAX_ENTRIES} entries at most")
        if g.take(b")"):
            break
        g.space()
    g.end()
    return SetMetadata(tag, mailbox, tuple(values.values()))


def _value(g: Grammar) -> bytes | None:
    """value = nstring / literal8."""
    return g.literal8() if g.peek() == 0x7E else g.nstring()  # "~"


# ---------------------------------------------------------------------- responses


def metadata_line(mailbox: str, values: Iterable[tuple[str, bytes | None]], *, utf8: bool = False) -> bytes:
    """RFC 5464 4.4.1."""
    pairs = [part for name, value in values for part in (astring(name), _shown_value(value))]
    return b"* METADATA %b (%b)\r\n" % (_shown_mailbox(mailbox, utf8), b" ".join(pairs))


def changed_metadata_line(mailbox: str, names: Iterable[str], *, utf8: bool = False) -> bytes:
    """RFC 5464 4.4.2: what has changed, without values."""
    return b" ".join((b"* METADATA", _shown_mailbox(mailbox, utf8), *map(astring, names))) + b"\r\n"


def _shown_mailbox(mailbox: str, utf8: bool) -> bytes:
    return mailbox_name(mailbox, utf8) if mailbox else b'""'


def _shown_value(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    if b"\0" in value:
        return b"~" + literal_header(len(value)) + value
    if b"\r" in value or b"\n" in value or not value.isascii():
        return literal(value)
    return string(value)
