"""What SEARCH looks at in a message (RFC 9051 6.4.4), decoded and folded: the one definition that the index
and the reading of a message itself share, so that both give the same answer.

A message has zones. BODY is its text parts (of attachments as well) and the headers of messages inside it.
HEAD is every header field, "name: value" a line each, with those of MIME parts behind. SUBJECT, FROM, TO, CC
and BCC are the values of these fields; of addresses what was written and, where that is written oddly, what
ENVELOPE makes of it. Where pieces meet that do not belong together, NUL stands between them: no text and no
needle has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from postier.message import charsets
from postier.message.addresses import mailboxes_of, parse_raw_addresses
from postier.message.encoded_words import decode_text
from postier.message.fold import fold
from postier.message.headers import HeaderFields
from postier.message.html import HtmlText, html_text
from postier.message.parts import Part
from postier.message.structure import Kind
from postier.message.transfer import TransferDecoder, decode_transfer

__all__ = [
    "FIELD_ZONES",
    "GAP",
    "HeadText",
    "LargeText",
    "MessageText",
    "TextQuery",
    "Zone",
    "body_sections",
    "has_text",
    "head_text",
    "is_searched",
    "mime_sections",
    "section_has_text",
    "section_lines",
    "section_text",
]

GAP = "\0"


class Zone(IntEnum):
    BODY = 0
    HEAD = 1
    BCC = 2
    CC = 3
    FROM = 4
    SUBJECT = 5
    TO = 6


FIELD_ZONES = (Zone.BCC, Zone.CC, Zone.FROM, Zone.SUBJECT, Zone.TO)
_OCTETS = {zone: zone.name.lower().encode() for zone in FIELD_ZONES}
_WIDE = ("utf-16", "utf-32", "ucs-", "unicode", "iso-10646")
_LONGEST_LINE = 64 * 1024
_ODD_ADDRESS = re.compile(rb"[\\(]|@[ \t\r\n]|[ \t\r\n][@.]|\.[ \t\r\n]")
_MESSAGES = (b"message/rfc822", b"message/global")


class TextQuery(NamedTuple):
    """What is looked for: a text, folded, as part of one of the `zones`, or of the value of a header field
    called `field` (folded). An empty text is part of every zone, and of every such field."""

    text: str
    zones: tuple[Zone, ...]
    field: str = ""

    @classmethod
    def of(cls, text: str, *zones: Zone, field: str = "") -> TextQuery:
        return cls(fold(text), zones, fold(field))


class HeadText(NamedTuple):
    """The header of a message. `fields`: for each of FIELD_ZONES its values, GAP before each, "" where there
    is no such field; `lines`: all fields of the message itself."""

    fields: tuple[str, ...]
    lines: str


class MessageText(NamedTuple):
    """What is kept of a message's text. `fields` as in HeadText; `head`: the lines of its header, and GAP
    before those of each MIME part. Where `whole` is False something was cut off, and only the message itself
    can say that a text does not stand in it."""

    fields: tuple[str, ...]
    head: str
    body: str
    whole: bool = True


def head_text(section: bytes) -> HeadText:
    """From the header section of the message."""
    fields = HeaderFields(section)
    return HeadText(tuple(_field_text(fields, zone) for zone in FIELD_ZONES), _lines(fields))


def has_text(text: MessageText, query: TextQuery) -> bool:
    """Whether what was kept has it."""
    return any(_in_zone(text, zone, query) for zone in query.zones)


def _in_zone(text: MessageText, zone: Zone, query: TextQuery) -> bool:
    if zone is Zone.BODY:
        return query.text in text.body
    if zone is Zone.HEAD:
        return _in_lines(text.head.partition(GAP)[0], query) if query.field else query.text in text.head
    return _in_values(text.fields[FIELD_ZONES.index(zone)], query)


def _in_values(values: str, query: TextQuery) -> bool:
    return query.text in values if query.text else values != ""


def _in_lines(lines: str, query: TextQuery) -> bool:
    """RFC 9051 6.4.4, HEADER: the text stands in what comes after the colon."""
    if query.text not in lines:
        return False
    start = query.field + ": "
    return any(line.startswith(start) and query.text in line[len(start) :] for line in lines.split("\n"))


def section_has_text(section: bytes, query: TextQuery) -> bool:
    """Whether a header section that has all fields of these names has it: for queries that look at named
    fields only."""
    if section.isascii() and b"=?" not in section and not _ODD_ADDRESS.search(section):
        octets = section.replace(b"\r\n", b"").replace(b"\n", b"").lower()
        text = query.text.encode()
        if b"\r" not in octets and text not in octets and text not in octets.replace(b'"', b""):
            return False  # nothing needs decoding, and it stands nowhere in the section
    fields = HeaderFields(section)
    if query.field:
        return _in_lines(_lines(fields), query)
    return any(_in_values(_field_text(fields, zone), query) for zone in query.zones)


def section_lines(section: bytes) -> str:
    """Every field of a header section, a line each: of a MIME part, or of a message inside."""
    return _lines(HeaderFields(section))


def _lines(fields: HeaderFields) -> str:
    return fold("\n".join(f"{name.decode('latin-1')}: {_value(raw)}" for name, raw, _, _ in fields))


def _value(raw: bytes) -> str:
    text = decode_text(raw)
    return text.replace("\n", " ") if "\n" in text else text


def _field_text(fields: HeaderFields, zone: Zone) -> str:
    values = fields.all(_OCTETS[zone])
    if not values:
        return ""
    texts = [_value(raw) for raw in values]
    if zone is not Zone.SUBJECT:
        texts += [_normal_addresses(raw) for raw in values if b'"' in raw or _ODD_ADDRESS.search(raw)]
    return fold("".join(GAP + text for text in texts))


def _normal_addresses(raw: bytes) -> str:
    named = (
        f"{mailbox.display_name} <{mailbox.address}>" for mailbox in mailboxes_of(parse_raw_addresses(raw))
    )
    return ", ".join(named).replace("\n", " ").replace(GAP, " ")


# ---------------------------------------------------------------------- the body


def is_searched(part: Part) -> bool:
    """It has text: text/*, and what reports consist of (message/delivery-status and the like)."""
    return part.kind == Kind.LEAF and part.content_type.startswith(("text/", "message/"))


def mime_sections(parts: Sequence[Part]) -> Iterator[tuple[int, int]]:
    """Where the MIME headers of the parts lie."""
    for part in parts[1:]:
        if parts[part.parent].kind != Kind.MESSAGE and part.body_start > part.header_start:
            yield part.header_start, part.body_start


def body_sections(parts: Sequence[Part]) -> Iterator[tuple[int, int, Part | None]]:
    """What makes up BODY, in order: text parts, and the headers of messages inside (without a part)."""
    for part in parts:
        if part.parent >= 0 and parts[part.parent].kind == Kind.MESSAGE:
            yield part.header_start, part.body_start, None
        if is_searched(part):
            yield part.body_start, part.end, part


def section_text(octets: bytes, part: Part | None) -> str:
    """One of `body_sections`, as it stands in the message."""
    if part is None:
        return section_lines(octets)
    return fold(_shown(charsets.decode(decode_transfer(octets, part.encoding), part.charset), part))


def _shown(text: str, part: Part) -> str:
    if part.content_type == "text/html":
        text = html_text(text)
    return text.replace(GAP, "\ufffd") if GAP in text else text


class LargeText:
    """`section_text` of a part that is too long to be held: in pieces, cut at ends of lines so that no
    character is."""

    __slots__ = ("_decoder", "_is_wide", "_markup", "_part", "_rest")

    def __init__(self, part: Part) -> None:
        self._part = part
        self._is_wide = part.charset.lower().startswith(_WIDE)
        self._decoder = TransferDecoder(part.encoding)
        self._markup = HtmlText() if part.content_type == "text/html" else None
        self._rest = b""

    def feed(self, chunk: bytes) -> str:
        octets = self._rest + self._decoder.feed(chunk)
        cut = len(octets) & ~3 if self._is_wide else _end_of_lines(octets)
        self._rest = octets[cut:]
        return self._text(octets[:cut])

    def finish(self) -> str:
        rest = self._rest + self._decoder.finish()
        return self._text(rest) + (fold(self._markup.finish()) if self._markup is not None else "")

    def _text(self, octets: bytes) -> str:
        text = charsets.decode(octets, self._part.charset)
        if self._markup is not None:
            text = self._markup.feed(text)
        return fold(text.replace(GAP, "\ufffd") if GAP in text else text)


def _end_of_lines(octets: bytes) -> int:
    """Behind the last line end, or before the last character of a line that is too long."""
    cut = octets.rfind(b"\n") + 1
    if len(octets) - cut <= _LONGEST_LINE:
        return cut
    cut = len(octets)
    while cut > len(octets) - 4 and octets[cut - 1] & 0xC0 == 0x80:
        cut -= 1
    return cut - (octets[cut - 1] >= 0xC0)
