"""Results of searches that are kept up to date (RFC 5267 4.3): what is told when messages go and come.

A result of SEARCH is in the order of the mailbox and needs no positions. In one of SORT what was in it keeps
its order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postier.imap.session.view import View
from postier.imap.wire.search_responses import Correlator
from postier.imap.wire.sort import SortCriterion
from postier.imap.wire.updates import Change, context_change
from postier.imap.wire.values import SearchKey
from postier.store.api import ModSeq

__all__ = ["LONGEST_SORTED", "MOST_CONTEXTS", "Kept", "Updates"]

MOST_CONTEXTS = 10
"""Of one selected mailbox; each holds four bytes for each message of its result."""
LONGEST_SORTED = 10_000
"""Messages in a sorted result when it begins to be kept."""


@dataclass(slots=True)
class Kept:
    """`found`: UIDs in the order of the answer. `criteria`: of SORT, none for the order of the mailbox."""

    correlator: Correlator
    by_uid: bool
    key: SearchKey
    criteria: tuple[SortCriterion, ...]
    found: array[int]

    def take_out(self, view: View, gone: set[int]) -> list[Change]:
        """REMOVEFROM for those of `gone` that were found. Positions from the highest down, so that each
        still counts when its turn comes."""
        places = [place for place, uid in enumerate(self.found) if uid in gone]
        if not places:
            return []
        before = self.found
        self.found = array("I", [uid for uid in before if uid not in gone])
        if not self.criteria:
            return self._unsorted(view, [before[place] for place in places])
        return self._changes(view, before, reversed(_runs(places)))

    def put_in(self, view: View, uids: Sequence[int], order: Sequence[int]) -> list[Change]:
        """ADDTO for `uids`, ascending. `order`: they and what was found, sorted; each new message stands
        behind as many old ones as it does there."""
        new = set(uids)
        places = [place for place, uid in enumerate(order) if uid in new]
        old = iter(self.found)
        self.found = array("I", [uid if uid in new else next(old) for uid in order])
        if not self.criteria:
            return self._unsorted(view, uids)
        return self._changes(view, self.found, _runs(places))

    def _unsorted(self, view: View, uids: Sequence[int]) -> list[Change]:
        return [(0, self._numbers(view, uids))] if uids else []

    def _changes(self, view: View, uids: Sequence[int], runs: Iterable[tuple[int, int]]) -> list[Change]:
        return [(first + 1, self._numbers(view, uids[first : last + 1])) for first, last in runs]

    def _numbers(self, view: View, uids: Sequence[int]) -> Sequence[int]:
        return uids if self.by_uid else view.numbers_of(uids)


class Updates:
    """The contexts of the selected mailbox, by tag. `modseq`: what happened up to there is in them;
    `waiting`: messages that changed before the client knew of them."""

    __slots__ = ("contexts", "modseq", "waiting")

    def __init__(self, modseq: ModSeq) -> None:
        self.contexts: dict[bytes, Kept] = {}
        self.modseq = modseq
        self.waiting: set[int] = set()

    def expunged(self, view: View, uids: Iterable[int]) -> bytes:
        """REMOVEFROM, to be told before these messages lose their numbers."""
        gone = set(uids)
        told = []
        for kept in self.contexts.values():
            removed = kept.take_out(view, gone)
            if removed:
                told.append(context_change(kept.correlator, by_uid=kept.by_uid, removed=removed))
        return b"".join(told)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending places as closed runs of neighbours."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs
