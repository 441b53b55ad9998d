"""The maildrop: what INBOX held at login, numbered from 1 (RFC 1939 5).

A snapshot, not a lock: other sessions go on, and what they expunge is answered as gone. Deleting is a
mark in this object until QUIT; retrieving changes no flags, since a program that fetches is nobody
who reads.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from postier.accounts.mailboxes import INBOX, find
from postier.blobs.api import BlobRef
from postier.store.api import Account, AccountId, Mailbox, Store, Tx, Uid

__all__ = ["Maildrop", "NoSuchMessage"]

PAGE = 5000


class NoSuchMessage(Exception):
    """No message of this number, or it is marked as deleted, or another session has expunged it."""


class Maildrop:
    """Message-numbers of one session and what they stand for."""

    __slots__ = ("_deleted", "_mailbox", "_sizes", "_store", "_uids", "octets")

    def __init__(self, store: Store, mailbox: Mailbox, uids: array[int], sizes: array[int]) -> None:
        self._store = store
        self._mailbox = mailbox
        self._uids = uids
        self._sizes = sizes
        self._deleted: set[int] = set()
        self.octets = sum(sizes)

    @classmethod
    async def open(cls, store: Store, account: Account) -> Maildrop:
        """Raises StoreError."""
        mailbox = await find(store.reader, account.account_id, INBOX)
        uids, sizes = array("I"), array("Q")
        first = 1
        while True:
            rows = await store.reader.facts(
                account.account_id, mailbox.mailbox_id, ((first, 0xFFFF_FFFF),), ("size",), PAGE
            )
            for uid, size in rows:
                assert isinstance(uid, int)
                assert isinstance(size, int)
                uids.append(uid)
                sizes.append(size)
            if len(rows) < PAGE:
                return cls(store, mailbox, uids, sizes)
            first = uids[-1] + 1

    @property
    def count(self) -> int:
        """Messages not marked as deleted."""
        return len(self._uids) - len(self._deleted)

    @property
    def account_id(self) -> AccountId:
        return self._mailbox.account_id

    def size(self, number: int) -> int:
        """Octets of the message, without the dots. Raises NoSuchMessage."""
        return self._sizes[self._index(number)]

    def unique_id(self, number: int) -> str:
        """UIDL (RFC 1939 7): the same in every session, for ever. Raises NoSuchMessage."""
        return f"{self._mailbox.uidvalidity:08x}{self._uids[self._index(number)]:08x}"

    def sizes(self) -> Iterator[bytes]:
        """The lines of LIST."""
        for index, size in enumerate(self._sizes):
            if index not in self._deleted:
                yield b"%d %d" % (index + 1, size)

    def unique_ids(self) -> Iterator[bytes]:
        """The lines of UIDL."""
        validity = self._mailbox.uidvalidity
        for index, uid in enumerate(self._uids):
            if index not in self._deleted:
                yield b"%d %08x%08x" % (index + 1, validity, uid)

    async def blob_ref(self, number: int) -> BlobRef:
        """Where the message's bytes are. Raises NoSuchMessage, StoreError."""
        uid = Uid(self._uids[self._index(number)])
        refs = await self._store.reader.blob_refs(self._mailbox.account_id, self._mailbox.mailbox_id, (uid,))
        if uid not in refs:
            raise NoSuchMessage("another session has expunged it")
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

    async def update(self) -> None:
        """The UPDATE state: expunge what is marked, all or nothing. Raises StoreError."""
        if not self._deleted:
            return
        uids = [Uid(self._uids[index]) for index in sorted(self._deleted)]
        account_id, mailbox_id = self._mailbox.account_id, self._mailbox.mailbox_id

        async def work(tx: Tx) -> None:
            await tx.expunge(account_id, mailbox_id, uids)

        await self._store.transact(work)

    def _index(self, number: int) -> int:
        index = number - 1
        if not 0 <= index < len(self._uids) or index in self._deleted:
            raise NoSuchMessage(f"message {number}")
        return index
