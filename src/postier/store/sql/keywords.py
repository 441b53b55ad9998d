"""Keywords of a mailbox: names on the outside, bits above the system flags inside."""

from __future__ import annotations

from collections.abc import Iterable

from postier.store.api import SYSTEM_FLAGS, OutOfKeywords

__all__ = ["MAX_KEYWORDS", "bits_of", "names_of", "with_names"]

MAX_KEYWORDS = 63 - SYSTEM_FLAGS
"""Flags are one signed 64-bit integer that is never negative."""


def bits_of(known: str, names: Iterable[str]) -> int:
    """The bits of those names that `known` (names separated by spaces) holds; case does not matter."""
    wanted = {name.lower() for name in names}
    if not wanted:
        return 0
    return sum(
        1 << (SYSTEM_FLAGS + place) for place, name in enumerate(known.split()) if name.lower() in wanted
    )


def names_of(known: str, flags: int) -> list[str]:
    """The names of the keyword bits in `flags`."""
    if not flags >> SYSTEM_FLAGS:
        return []
    return [name for place, name in enumerate(known.split()) if flags >> (SYSTEM_FLAGS + place) & 1]


def with_names(known: str, names: Iterable[str]) -> str:
    """`known` and behind it the names it lacks; the first spelling of a name stays. Raises OutOfKeywords."""
    words = known.split()
    seen = {word.lower() for word in words}
    for name in names:
        if name.lower() not in seen:
            seen.add(name.lower())
            words.append(name)
    if len(words) > MAX_KEYWORDS:
        raise OutOfKeywords(f"{len(words)} different keywords")
    return " ".join(words)
