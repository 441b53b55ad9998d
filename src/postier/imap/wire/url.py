"""IMAP URLs that name a message or a part of one on this server (RFC 5092 11, as RFC 4469 3 allows them).

Nothing else is taken: no other server, no search, no URLAUTH, no path that is relative to the selected
mailbox (RFC 5092 7.2), and no dot segments.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from postier.base.cursor import ParseError
from postier.imap.wire.fetch import parse_section
from postier.imap.wire.grammar import NUMBER64_LIMIT, NUMBER_LIMIT
from postier.imap.wire.values import BodySection

__all__ = ["MessageUrl", "parse_url"]

_BCHAR = rb"[A-Za-z0-9._~!$'()*+,&=:@/%-]"
_URL = re.compile(
    rb"/(?P<mailbox>" + _BCHAR + rb"+)(?:;UIDVALIDITY=(?P<uidvalidity>\d{1,10}))?"
    rb"/;UID=(?P<uid>\d{1,10})"
    rb"(?:/;SECTION=(?P<section>" + _BCHAR + rb"+))?"
    rb"(?:/;PARTIAL=(?P<first>\d{1,19})(?:\.(?P<length>\d{1,10}))?)?",
    re.IGNORECASE,
)
"""No part that repeats can hold ";", which every separator does: reading is linear."""
_NOT_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOT_SEGMENT = re.compile(rb"(?:^|/)\.\.?(?:/|\Z)")


class MessageUrl(NamedTuple):
    """`mailbox` as a client of this server would name it in UTF-8; `uidvalidity`: 0 where none is named;
    `section` with what PARTIAL leaves of it."""

    mailbox: str
    uidvalidity: int
    uid: int
    section: BodySection


def parse_url(url: bytes) -> MessageUrl | None:
    """None for what is no such URL."""
    found = _URL.fullmatch(url)
    if found is None or url.startswith(b"//") or _NOT_ENCODED.search(url):
        return None
    mailbox = found["mailbox"].removesuffix(b"/") if found["uidvalidity"] else found["mailbox"]
    if _DOT_SEGMENT.search(mailbox):
        return None
    uidvalidity, uid, length = (_number(found[name]) for name in ("uidvalidity", "uid", "length"))
    if min(uidvalidity, uid, length) < 0 or 0 in (uid, uidvalidity if found["uidvalidity"] else 1):
        return None
    if found["length"] and not length:
        return None
    partial = None
    if found["first"] is not None:
        partial = int(found["first"]), length or NUMBER64_LIMIT
    try:
        section = parse_section(unquote_to_bytes(found["section"] or b""), partial)
        return MessageUrl(unquote_to_bytes(mailbox).decode(), uidvalidity, uid, section)
    except (ParseError, UnicodeDecodeError):
        return None


def _number(digits: bytes | None) -> int:
    """0 for none, -1 past what numbers may be."""
    value = int(digits or b"0")
    return value if value <= NUMBER_LIMIT else -1
