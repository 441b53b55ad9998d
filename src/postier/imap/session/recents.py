"""Which messages a session shows as \\Recent: those that it was the first to be told of (RFC 3501 2.3.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["Recents"]

NEVER = 2**32
"""No UID is as high."""


class Recents:
    """UIDs in ranges: one for each time that messages came and no other session had heard of them."""

    __slots__ = ("_bounds",)

    def __init__(self) -> None:
        self._bounds = array("Q")  # ascending: where a range begins, and past its end, by turns

    def add(self, first: int, last: int) -> None:
        """Also those from `first` to `last`, past all that were added before."""
        if first > last:
            return
        if self._bounds and self._bounds[-1] >= first:
            self._bounds.pop()
        else:
            self._bounds.append(first)
        self._bounds.append(last + 1)

    @property
    def first(self) -> int:
        """The lowest; past all UIDs if there is none."""
        return self._bounds[0] if self._bounds else NEVER

    def __contains__(self, uid: int) -> bool:
        return bool(bisect_right(self._bounds, uid) & 1)

    def count(self, uids: Sequence[int]) -> int:
        """How many of `uids`, which ascend."""
        bounds = self._bounds
        return sum(
            bisect_left(uids, end) - bisect_left(uids, start)
            for start, end in zip(bounds[::2], bounds[1::2], strict=True)
        )

    def choose(self, uids: list[int], *, wanted: bool) -> list[int]:
        """Those of `uids`, which ascend, that are among them; not `wanted`: the others."""
        if not uids or uids[-1] < self.first:
            return [] if wanted else uids
        return [uid for uid in uids if (uid in self) is wanted]
