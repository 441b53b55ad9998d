"""ENVELOPE (RFC 3501 7.4.2): what a mail program lists, as ready bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from postier.message.addresses import (
    GroupEnd,
    GroupStart,
    RawMailbox,
    address_items,
)
from postier.message.headers import HeaderFields
from postier.message.imap_string import nstring, string

__all__ = ["render_address_list", "render_envelope"]

Parsed = Mapping[bytes, Sequence[RawMailbox | GroupStart | GroupEnd]]
"""Lists of addresses by the lower-case name of their field."""

_OTHERS = (b"to", b"cc", b"bcc")
_FROM_WHERE_MISSING = (b"sender", b"reply-to")
_NOTHING: Parsed = MappingProxyType({})


def render_envelope(fields: HeaderFields, parsed: Parsed = _NOTHING) -> bytes:
    """`("date" "subject" (from) (sender) (reply-to) (to) (cc) (bcc) "in-reply-to" "message-id")`.

    Strings are unfolded and otherwise as they stand, encoded-words included; 8-bit octets go as literals. Of
    repeated fields the first counts, addresses are those of all of them. Sender and Reply-To fall back to
    From. `parsed`: the addresses of fields that somebody has read already.
    """
    author = _rendered(fields, b"from", parsed)
    parts = [nstring(fields.text(b"date")), nstring(fields.text(b"subject")), author]
    for name in _FROM_WHERE_MISSING:
        rendered = _rendered(fields, name, parsed)
        parts.append(author if rendered == b"NIL" else rendered)
    for name in _OTHERS:
        parts.append(_rendered(fields, name, parsed))
    parts.append(nstring(fields.text(b"in-reply-to")))
    parts.append(nstring(fields.text(b"message-id")))
    return b"(" + b" ".join(parts) + b")"


def _rendered(fields: HeaderFields, name: bytes, parsed: Parsed) -> bytes:
    if name not in fields:
        return b"NIL"
    known = parsed.get(name)
    return render_address_list(fields.all(name)) if known is None else _list(known)


def render_address_list(raw_values: Iterable[bytes]) -> bytes:
    """`((name adl mailbox host) ...)`, or NIL if there is nobody. A group is opened by (NIL NIL name NIL)
    and closed by (NIL NIL NIL NIL), so a mailbox without a domain has "" for a host."""
    return _list(address_items(raw_values))


def _list(items: Sequence[RawMailbox | GroupStart | GroupEnd]) -> bytes:
    return b"(" + b"".join([_render(item) for item in items]) + b")" if items else b"NIL"


def _render(item: RawMailbox | GroupStart | GroupEnd) -> bytes:
    if isinstance(item, RawMailbox):
        name, route, local_part, domain, _ = item
        return b"(%b %b %b %b)" % (nstring(name), nstring(route), string(local_part), string(domain))
    if isinstance(item, GroupStart):
        return b"(NIL NIL %b NIL)" % string(item.name)
    return b"(NIL NIL NIL NIL)"
