"""Lists of UIDs as few ranges, so that one statement reads or changes many rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from postier.store.sql.connection import Connection

__all__ = ["PIECE", "pieces", "runs", "spans"]

PIECE = 1000
"""Messages that are changed or removed between two breaths."""

_GAP = 16
_RUN = 25
_Number = TypeVar("_Number", bound=int)


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


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Closed ranges that hold exactly the ascending numbers, of which none comes twice. None is long, so that
    as many statements as are run between two breaths change a bounded number of rows."""
    numbers = list(numbers)
    if numbers and numbers[-1] - numbers[0] == len(numbers) - 1:
        end = numbers[-1]
        return [(first, min(first + _RUN - 1, end)) for first in range(numbers[0], end + 1, _RUN)]
    found: list[tuple[int, int]] = []
    first = last = -1
    for number in numbers:
        if number != last + 1 or number == first + _RUN:
            if last >= 0:
                found.append((first, last))
            first = number
        last = number
    if last >= 0:
        found.append((first, last))
    return found


async def pieces(connection: Connection, uids: Sequence[_Number]) -> AsyncIterator[Sequence[_Number]]:
    """The UIDs, ascending and each once, some at a time; between them others have their turn."""
    if len(uids) > 1:
        uids = sorted(set(uids))
    for start in range(0, len(uids), PIECE):
        if start:
            await connection.breathe()
        yield uids[start : start + PIECE]
