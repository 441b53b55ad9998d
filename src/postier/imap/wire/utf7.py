"""Modified UTF-7, the encoding of mailbox names (RFC 3501 5.1.3).

Only the canonical form is read: one name has one encoding, so no two spellings ever mean one mailbox.
"""

from __future__ import annotations

import binascii
import re

__all__ = ["decode", "encode"]

_SHIFTED = re.compile(r"[^\x20-\x7e]+")
_DIRECT = re.compile(rb"[\x20-\x7e]*+")


def encode(name: str) -> bytes:
    """`name` in modified UTF-7. Raises ValueError (UnicodeEncodeError) for a lone surrogate."""
    if name.isascii() and name.isprintable():
        return name.replace("&", "&-").encode()
    return _SHIFTED.sub(_shift, name.replace("&", "&-")).encode()


def _shift(found: re.Match[str]) -> str:
    base64 = binascii.b2a_base64(found.group().encode("utf-16-be"), newline=False)
    return "&" + base64.rstrip(b"=").replace(b"/", b",").decode() + "-"


def decode(raw: bytes) -> str:
    """The name that `raw` encodes. Raises ValueError unless `raw` is exactly what `encode` makes of it."""
    if _DIRECT.fullmatch(raw) is None:
        raise ValueError("not printable ASCII")
    if b"&" not in raw:
        return raw.decode()
    first, *shifts = raw.split(b"&")
    pieces = [first.decode()]
    for shift in shifts:
        base64, dash, direct = shift.partition(b"-")
        if not dash:
            raise ValueError("a shift without its end")
        pieces.append(_unshift(base64) if base64 else "&")
        pieces.append(direct.decode())
    name = "".join(pieces)
    if encode(name) != raw:
        raise ValueError("not the canonical form")
    return name


def _unshift(base64: bytes) -> str:
    """Raises ValueError (binascii.Error and UnicodeDecodeError are) for anything but UTF-16 in base64."""
    padded = base64.replace(b",", b"/") + b"=" * (-len(base64) % 4)
    return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")
