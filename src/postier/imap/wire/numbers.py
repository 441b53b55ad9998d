"""Sets of numbers as text: `1:5,7` (RFC 3501 sequence-set), both ways in linear time."""

from __future__ import annotations

from collections.abc import Iterable

from postier.imap.wire.values import SequenceSet

__all__ = ["expand", "ranges_of", "ranges_text", "sequence_set_text"]


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Closed ranges in the order of `numbers`: each next number that is one higher joins the range before it.

    Ascending numbers give the shortest ascending set; any other order is kept, as COPYUID needs it
    (RFC 4315 3).
    """
    ranges: list[tuple[int, int]] = []
    low = high = -2
    for number in numbers:
        if number == high + 1:
            high = number
        else:
            if low >= 0:
                ranges.append((low, high))
            low = high = number
    if low >= 0:
        ranges.append((low, high))
    return ranges


def ranges_text(ranges: Iterable[tuple[int, int]]) -> bytes:
    """`1:5,7` of closed ranges; b"" for none, which no response may hold."""
    return b",".join([b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges])


def sequence_set_text(numbers: Iterable[int]) -> bytes:
    """`numbers` as a sequence set, in their order."""
    return ranges_text(ranges_of(numbers))


def expand(numbers: SequenceSet, largest: int, limit: int) -> list[int]:
    """All numbers of the set, ascending, with "*" as `largest`.

    Raises ValueError for more than `limit`, before any is made.
    """
    ranges = numbers.resolve(largest)
    if sum(high - low + 1 for low, high in ranges) > limit:
        raise ValueError(f"more than {limit} numbers")
    return [number for low, high in ranges for number in range(low, high + 1)]
