"""The messages of the selected mailbox as one session counts them: sequence number n is `uids[n - 1]`.

Four bytes a message and nothing else. A message keeps its place here, whatever happened to it in the store,
until the client has been told that it is gone. Spans are half-open ranges of places; the UIDs between
two places of the view belong to no other message, so a span is also one range of UIDs.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from postier.imap.wire.values import SequenceSet
from postier.store.api import Uid

__all__ = ["Batch", "NoSuchSequence", "Span", "View", "batches"]

Span = tuple[int, int]


class NoSuchSequence(Exception):
    """A message sequence number past the end of the mailbox (RFC 3501 9: seq-number)."""


class View:
    """UIDs in ascending order, and the way from sets of numbers to places."""

    __slots__ = ("uids",)

    def __init__(self, uids: array[int]) -> None:
        self.uids = uids

    def __len__(self) -> int:
        return len(self.uids)

    def place(self, uid: int) -> int:
        """The place of `uid`, or -1."""
        found = bisect_left(self.uids, uid)
        return found if found < len(self.uids) and self.uids[found] == uid else -1

    def spans(self, sequence: SequenceSet, *, by_uid: bool, lenient: bool = False) -> list[Span]:
        """Where the set's messages stand, ascending and never touching each other.

        Raises NoSuchSequence for a sequence number past the last message unless `lenient`; UIDs may name what
        is not there, and so may "*" and ranges up to it where there is no message at all.
        """
        if not self.uids:
            if not (by_uid or lenient) and any(0 not in pair for pair in sequence.ranges):
                raise NoSuchSequence
            return []
        if by_uid:
            ranges = sequence.resolve(self.uids[-1])
            if len(ranges) == 1:
                low, high = ranges[0]
                start, stop = bisect_left(self.uids, low), bisect_right(self.uids, high)
                return [(start, stop)] if start < stop else []
            return _joined(
                (bisect_left(self.uids, low), bisect_right(self.uids, high)) for low, high in ranges
            )
        ranges = sequence.resolve(len(self.uids))
        count = len(self.uids)
        if ranges[-1][1] <= count:
            return [(low - 1, high) for low, high in ranges]
        if not lenient:
            raise NoSuchSequence
        return [(low - 1, min(high, count)) for low, high in ranges if low <= count]

    def spans_of(self, uids: Iterable[int]) -> list[Span]:
        """The places of ascending `uids`; those that are not here are left out."""
        if isinstance(uids, array) and uids == self.uids:
            return [(0, len(uids))] if uids else []
        places = (self.place(uid) for uid in uids)
        return _joined((place, place + 1) for place in places if place >= 0)

    def numbers_of(self, uids: Sequence[int]) -> list[int]:
        """The sequence numbers of UIDs that are all here, in their order."""
        if self.uids and self.uids[-1] - self.uids[0] == len(self.uids) - 1:  # no UID is missing between them
            before = self.uids[0] - 1
            return [uid - before for uid in uids]
        if len(uids) * 8 < len(self.uids):
            return [bisect_left(self.uids, uid) + 1 for uid in uids]
        known = dict(zip(self.uids, range(1, len(self.uids) + 1), strict=True))
        return [known[uid] for uid in uids]

    def select(self, spans: Sequence[Span]) -> array[int]:
        """The UIDs at those places."""
        if len(spans) == 1:
            return self.uids[spans[0][0] : spans[0][1]]
        chosen = array("I")
        for start, stop in spans:
            chosen.extend(self.uids[start:stop])
        return chosen

    def those_here(self, uids: Sequence[Uid]) -> Sequence[Uid]:
        """Those of ascending `uids` that have a place."""
        return uids if self._stretch(uids) else [uid for uid in uids if self.place(uid) >= 0]

    def _stretch(self, uids: Sequence[int]) -> Span | None:
        """Where ascending `uids` stand, if they stand one behind the other."""
        if not uids:
            return None
        start = bisect_left(self.uids, uids[0])
        stop = start + len(uids)
        return (start, stop) if self.uids[start:stop] == array("I", uids) else None

    def ranges(self, spans: Sequence[Span]) -> list[tuple[int, int]]:
        """Closed ranges of UIDs that hold exactly the messages at those places."""
        uids = self.uids
        return [(uids[start], uids[stop - 1]) for start, stop in spans]

    def append(self, uids: Sequence[int]) -> None:
        """New messages; UIDs ascend past the last."""
        self.uids.extend(uids)

    def remove(self, uids: Iterable[int]) -> list[int]:
        """Take messages out; their sequence numbers from the highest to the lowest, so that each one
        still counts when it is told (RFC 3501 7.4.1)."""
        ordered = sorted(set(uids))
        if stretch := self._stretch(ordered):
            start, stop = stretch
            self.uids = self.uids[:start] + self.uids[stop:]
            return list(range(stop, start, -1))
        places = [place for place in map(self.place, ordered) if place >= 0]
        if not places:
            return []
        kept = array("I")
        start = 0
        for place in places:
            kept.extend(self.uids[start:place])
            start = place + 1
        kept.extend(self.uids[start:])
        self.uids = kept
        return [place + 1 for place in reversed(places)]


class Batch(NamedTuple):
    """Some hundred places at most, for one read of the store."""

    view: View
    spans: list[Span]
    size: int

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The same as closed ranges of UIDs."""
        return self.view.ranges(self.spans)

    def numbers(self) -> Iterator[int]:
        """Sequence numbers, ascending."""
        return chain.from_iterable(range(start + 1, stop + 1) for start, stop in self.spans)

    def uids(self) -> array[int]:
        return self.view.select(self.spans)

    def number_each(self, uids: Sequence[int]) -> Sequence[int]:
        """The sequence numbers of `uids`, which ascend and all stand in this batch."""
        if len(uids) == self.size:
            return list(self.numbers())
        known = dict(zip(self.uids(), self.numbers(), strict=True))
        return [known[uid] for uid in uids]


def batches(view: View, spans: Sequence[Span], size: int) -> Iterator[Batch]:
    """Cut `spans` into batches of `size` messages."""
    held: list[Span] = []
    room = size
    for start, stop in spans:
        while stop - start >= room:
            held.append((start, start + room))
            yield Batch(view, held, size)
            start += room
            held, room = [], size
        if start < stop:
            held.append((start, stop))
            room -= stop - start
    if held:
        yield Batch(view, held, size - room)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Without empty ones, neighbours as one."""
    joined: list[Span] = []
    for start, stop in spans:
        if start >= stop:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
