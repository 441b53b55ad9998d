"""What submission does to a message (RFC 6409 8): Date and Message-ID where the client left them out, no Bcc.

Nothing else is changed: the fields we take out are cut, those we add stand on top.
"""

from __future__ import annotations

from collections.abc import Sequence

from postier.base.ids import new_id
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import Signer, sign
from postier.message.dates import format_date_time
from postier.message.headers import HeaderFields

__all__ = ["mend_header", "signatures"]

_TAKEN_OUT = frozenset((b"bcc", b"resent-bcc", b"return-path"))


def mend_header(header: bytes, *, domain: str, now: float) -> bytes:
    """`header` (with the empty line behind it) as it is to be stored and sent.

    A Message-ID is made in `domain`; the Date says `now` (seconds since 1970).
    """
    fields = HeaderFields(header)
    pieces: list[bytes] = []
    if b"date" not in fields:
        pieces.append(f"Date: {format_date_time(now)}\r\n".encode())
    if b"message-id" not in fields:
        pieces.append(f"Message-ID: <{new_id()}@{domain}>\r\n".encode())
    position = 0
    for field in fields:
        if field.name.lower() in _TAKEN_OUT:
            pieces.append(header[position : field.start])
            position = field.end
    if not pieces:
        return header
    return b"".join([*pieces, header[position:]])


def signatures(signers: Sequence[Signer], header: bytes, hasher: BodyHasher, *, now: float) -> bytes:
    """The DKIM-Signature fields for the message, b"" where nobody signs."""
    return sign(signers, header, hasher.digest(), timestamp=int(now)) if signers else b""
