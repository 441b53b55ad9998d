"""The UIDs of large mailboxes, kept in memory: who comes back to one reads what changed, not all of them.

Four bytes a message, of the mailboxes that were asked for last. An entry says up to which modseq it is right;
the feed of changes brings it up to date, or where too much happened it is read anew.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from postier.store.api import AccountId, Changes, MailboxId, ModSeq, NoSuchMailbox
from postier.store.sql.connection import Connection
from postier.store.sql.messages import MessageReader

__all__ = ["UidReader"]

LARGE = 1000
"""Messages from which a mailbox is worth an entry."""
ROOM = 2_000_000
"""UIDs kept in all: 8 MB."""
FEW = 500
"""Transactions of the account after which reading anew is cheaper than catching up."""

_Key = tuple[AccountId, MailboxId]


class _Entry(NamedTuple):
    modseq: ModSeq
    uids: array[int]


class UidReader(MessageReader):
    """A MessageReader over what is committed that remembers UIDs."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        super().__init__(connection, now)
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._kept = 0

    async def uids(self, account_id: AccountId, mailbox_id: MailboxId) -> array[int]:
        try:
            entry = await self._current(account_id, mailbox_id)
        except NoSuchMailbox:
            return array("I")
        self._keep((account_id, mailbox_id), entry)
        return entry.uids[:]

    async def _current(self, account_id: AccountId, mailbox_id: MailboxId) -> _Entry:
        known = self._entries.get((account_id, mailbox_id))
        async with self._connection.snapshot():
            modseq = (await self.mailbox(account_id, mailbox_id)).modseq
            if known is not None and known.modseq == modseq:
                return known
            if known is not None and known.modseq < modseq <= known.modseq + FEW:
                changes = await self.changes_since(account_id, mailbox_id, known.modseq)
                if changes.complete:
                    return _Entry(modseq, _caught_up(known.uids, changes))
            return _Entry(modseq, await super().uids(account_id, mailbox_id))

    def _keep(self, key: _Key, entry: _Entry) -> None:
        before = self._entries.pop(key, None)
        self._kept -= 0 if before is None else len(before.uids)
        if len(entry.uids) < LARGE:
            return
        self._entries[key] = entry
        self._kept += len(entry.uids)
        while self._kept > ROOM and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._kept -= len(oldest.uids)


def _caught_up(uids: array[int], changes: Changes) -> array[int]:
    """The UIDs without those that vanished, and with those that came, which are higher than all before."""
    highest = uids[-1] if uids else 0
    gone = set(changes.vanished)
    if gone:
        first = bisect_right(uids, min(gone) - 1)
        uids = uids[:first] + array("I", [uid for uid in uids[first:] if uid not in gone])
    return uids + array("I", [message.uid for message in changes.changed if message.uid > highest])
