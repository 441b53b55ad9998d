"""What a device's maildrop holds: read from the store, and kept for who comes again to find nothing changed.

Programs ask every few minutes, and many leave all mail on the server. A snapshot is right as long as the
account's modseq is the one that was read before it; sessions share it, for nobody changes one.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from typing import NamedTuple

from postier.store.api import Account, AccountId, Mailbox, ModSeq, Reader

__all__ = ["Snapshot", "Snapshots"]

PIECE = 20_000
"""Messages read before the other sessions have their turn: some 10 ms."""

AT_LEAST = 100
"""Messages that any snapshot counts for. An empty one is worth keeping: much may rest that is not in it."""

ROOM = 2_000_000
"""Messages of all snapshots that are kept: 24 MB."""


class Snapshot(NamedTuple):
    """Messages in the order of arrival: the UID each has or had in INBOX, and its size."""

    uids: array[int]
    sizes: array[int]
    octets: int


class _Key(NamedTuple):
    account_id: AccountId
    device: int
    rests: bool


class Snapshots:
    """Those of one process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, tuple[ModSeq, Snapshot]] = OrderedDict()
        self._messages = 0

    async def take(
        self, reader: Reader, account: Account, inbox: Mailbox, device: int, *, rests: bool
    ) -> Snapshot:
        """What INBOX holds and, where messages rest, what rests and `device` has not deleted. `account` was
        read just before. Raises StoreError."""
        key = _Key(account.account_id, device, rests)
        known = self._kept.get(key)
        if known is not None and known[0] == account.modseq:
            self._kept.move_to_end(key)
            return known[1]
        snapshot = await _read(reader, inbox, device, rests=rests)
        self._keep(key, account.modseq, snapshot)
        return snapshot

    def _keep(self, key: _Key, modseq: ModSeq, snapshot: Snapshot) -> None:
        before = self._kept.pop(key, None)
        self._messages -= 0 if before is None else _weight(before[1])
        self._kept[key] = modseq, snapshot
        self._messages += _weight(snapshot)
        while self._messages > ROOM and len(self._kept) > 1:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._messages -= _weight(oldest)


def _weight(snapshot: Snapshot) -> int:
    return AT_LEAST + len(snapshot.uids)


async def _read(reader: Reader, inbox: Mailbox, device: int, *, rests: bool) -> Snapshot:
    uids, sizes = array("I"), array("Q")
    if rests:  # first what rests: what comes there meanwhile is in one of both, not in both
        uids, sizes = await reader.resting_for(inbox.account_id, inbox.uidvalidity, device)
    in_inbox = await _sizes_of(reader, inbox)
    if uids:
        uids, sizes = _merged(uids + in_inbox[0], sizes + in_inbox[1])
    else:
        uids, sizes = in_inbox
    return Snapshot(uids, sizes, sum(sizes))


async def _sizes_of(reader: Reader, inbox: Mailbox) -> tuple[array[int], array[int]]:
    """UIDs, ascending, and sizes."""
    uids, sizes = await reader.size_columns(inbox.account_id, inbox.mailbox_id, 1, PIECE)
    read = len(uids)
    while read == PIECE:
        await asyncio.sleep(0)
        more = await reader.size_columns(inbox.account_id, inbox.mailbox_id, uids[-1] + 1, PIECE)
        uids += more[0]
        sizes += more[1]
        read = len(more[0])
    return uids, sizes


def _merged(uids: array[int], sizes: array[int]) -> tuple[array[int], array[int]]:
    """The same ordered by UID."""
    order = sorted(range(len(uids)), key=uids.__getitem__)
    return array("I", map(uids.__getitem__, order)), array("Q", map(sizes.__getitem__, order))
