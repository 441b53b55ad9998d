"""Single values of reports: texts, numbers, moments, addresses, each made harmless and alike."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import re

__all__ = ["clean", "host", "moment", "number", "source_address", "word"]

TEXT = 500
WORD = 40
_SHORT = 256
"""Characters of a text that is remembered: reports repeat names, and nobody shall fill our memory."""
_MOST = 2**32
"""More than any row counts; sums of them still fit into 64 bits."""
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")
_NUMBER = re.compile(r"\s*+([+-]?[0-9]{1,20})(?:\.[0-9]*+)?\s*+")


def clean(text: str, limit: int = TEXT) -> str:
    """One line that is safe to print and to store, cut at `limit` characters."""
    return _remembered(text, limit) if len(text) <= _SHORT else _clean(text, limit)


def _clean(text: str, limit: int) -> str:
    text = " ".join(text[: 4 * limit].split())
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable())
    return text[:limit]


_remembered = functools.lru_cache(maxsize=4096)(_clean)


def word(text: str, default: str = "") -> str:
    """A word of a standard's list: in lower case, however it was written."""
    return clean(text, WORD).lower() or default


def host(text: str) -> str:
    """A domain name in lower case without its final dot; what is none stays as it was written."""
    return clean(text).lower().rstrip(".")


def number(text: object, default: int = 0) -> int:
    """Not negative and not past 2**32, whatever was written; `default` where it is no number."""
    if isinstance(text, int):
        return max(0, min(text, _MOST))
    found = _NUMBER.fullmatch(str(text))
    return default if found is None else max(0, min(int(found[1]), _MOST))


def moment(text: object) -> int:
    """Seconds since 1970 from a number or a date of ISO 8601 (RFC 3339); 0 where it is neither."""
    found = _NUMBER.fullmatch(str(text))
    if found is not None:
        return number(text)
    try:
        when = datetime.datetime.fromisoformat(str(text).strip())
    except ValueError:
        return 0
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max(0, int(when.timestamp()))


def source_address(text: str) -> str:
    """An IP address in its usual form, IPv4 where it is mapped into IPv6; what is none stays as written."""
    if _IPV4.fullmatch(text):
        return text
    text = clean(text, 100).strip("[]")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text.lower()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
