"""Lists of UIDs as few ranges, so that one query fetches many rows."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["spans"]

_GAP = 16


def spans(uids: Iterable[int]) -> list[tuple[int, int]]:
    """Closed ranges, ascending and disjoint, that cover the UIDs; gaps up to 16 are covered too."""
    ordered = sorted(uids)
    if not ordered:
        return []
    found = []
    first = last = ordered[0]
    for uid in ordered:
        if uid > last + _GAP:
            found.append((first, last))
            first = uid
        last = uid
    found.append((first, last))
    return found
