"""Strings of IMAP responses (RFC 3501 4.3). Whatever a message holds, no line break or NUL leaves this file
inside a quoted string, so a message cannot forge a response.
"""

from __future__ import annotations

import re

__all__ = ["nstring", "string"]

_PLAIN = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]*+")
_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n\0", b"   ")


def string(value: bytes) -> bytes:
    """`value` quoted; as a literal if it has 8-bit octets. CR, LF and NUL become spaces."""
    if _PLAIN.fullmatch(value):
        return b'"' + value + b'"'
    value = value.translate(_BREAKS_TO_SPACES)
    if value.isascii():
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """`string`, or NIL for None."""
    return b"NIL" if value is None else string(value)
