"""Return addresses for mail that an alias forwards (the Sender Rewriting Scheme): pure functions.

Whoever checks SPF sees us send mail of a stranger's domain and may refuse it. So the reverse-path becomes one
of ours that holds the stranger's, signed, and what is returned to it finds its way back:

    ann@a.example                        ->  SRS0=HASH=DAY=a.example=ann@us.example
    SRS0=HASH=DAY=a.example=ann@b.example ->  SRS1=HASH=b.example==HASH=DAY=a.example=ann@us.example

HASH keeps strangers from making such addresses (30 bits of an HMAC, of lower-case letters, since some hosts
change the case), DAY from using an old one. Of a path that was rewritten before, SRS1 leads to the one who
did it first, whatever lies between. Not a standard; the form is that of libsrs2 and postsrsd.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode

from postier.base.address import Address
from postier.base.domain import Domain

__all__ = ["MAX_AGE_DAYS", "SrsError", "is_return_address", "original", "return_address"]

MAX_AGE_DAYS = 21
_DAYS = 1024
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HASH_LENGTH = 6
_TAGGED = re.compile(r"SRS([01])[=+-](.*)", re.IGNORECASE | re.DOTALL)


class SrsError(Exception):
    """Why an address is none that we gave out, or not any more."""


def is_return_address(local_part: str) -> bool:
    """True if it has the form of one."""
    return _TAGGED.fullmatch(local_part) is not None


def return_address(path: Address, domain: Domain, key: bytes, now: float) -> Address | None:
    """What stands for `path` in our `domain`; None if that would be longer than an address may be."""
    tagged = _TAGGED.fullmatch(path.local_part)
    if tagged is None:
        rest = f"{_day(now)}={path.domain}={path.local_part}"
        local_part = f"SRS0={_hash(key, '0', rest)}={rest}"
    else:
        rest = f"{path.domain}=={tagged[2]}"
        if tagged[1] == "1":  # by somebody behind the first: HASH=first==...
            _, equals, rest = tagged[2].partition("=")
            if not equals or "==" not in rest:
                return None
        local_part = f"SRS1={_hash(key, '1', rest)}={rest}"
    try:
        return Address(local_part, domain)
    except ValueError:
        return None


def original(address: Address, key: bytes, now: float) -> Address:
    """Whose return address `address` is. Raises SrsError."""
    tagged = _TAGGED.fullmatch(address.local_part)
    if tagged is None:
        raise SrsError("not a return address of ours")
    signature, _, rest = tagged[2].partition("=")
    if not hmac.compare_digest(signature.upper().encode(), _hash(key, tagged[1], rest).encode()):
        raise SrsError("forged")
    if tagged[1] == "1":
        domain, _, local_part = rest.partition("==")
        return _address(f"SRS0={local_part}", domain)
    day, _, rest = rest.partition("=")
    if _age(day, now) > MAX_AGE_DAYS:
        raise SrsError("expired")
    domain, _, local_part = rest.partition("=")
    return _address(local_part, domain)


def _address(local_part: str, domain: str) -> Address:
    try:
        host = Address.parse(f"x@{domain}").domain
        return Address(local_part, host)
    except ValueError as error:
        raise SrsError(str(error)) from error


def _hash(key: bytes, tag: str, text: str) -> str:
    """The tag is signed too: else one of SRS1, whose text a stranger chooses, would do for SRS0."""
    digest = hmac.digest(key, f"{tag}={text.lower()}".encode(), "sha256")
    return b32encode(digest[:5]).decode()[:_HASH_LENGTH]


def _day(now: float) -> str:
    day = int(now // 86_400) % _DAYS
    return _DIGITS[day >> 5] + _DIGITS[day & 31]


def _age(day: str, now: float) -> int:
    """Days; the signature says that `day` is one, in letters of whatever case."""
    high, low = (_DIGITS.index(digit) for digit in day.upper())
    return (int(now // 86_400) - (high << 5 | low)) % _DAYS
