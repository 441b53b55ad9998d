"""ENVELOPE (RFC 3501 7.4.2): what a mail program lists, as ready bytes."""

from __future__ import annotations

from collections.abc import Iterable

from postier.message.addresses import (
    ADDRESSES_PARSED,
    GroupEnd,
    GroupStart,
    RawMailbox,
    parse_raw_addresses,
)
from postier.message.headers import HeaderFields
from postier.message.imap_string import nstring, string

__all__ = ["render_address_list", "render_envelope"]

_OTHERS = (b"to", b"cc", b"bcc")
_FROM_WHERE_MISSING = (b"sender", b"reply-to")


def render_envelope(fields: HeaderFields) -> bytes:
    """`("date" "subject" (from) (sender) (reply-to) (to) (cc) (bcc) "in-reply-to" "message-id")`.

    Strings are unfolded and otherwise as they stand, encoded-words included; 8-bit octets go as literals. Of
    repeated fields the first counts, addresses are those of all of them. Sender and Reply-To fall back to
    From.
    """
    author = render_address_list(fields.all(b"from"))
    parts = [nstring(fields.text(b"date")), nstring(fields.text(b"subject")), author]
    for name in _FROM_WHERE_MISSING:
        rendered = render_address_list(fields.all(name)) if name in fields else b"NIL"
        parts.append(author if rendered == b"NIL" else rendered)
    for name in _OTHERS:
        parts.append(render_address_list(fields.all(name)) if name in fields else b"NIL")
    parts.append(nstring(fields.text(b"in-reply-to")))
    parts.append(nstring(fields.text(b"message-id")))
    return b"(" + b" ".join(parts) + b")"


def render_address_list(raw_values: Iterable[bytes]) -> bytes:
    """`((name adl mailbox host) ...)`, or NIL if there is nobody. A group is opened by (NIL NIL name NIL)
    and closed by (NIL NIL NIL NIL), so a mailbox without a domain has "" for a host."""
    rendered: list[bytes] = []
    for raw in raw_values:
        for item in parse_raw_addresses(raw):
            rendered.append(_render(item))
        if len(rendered) > ADDRESSES_PARSED:
            break
    return b"(" + b"".join(rendered) + b")" if rendered else b"NIL"


def _render(item: RawMailbox | GroupStart | GroupEnd) -> bytes:
    if isinstance(item, RawMailbox):
        name, route, local_part, domain, _ = item
        return b"(%b %b %b %b)" % (nstring(name), nstring(route), string(local_part), string(domain))
    if isinstance(item, GroupStart):
        return b"(NIL NIL %b NIL)" % string(item.name)
    return b"(NIL NIL NIL NIL)"
