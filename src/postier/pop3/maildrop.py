"""The maildrop of a device: what INBOX held at login, and what rests that this device has not deleted yet.

A snapshot, not a lock: other sessions go on, and what they take away for good is answered as gone. Deleting
is a mark in this object until QUIT; retrieving changes no flags, since a program that fetches is nobody who
reads.

A message is known by the UID it has, or had, in INBOX. So its number in the order of arrival, its unique-id,
and what DELE means stay the same whether it lies there or rests, also where another device makes it rest
while this session lasts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from postier.accounts.mailboxes import INBOX, find
from postier.accounts.pop3_rules import Pop3Usual, applied
from postier.accounts.resting import remove_over_pop3
from postier.blobs.api import BlobRef
from postier.pop3.snapshots import Snapshot, Snapshots
from postier.store.api import Account, AccountId, Mailbox, Store, Tx, Uid

__all__ = ["Maildrop", "NoSuchMessage", "Removed"]

REMOVED_AT_ONCE = 5000
"""Messages removed in one transaction: half a second."""

LINES_AT_ONCE = 2000
"""Of a listing: some 1 ms, and 50 KB."""


class NoSuchMessage(Exception):
    """No message of this number, or it is marked as deleted."""


class Removed(NoSuchMessage):
    """Another session has expunged it."""


class Maildrop:
    """Message-numbers of one session and what they stand for. `device`: the number of the app password that
    was used, 0 for the account's own. `rules`: what holds for the account, `usual` for any."""

    __slots__ = ("_deleted", "_device", "_inbox", "_snapshot", "_store", "_usual", "octets", "rules")

    def __init__(
        self,
        store: Store,
        inbox: Mailbox,
        device: int,
        usual: Pop3Usual,
        rules: Pop3Usual,
        snapshot: Snapshot,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._device = device
        self._usual = usual
        self.rules = rules
        self._snapshot = snapshot
        self._deleted: set[int] = set()
        self.octets = snapshot.octets

    @classmethod
    async def open(
        cls, store: Store, snapshots: Snapshots, account: Account, device: int, usual: Pop3Usual
    ) -> Maildrop:
        """`account` was read just before. Raises StoreError."""
        reader = store.reader
        inbox = await find(reader, account.account_id, INBOX)
        rules = applied(await reader.pop3_rules(account.account_id), usual)
        snapshot = await snapshots.take(reader, account, inbox, device, rests=rules.rest > 0)
        return cls(store, inbox, device, usual, rules, snapshot)

    @property
    def count(self) -> int:
        """Messages not marked as deleted."""
        return len(self._snapshot.uids) - len(self._deleted)

    @property
    def account_id(self) -> AccountId:
        return self._inbox.account_id

    @property
    def inbox(self) -> Mailbox:
        return self._inbox

    @property
    def span(self) -> tuple[int, int]:
        """The lowest and the highest UID; (0, 0) where there is no message."""
        uids = self._snapshot.uids
        return (uids[0], uids[-1]) if uids else (0, 0)

    @property
    def marked(self) -> tuple[int, int]:
        """How many messages are marked as deleted, and their octets."""
        return len(self._deleted), sum(self._snapshot.sizes[index] for index in self._deleted)

    def uid(self, number: int) -> int:
        """That it has, or had, in INBOX. Raises NoSuchMessage."""
        return self._snapshot.uids[self._index(number)]

    def size(self, number: int) -> int:
        """Octets of the message, without the dots. Raises NoSuchMessage."""
        return self._snapshot.sizes[self._index(number)]

    def unique_id(self, number: int) -> str:
        """UIDL (RFC 1939 7): the same in every session, for ever. Raises NoSuchMessage."""
        return f"{self._inbox.uidvalidity:08x}{self.uid(number):08x}"

    def sizes(self) -> Iterator[bytes]:
        """LIST, in pieces of some lines."""
        return self._lines("%d %d\r\n", self._snapshot.sizes)

    def unique_ids(self) -> Iterator[bytes]:
        """UIDL, in pieces of some lines."""
        return self._lines(f"%d {self._inbox.uidvalidity:08x}%08x\r\n", self._snapshot.uids)

    def _lines(self, line: str, column: array[int]) -> Iterator[bytes]:
        """Numbers and values of what is not marked; a piece is formatted at once."""
        for start in range(0, len(column), LINES_AT_ONCE):
            values = column[start : start + LINES_AT_ONCE]
            pairs: Iterable[tuple[int, int]] = zip(
                range(start + 1, start + 1 + len(values)), values, strict=True
            )
            if self._deleted:
                pairs = [pair for pair in pairs if pair[0] - 1 not in self._deleted]
            facts = tuple(chain.from_iterable(pairs))
            yield (line * (len(facts) // 2) % facts).encode()

    async def blob_ref(self, number: int) -> BlobRef:
        """Where the message's bytes are. Raises NoSuchMessage, Removed, StoreError."""
        uid = Uid(self.uid(number))
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
        self.octets -= self._snapshot.sizes[index]

    def reset(self) -> None:
        """Unmark all."""
        self._deleted.clear()
        self.octets = self._snapshot.octets

    async def update(self, now: float) -> None:
        """The UPDATE state: remove what is marked, all or nothing up to REMOVED_AT_ONCE messages. More than
        that would keep everybody else from writing: they go in steps, each all or nothing.

        Raises StoreError.
        """
        uids = [Uid(self._snapshot.uids[index]) for index in sorted(self._deleted)]
        for start in range(0, len(uids), REMOVED_AT_ONCE):
            some = uids[start : start + REMOVED_AT_ONCE]

            async def work(tx: Tx, some: Sequence[Uid] = some) -> None:
                await remove_over_pop3(tx, self._inbox, some, self._device, now, self._usual)

            await self._store.transact(work)

    def _index(self, number: int) -> int:
        index = number - 1
        if not 0 <= index < len(self._snapshot.uids) or index in self._deleted:
            raise NoSuchMessage(f"message {number}")
        return index
