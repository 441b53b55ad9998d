"""Flags between their names in IMAP and their bits in the store (RFC 3501 2.3.2)."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from postier.imap.wire import responses
from postier.imap.wire.responses import FlagTexts
from postier.store.api import SYSTEM_FLAGS, Flag

__all__ = ["MAX_KEYWORDS", "flag_texts", "flags_lines", "keyword_bit", "known_flags", "parse_flags"]

MAX_KEYWORDS = 58
"""What fits in a mailbox (see store.api.OutOfKeywords)."""

WELL_KNOWN = ("$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing")
"""Keywords that a client may count on, in every mailbox with room for them (RFC 9051 2.3.2)."""

SYSTEM_BITS = {f"\\{flag.name}": int(flag) for flag in Flag}
"""By name in capitals; plain integers, since an IntFlag's operators are slow."""

_SYSTEM_NAMES = tuple(name.decode() for name in responses.SYSTEM_FLAG_NAMES)


@functools.lru_cache(maxsize=256)
def flag_texts(keywords: tuple[str, ...]) -> FlagTexts:
    """The one FlagTexts of a set of keywords, shared by all sessions.

    A bit without a name, a keyword so new that the session has not heard of it, is left out: the feed of
    changes will tell it again with its name.
    """
    return FlagTexts(keywords)


def known_flags(keywords: tuple[str, ...], *, changeable: int) -> tuple[str, ...]:
    """What FLAGS names in a mailbox with these keywords: also those that a client may set but nobody has yet,
    where there is room for them. `changeable`: the bits of the flags that this session can change."""
    fresh: tuple[str, ...] = ()
    if changeable >> SYSTEM_FLAGS & 1:
        known = {keyword.lower() for keyword in keywords}
        fresh = tuple(name for name in WELL_KNOWN if name.lower() not in known)
    if len(keywords) + len(fresh) > MAX_KEYWORDS:
        fresh = ()
    return (*_SYSTEM_NAMES, *keywords, *fresh)


def flags_lines(keywords: tuple[str, ...], *, changeable: int) -> bytes:
    """FLAGS and PERMANENTFLAGS (RFC 3501 7.2.6, 7.1): said at SELECT and when a keyword or a right is new."""
    names = known_flags(keywords, changeable=changeable)
    permanent = [name for bit, name in enumerate(names) if changeable >> bit & 1]
    more = bool(changeable >> SYSTEM_FLAGS & 1) and len(keywords) < MAX_KEYWORDS
    code = responses.permanent_flags_code(permanent, more=more)
    return responses.flags(names) + responses.untagged(b"OK", "Ok", code)


def parse_flags(names: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """(bits of the system flags, keywords). \\Recent and flags nobody knows cannot be stored and are passed
    over, as RFC 3501 7.1 allows for what PERMANENTFLAGS leaves out."""
    bits, keywords = 0, []
    for name in names:
        if name.startswith("\\"):
            bits |= SYSTEM_BITS.get(name.upper(), 0)
        else:
            keywords.append(name)
    return bits, tuple(keywords)


def keyword_bit(keywords: tuple[str, ...], name: str) -> int:
    """The bit of the keyword in a mailbox with these keywords; 0 if it has none of that name."""
    wanted = name.lower()
    for position, keyword in enumerate(keywords):
        if keyword.lower() == wanted:
            return 1 << (SYSTEM_FLAGS + position)
    return 0
