"""Where a session last told each of many mailboxes to be: forty octets for each of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import NamedTuple

from postier.store.api import Mailbox, MailboxId

__all__ = ["UNKNOWN", "Mark", "Marks"]


UNKNOWN = -1
"""As `unseen` of a mark: nobody counted."""


class Mark(NamedTuple):
    """The counters of a mailbox that a client was told of, or could have been."""

    uidnext: int = 1
    messages: int = 0
    unseen: int = 0
    modseq: int = 0

    @classmethod
    def of(cls, mailbox: Mailbox) -> Mark:
        return cls(mailbox.uidnext, mailbox.messages, mailbox.unseen, mailbox.modseq)

    def arrived(self, now: Mailbox) -> int:
        """How many messages have come since."""
        return now.uidnext - self.uidnext

    def gone(self, now: Mailbox) -> int:
        """How many have gone since."""
        return self.messages + self.arrived(now) - now.messages

    def has_other_unseen(self, now: Mailbox) -> bool:
        return self.unseen not in (UNKNOWN, now.unseen)


_WIDTH = len(Mark._fields)


class Marks:
    """A mark for each of some mailboxes of one account."""

    __slots__ = ("_ids", "_numbers")

    def __init__(self) -> None:
        self._ids = array("q")
        self._numbers = array("q")

    def __len__(self) -> int:
        return len(self._ids)

    def _place(self, mailbox_id: MailboxId) -> tuple[int, bool]:
        place = bisect_left(self._ids, mailbox_id)
        return place, place < len(self._ids) and self._ids[place] == mailbox_id

    def get(self, mailbox_id: MailboxId) -> Mark | None:
        place, is_there = self._place(mailbox_id)
        return Mark(*self._numbers[place * _WIDTH : (place + 1) * _WIDTH]) if is_there else None

    def set(self, mailbox_id: MailboxId, mark: Mark) -> None:
        place, is_there = self._place(mailbox_id)
        if not is_there:
            self._ids.insert(place, mailbox_id)
        start = place * _WIDTH
        self._numbers[start : start + _WIDTH * is_there] = array("q", mark)

    def drop(self, mailbox_id: MailboxId) -> None:
        place, is_there = self._place(mailbox_id)
        if is_there:
            del self._ids[place]
            del self._numbers[place * _WIDTH : (place + 1) * _WIDTH]
