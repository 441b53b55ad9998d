"""Messages with UTF-8 in their header section, made readable for programs that know only ASCII (RFC 6858).

Simple, and meant to convey what matters: names and subjects become encoded-words; an address that cannot
be written in ASCII becomes one that leads nowhere, under the name of who it is; parameters and fields that
cannot be kept are left out. Octets that are no UTF-8 are old 8-bit mail and stay, and so do the header
sections of body parts.
"""

from __future__ import annotations

import re

from postier.base.domain import Domain
from postier.message.addresses import Group, Mailbox, parse_address_list
from postier.message.compose import fold, format_mailbox
from postier.message.encoded_words import decode_text, encode_text

__all__ = ["HEADER_HELD", "Downgrading", "downgraded"]

HEADER_HELD = 512 * 1024
"""Octets of a header section; a longer one goes out as it is."""

NOWHERE = b"invalid@internationalized-address.invalid"
"""RFC 6858 3.1"""

_FIELD = re.compile(rb"([!-9;-~\x80-\xff]++)[ \t]*+:([^\n]*+\n(?:[ \t][^\n]*+\n)*+)|[^\n]*+\n")
_END = re.compile(rb"\r?\n\r?\n")
_ADDRESSES = frozenset(
    prefix + name
    for prefix in (b"", b"resent-")
    for name in (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
)
_TEXTS = frozenset({b"subject", b"comments", b"content-description"})
_PARAMETERS = frozenset({b"content-type", b"content-disposition"})
_PARAMETER = re.compile(rb';(?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)*+', re.DOTALL)


class Downgrading:
    """A message in chunks that may be cut anywhere: what comes out has the header section downgraded."""

    __slots__ = ("_held", "_passes")

    def __init__(self) -> None:
        self._held = b""
        self._passes = False

    def feed(self, chunk: bytes) -> bytes:
        if self._passes:
            return chunk
        held = self._held + chunk if self._held else chunk
        end = _END.search(held, max(0, len(self._held) - 3))
        if end is None and len(held) <= HEADER_HELD:
            self._held = held
            return b""
        self._passes, self._held = True, b""
        if end is None:
            return held
        cut = end.end()
        return held if held.isascii() else downgraded(held[:cut]) + held[cut:]

    def finish(self) -> bytes:
        """What is still held: a message without body."""
        held, self._held = self._held, b""
        return downgraded(held) if held else b""


def downgraded(section: bytes) -> bytes:
    """A header section, its empty line included where there is one, in ASCII as far as it was UTF-8."""
    if section.isascii():
        return section
    if not section.endswith(b"\n"):
        section += b"\r\n"
    return b"".join(_field(match) for match in _FIELD.finditer(section))


def _field(match: re.Match[bytes]) -> bytes:
    raw, name, value = match[0], match[1], match[2]
    if raw.isascii() or not _is_utf8(raw):
        return raw
    if name is None or not name.isascii():
        return b""
    kind = name.lower()
    if kind in _ADDRESSES:
        made = b", ".join(filter(None, map(_address, parse_address_list(value.rstrip(b"\r\n")))))
    elif kind in _TEXTS:
        made = encode_text(_printable(decode_text(value)))
    elif kind in _PARAMETERS:
        made = _with_parameters(value.strip())
    else:
        made = b""
    return fold(name + b": " + made) if made else b""


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _address(one: Mailbox | Group) -> bytes:
    if isinstance(one, Group):
        members = b", ".join(filter(None, map(_address, one.mailboxes)))
        return (encode_text(_printable(one.display_name)) or b"-") + b": " + members + b";"
    shown = _printable(one.display_name or one.address)
    try:
        domain = Domain.parse(one.domain).ascii if not one.domain.isascii() else one.domain
        return format_mailbox(Mailbox(_printable(one.display_name), one.local_part, domain))
    except ValueError:
        return (_phrase(shown) + b" " if shown else b"") + b"<" + NOWHERE + b">"


def _phrase(text: str) -> bytes:
    """A display-name: encoded where it is not ASCII, else quoted."""
    if not text.isascii():
        return encode_text(text)
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text).strip()


def _with_parameters(value: bytes) -> bytes:
    """The value with those of its parameters that are ASCII."""
    first = _PARAMETER.search(value)
    head = (value[: first.start()] if first else value).strip()
    if not head.isascii():
        return b""
    kept = [one.strip() for one in _PARAMETER.findall(value) if one.isascii()]
    return b" ".join([head, *kept]).replace(b" ;", b";").replace(b"\r\n", b"")
