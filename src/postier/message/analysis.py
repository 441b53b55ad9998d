"""Everything that is listed, sorted, searched and fetched of a message, made once when it arrives.

`analyse` takes a message in memory, an Analyser takes it in pieces; both run the one Scanner of
structure.py, so they cannot differ. The memory of an Analyser does not grow with the message: it keeps a
window, the header sections within their limits, and the first bytes of a few text parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postier.message.addresses import (
    ADDRESSES_PARSED,
    GroupEnd,
    GroupStart,
    Mailbox,
    RawMailbox,
    address_items,
    iter_mailboxes,
    mailboxes_of,
)
from postier.message.body_structure import render_body_structure
from postier.message.dates import parse_date_time
from postier.message.encoded_words import decode_text
from postier.message.envelope import render_envelope
from postier.message.headers import HeaderFields, unfold
from postier.message.parts import encode_parts
from postier.message.structure import Kind, Node, Scanner
from postier.message.subject import base_subject
from postier.message.text import preview

__all__ = ["REFERENCES_KEPT", "Analyser", "Analysis", "analyse"]

REFERENCES_KEPT = 1000  # message ids of References, the nearest ancestors (RFC 5322 3.6.4 lists them last)
SUBJECT_KEPT = 10_000  # characters
WINDOW = 64 * 1024

_ADDRESSED = (b"from", b"to", b"cc")
_MESSAGE_ID = re.compile(rb"<([^<>\x00-\x20]{1,998})>")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a message says of itself.

    header: the top header section, every line with its end, without the empty line; its first 1 MiB.
    envelope, body_structure: IMAP's lists, ready to send (RFC 3501 7.4.2).
    parts: the index of parts.PartIndex. size: octets of the message.
    message_id, in_reply_to, references: without angle brackets.
    subject: decoded, at most 10,000 characters. base_subject: for threads (RFC 5256 2.1).
    sent_date: of the Date field, seconds since 1970 in UTC; None if it says no date. sent_offset: its minutes
    east of UTC.
    author_mailboxes: those of every From field, as DMARC sees them; from_first, to_first, cc_first: the first
    mailbox of each field, for listing and SORT.
    preview: some 200 characters of text. has_attachment: a part wants to be saved rather than shown.
    eight_bit: octets above 127 somewhere. utf8_headers: in a header section (the message needs SMTPUTF8).
    received_count: its Received fields (RFC 5321 6.3).
    """

    header: bytes
    envelope: bytes
    body_structure: bytes
    parts: bytes
    size: int
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    subject: str
    base_subject: str
    sent_date: int | None
    sent_offset: int
    author_mailboxes: tuple[Mailbox, ...]
    from_first: Mailbox | None
    to_first: Mailbox | None
    cc_first: Mailbox | None
    preview: str
    has_attachment: bool
    eight_bit: bool
    utf8_headers: bool
    received_count: int


def analyse(data: bytes) -> Analysis:
    """The analysis of a whole message; any bytes."""
    scanner = Scanner()
    scanner.feed_last(data)
    return _analysis(scanner, len(data), not data.isascii())


class Analyser:
    """`analyse` for a message that comes in chunks of any size."""

    def __init__(self, window: int = WINDOW) -> None:
        """`window`: how many bytes are gathered before they are looked at; the result does not depend on
        it."""
        self._scanner = Scanner()
        self._window = window
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._size = 0
        self._eight_bit = False

    def feed(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        if self._waiting_size >= self._window:
            self._scanner.feed(self._take())

    def finish(self) -> Analysis:
        """Call once, after the last chunk."""
        self._scanner.feed_last(self._take())
        return _analysis(self._scanner, self._size, self._eight_bit)

    def _take(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_size = 0
        self._size += len(data)
        self._eight_bit = self._eight_bit or not data.isascii()
        return data


def _analysis(scanner: Scanner, size: int, eight_bit: bool) -> Analysis:
    fields, nodes = scanner.fields, scanner.nodes
    subject = decode_text(fields.first(b"subject") or b"")[:SUBJECT_KEPT]
    sent = parse_date_time(fields.text(b"date") or b"")
    addresses = {name: address_items(fields.all(name)) for name in _ADDRESSED}
    authors = _authors(fields, addresses[b"from"])
    message_ids = _message_ids(fields, b"message-id")
    return Analysis(
        header=scanner.header,
        envelope=render_envelope(fields, addresses),
        body_structure=render_body_structure(nodes),
        parts=encode_parts(nodes),
        size=size,
        message_id=message_ids[0] if message_ids else None,
        in_reply_to=_message_ids(fields, b"in-reply-to"),
        references=_message_ids(fields, b"references"),
        subject=subject,
        base_subject=base_subject(subject),
        sent_date=None if sent is None else sent.epoch,
        sent_offset=0 if sent is None else sent.offset,
        author_mailboxes=authors,
        from_first=authors[0] if authors else None,
        to_first=next(mailboxes_of(addresses[b"to"]), None),
        cc_first=next(mailboxes_of(addresses[b"cc"]), None),
        preview=preview(scanner.samples),
        has_attachment=any(map(_is_attachment, nodes)),
        eight_bit=eight_bit,
        utf8_headers=scanner.headers_eight_bit,
        received_count=fields.count(b"received"),
    )


def _authors(fields: HeaderFields, items: list[RawMailbox | GroupStart | GroupEnd]) -> tuple[Mailbox, ...]:
    """All of them, however many: whoever checks authors must see the last one, too."""
    if len(items) > ADDRESSES_PARSED:
        return tuple(iter_mailboxes(fields.all(b"from")))
    return tuple(mailboxes_of(items))


def _message_ids(fields: HeaderFields, name: bytes) -> tuple[str, ...]:
    raw = fields.first(name)
    if raw is None:
        return ()
    found = _MESSAGE_ID.findall(unfold(raw))[-REFERENCES_KEPT:]
    return tuple([octets.decode("utf-8", "replace") for octets in found])


def _is_attachment(node: Node) -> bool:
    """Asked for with Content-Disposition, or named and not text that is meant to be read in place."""
    if node.kind is Kind.MULTIPART or (node.parent < 0 and node.kind is Kind.MESSAGE):
        return False
    header = node.header
    if header.disposition is not None:
        return header.disposition.value != b"inline"
    return header.file_name is not None and not header.content_type.value.startswith(b"text/")
