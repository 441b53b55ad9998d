"""The maildrop of a device: what INBOX held at login, and what rests that this device has not deleted yet.

A snapshot, not a lock: other sessions go on, and what they take away for good is answered as gone. Deleting
is a mark in this object until QUIT; retrieving changes no flags, since a program that fetches is nobody who
reads.

A message is known by the UID it has, or had, in INBOX. So its number in the order of arrival, its unique-id,
and what DELE means stay the same whether it lies there or rests, also where another device makes it rest
while this session lasts.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator

from postier.accounts.mailboxes import INBOX, find
from postier.accounts.pop3_rules import Pop3Usual, applied
from postier.accounts.resting import remove_over_pop3
from postier.blobs.api import BlobRef
from postier.store.api import Account, AccountId, Mailbox, Store, Tx, Uid

__all__ = ["Maildrop", "NoSuchMessage", "Removed"]

PIECE = 20_000
"""Messages read before the other sessions have their turn: some 10 ms."""


class NoSuchMessage(Exception):
    """No message of this number, or it is marked as deleted."""


class Removed(NoSuchMessage):
    """Another session has expunged it."""


class Maildrop:
    """Message-numbers of one session and what they stand for. `device`: the number of the app password that
    was used, 0 for the account's own. `rules`: what holds for the account, `usual` for any."""

    __slots__ = ("_deleted", "_device", "_inbox", "_sizes", "_store", "_uids", "_usual", "octets", "rules")

    def __init__(
        self,
        store: Store,
        inbox: Mailbox,
        device: int,
        usual: Pop3Usual,
        rules: Pop3Usual,
        uids: array[int],
        sizes: array[int],
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._device = device
        self._usual = usual
        self.rules = rules
        self._uids = uids
        self._sizes = sizes
        self._deleted: set[int] = set()
        self.octets = sum(sizes)

    @classmethod
    async def open(cls, store: Store, account: Account, device: int, usual: Pop3Usual) -> Maildrop:
        """Raises StoreError."""
        inbox = await find(store.reader, account.account_id, INBOX)
        rules = applied(await store.reader.pop3_rules(account.account_id), usual)
        uids, sizes = array("I"), array("Q")
        if rules.rest:  # first what rests: what comes there meanwhile is in one of both, not in both
            uids, sizes = await store.reader.resting_for(inbox.account_id, inbox.uidvalidity, device)
        in_inbox = await _sizes_of(store, inbox)
        if uids:
            uids, sizes = _merged(uids + in_inbox[0], sizes + in_inbox[1])
        else:
            uids, sizes = in_inbox
        return cls(store, inbox, device, usual, rules, uids, sizes)

    @property
    def count(self) -> int:
        """Messages not marked as deleted."""
        return len(self._uids) - len(self._deleted)

    @property
    def account_id(self) -> AccountId:
        return self._inbox.account_id

    @property
    def inbox(self) -> Mailbox:
        return self._inbox

    @property
    def span(self) -> tuple[int, int]:
        """The lowest and the highest UID; (0, 0) where there is no message."""
        return (self._uids[0], self._uids[-1]) if self._uids else (0, 0)

    @property
    def marked(self) -> tuple[int, int]:
        """How many messages are marked as deleted, and their octets."""
        return len(self._deleted), sum(self._sizes[index] for index in self._deleted)

    def uid(self, number: int) -> int:
        """That it has, or had, in INBOX. Raises NoSuchMessage."""
        return self._uids[self._index(number)]

    def size(self, number: int) -> int:
        """Octets of the message, without the dots. Raises NoSuchMessage."""
        return self._sizes[self._index(number)]

    def unique_id(self, number: int) -> str:
        """UIDL (RFC 1939 7): the same in every session, for ever. Raises NoSuchMessage."""
        return f"{self._inbox.uidvalidity:08x}{self._uids[self._index(number)]:08x}"

    def sizes(self) -> Iterator[bytes]:
        """The lines of LIST."""
        for index, size in enumerate(self._sizes):
            if index not in self._deleted:
                yield b"%d %d" % (index + 1, size)

    def unique_ids(self) -> Iterator[bytes]:
        """The lines of UIDL."""
        validity = self._inbox.uidvalidity
        for index, uid in enumerate(self._uids):
            if index not in self._deleted:
                yield b"%d %08x%08x" % (index + 1, validity, uid)

    async def blob_ref(self, number: int) -> BlobRef:
        """Where the message's bytes are. Raises NoSuchMessage, Removed, StoreError."""
        uid = Uid(self._uids[self._index(number)])
        account_id, reader = self._inbox.account_id, self._store.reader
        refs = await reader.blob_refs(account_id, self._inbox.mailbox_id, (uid,))
        if uid not in refs:
            place = await reader.resting(account_id, self._inbox.uidvalidity, uid)
            if place is None:
                raise Removed(f"message {number}")
            uid = place.uid
            refs = await reader.blob_refs(account_id, place.mailbox_id, (uid,))
        if uid not in refs:
            raise Removed(f"message {number}")
        return refs[uid]

    def delete(self, number: int) -> None:
        """Mark. Raises NoSuchMessage."""
        index = self._index(number)
        self._deleted.add(index)
        self.octets -= self._sizes[index]

    def reset(self) -> None:
        """Unmark all."""
        self._deleted.clear()
        self.octets = sum(self._sizes)

    async def update(self, now: float) -> None:
        """The UPDATE state: remove what is marked, all or nothing. Raises StoreError."""
        if not self._deleted:
            return
        uids = [Uid(self._uids[index]) for index in sorted(self._deleted)]

        async def work(tx: Tx) -> None:
            await remove_over_pop3(tx, self._inbox, uids, self._device, now, self._usual)

        await self._store.transact(work)

    def _index(self, number: int) -> int:
        index = number - 1
        if not 0 <= index < len(self._uids) or index in self._deleted:
            raise NoSuchMessage(f"message {number}")
        return index


async def _sizes_of(store: Store, inbox: Mailbox) -> tuple[array[int], array[int]]:
    """UIDs, ascending, and sizes."""
    uids, sizes = await store.reader.size_columns(inbox.account_id, inbox.mailbox_id, 1, PIECE)
    read = len(uids)
    while read == PIECE:
        await asyncio.sleep(0)
        more = await store.reader.size_columns(inbox.account_id, inbox.mailbox_id, uids[-1] + 1, PIECE)
        uids += more.uids
        sizes += more.sizes
        read = len(more.uids)
    return uids, sizes


def _merged(uids: array[int], sizes: array[int]) -> tuple[array[int], array[int]]:
    """The same ordered by UID."""
    order = sorted(range(len(uids)), key=uids.__getitem__)
    return array("I", map(uids.__getitem__, order)), array("Q", map(sizes.__getitem__, order))
