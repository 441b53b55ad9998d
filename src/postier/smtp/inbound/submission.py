"""What submission does to a message (RFC 6409 8): what a client left out, or what nobody can read, is written
anew, and what tells of hidden recipients goes.

Nothing else is changed: the fields we take out are cut, those we add stand on top. Where somebody has signed
the message already, nothing that is there is replaced, so that the signature may hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postier.base.ids import new_id
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import Signer, sign
from postier.message.addresses import iter_mailboxes
from postier.message.dates import format_date_time, parse_date_time
from postier.message.headers import HeaderFields
from postier.message.message_ids import message_ids

__all__ = ["mend_header", "signatures"]

_HIDDEN = frozenset((b"bcc", b"resent-bcc", b"return-path"))


def mend_header(header: bytes, *, domain: str, login: str, now: float) -> bytes:
    """`header` (with the empty line behind it) as it is to be stored and sent.

    A Message-ID is made in `domain`; the Date says `now` (seconds since 1970); `login`: the main address of
    who submits, the Sender of a message from several.
    """
    fields = HeaderFields(header)
    broken = frozenset[bytes]() if b"dkim-signature" in fields else frozenset(_broken(fields))
    pieces: list[bytes] = []
    if b"date" not in fields or b"date" in broken:
        pieces.append(f"Date: {format_date_time(now)}\r\n".encode())
    if b"message-id" not in fields or b"message-id" in broken:
        pieces.append(f"Message-ID: <{new_id()}@{domain}>\r\n".encode())
    if b"sender" not in fields and login.isascii() and _has_several_authors(fields):
        pieces.append(f"Sender: {login}\r\n".encode())
    if b"to" not in fields and b"cc" not in fields and b"dkim-signature" not in fields:
        pieces.append(b"To: undisclosed-recipients:;\r\n")
    position, cut = 0, _HIDDEN | broken if broken else _HIDDEN
    for field in fields:
        if field.name.lower() in cut:
            pieces.append(header[position : field.start])
            position = field.end
    if not pieces:
        return header
    return b"".join([*pieces, header[position:]])


def signatures(signers: Sequence[Signer], header: bytes, hasher: BodyHasher, *, now: float) -> bytes:
    """The DKIM-Signature fields for the message, b"" where nobody signs."""
    return sign(signers, header, hasher.digest(), timestamp=int(now)) if signers else b""


def _broken(fields: HeaderFields) -> Iterator[bytes]:
    """Fields that are there and mean nothing to any reader (RFC 6409 8.2, 8.3)."""
    date, message_id = fields.first(b"date"), fields.first(b"message-id")
    if date is not None and parse_date_time(date) is None:
        yield b"date"
    if message_id is not None and not message_ids(message_id):
        yield b"message-id"


def _has_several_authors(fields: HeaderFields) -> bool:
    """RFC 5322 3.6.2: then the message must say who sent it."""
    authors = fields.all(b"from")
    return any(b"," in value for value in authors) and len(list(iter_mailboxes(authors))) > 1
