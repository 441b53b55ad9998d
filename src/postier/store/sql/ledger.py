"""What one transaction knows about the accounts, mailboxes and blobs it touches.

Counters, UIDNEXT and modseq change with every message, their rows only once: the ledger holds the lines, the
statements change them in memory, and `settle` writes what changed. A transaction has ONE modseq per
account, one more than the last; all its changes in that account share it (RFC 7162 3.1).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from postier.blobs.api import BlobRef
from postier.store.api import (
    WHOLE_ACCOUNT,
    AccountId,
    BlobId,
    Flag,
    MailboxEvent,
    MailboxEventKind,
    MailboxId,
    ModSeq,
    NoSuchAccount,
    NoSuchMailbox,
)
from postier.store.sql.connection import Connection
from postier.store.sql.spans import runs

__all__ = ["AccountLine", "Ledger", "MailboxLine"]

_ACCOUNT_COLUMNS = (
    "a.quota, a.message_quota, a.mailbox_quota, a.used, a.messages, a.modseq, a.email_next, a.mailbox_next,"
    " a.validity"
)
_MAILBOX_COLUMNS = (
    "m.uidnext, m.modseq, m.selectable, m.keywords, m.messages, m.unseen, m.deleted, m.size, m.first_recent,"
    " m.tombstone_floor"
)
_KEY = "WHERE m.account_id = ? AND m.mailbox_id = ?"
_ACCOUNT = " ".join(("SELECT", _ACCOUNT_COLUMNS, "FROM accounts a WHERE a.account_id = ?"))
_MAILBOX = " ".join(("SELECT", _MAILBOX_COLUMNS, "FROM mailboxes m", _KEY))
_JOINED = "FROM mailboxes m JOIN accounts a ON a.account_id = m.account_id"
_BOTH = " ".join(("SELECT", _MAILBOX_COLUMNS, ",", _ACCOUNT_COLUMNS, _JOINED, _KEY))
_MAILBOX_WIDTH = _MAILBOX_COLUMNS.count(",") + 1
_SAVE_ACCOUNT = (
    "UPDATE accounts SET used = ?, messages = ?, modseq = ?, email_next = ?, mailbox_next = ?, validity = ?"
    " WHERE account_id = ?"
)
_SAVE_MAILBOX = (
    "UPDATE mailboxes SET uidnext = ?, modseq = ?, keywords = ?, messages = ?, unseen = ?, deleted = ?,"
    " size = ?, first_recent = ?, tombstone_floor = ? WHERE account_id = ? AND mailbox_id = ?"
)
_SAVE_BLOB = "INSERT INTO blobs (blob_id, pack, position, length, size, refs) VALUES (?, ?, ?, ?, ?, ?)"
_SAVE_REFS = "UPDATE blobs SET refs = refs + ? WHERE blob_id BETWEEN ? AND ?"


_SEEN, _DELETED = int(Flag.SEEN), int(Flag.DELETED)


@dataclass(slots=True)
class AccountLine:
    """The counters of one account; `touched` once this transaction took its modseq."""

    account_id: AccountId
    quota: int
    message_quota: int
    mailbox_quota: int
    used: int
    messages: int
    modseq: int
    email_next: int
    mailbox_next: int
    validity: int
    touched: bool = False
    dirty: bool = False

    def lacks(self, octets: int, messages: int) -> bool:
        """So much more would go past its quotas."""
        if self.quota and self.used + octets > self.quota:
            return True
        return bool(self.message_quota) and self.messages + messages > self.message_quota


@dataclass(slots=True)
class MailboxLine:
    """The counters of one mailbox."""

    account_id: AccountId
    mailbox_id: MailboxId
    uidnext: int
    modseq: int
    selectable: int
    keywords: str
    messages: int
    unseen: int
    deleted: int
    size: int
    first_recent: int
    tombstone_floor: int
    dirty: bool = False

    def count(self, messages: int, flags: int, size: int) -> None:
        """Add `messages` (negative: take away) that carry these flags, of `size` bytes together."""
        self.messages += messages
        self.size += size
        if not flags & _SEEN:
            self.unseen += messages
        if flags & _DELETED:
            self.deleted += messages
        self.dirty = True


@dataclass(slots=True)
class Ledger:
    """The lines of one transaction. `topics`: what else the bus shall hear of it. `events`: what happened to
    mailboxes as such."""

    connection: Connection
    accounts: dict[AccountId, AccountLine] = field(default_factory=dict)
    mailboxes: dict[tuple[AccountId, MailboxId], MailboxLine] = field(default_factory=dict)
    new_blobs: dict[BlobId, BlobRef] = field(default_factory=dict)
    refs: Counter[BlobId] = field(default_factory=Counter)
    topics: dict[int, int] = field(default_factory=dict)
    events: dict[AccountId, list[MailboxEvent]] = field(default_factory=dict)

    async def account(self, account_id: AccountId) -> AccountLine:
        line = self.accounts.get(account_id)
        if line is None:
            row = await self.connection.row(_ACCOUNT, (account_id,))
            if row is None:
                raise NoSuchAccount(str(account_id))
            line = self.accounts[account_id] = AccountLine(account_id, *row)
        return line

    async def mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> MailboxLine:
        """With the line of its account, which changes beside it."""
        key = (account_id, mailbox_id)
        line = self.mailboxes.get(key)
        if line is None:
            is_new = account_id not in self.accounts
            row = await self.connection.row(_BOTH if is_new else _MAILBOX, key)
            if row is None:
                raise NoSuchMailbox(f"{account_id}/{mailbox_id}")
            line = self.mailboxes[key] = MailboxLine(account_id, mailbox_id, *row[:_MAILBOX_WIDTH])
            if is_new:
                self.accounts[account_id] = AccountLine(account_id, *row[_MAILBOX_WIDTH:])
        return line

    async def modseq(self, account_id: AccountId, mailbox: MailboxLine | None = None) -> int:
        """This transaction's modseq in the account; a mailbox given has changed at it."""
        account = await self.account(account_id)
        if not account.touched:
            account.modseq += 1
            account.touched = account.dirty = True
            self.topics[account_id] = account.modseq
        if mailbox is not None:
            mailbox.modseq = account.modseq
            mailbox.dirty = True
        return account.modseq

    async def note(
        self,
        account_id: AccountId,
        kind: MailboxEventKind,
        name: str,
        mailbox_id: MailboxId = WHOLE_ACCOUNT,
        old_name: str = "",
    ) -> None:
        """Something happened to a mailbox as such, at this transaction's modseq."""
        modseq = ModSeq(await self.modseq(account_id))
        event = MailboxEvent(modseq, kind, mailbox_id, name, old_name)
        self.events.setdefault(account_id, []).append(event)

    def forget_mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> None:
        self.mailboxes.pop((account_id, mailbox_id), None)

    def forget_account(self, account_id: AccountId) -> None:
        self.accounts.pop(account_id, None)
        self.events.pop(account_id, None)
        for key in [key for key in self.mailboxes if key[0] == account_id]:
            del self.mailboxes[key]

    async def settle(self) -> None:
        """Write the lines that changed, and the blobs. A new blob that waits for the end of its transaction
        is written with those who need it, and once."""
        await self.settle_counters()
        if self.new_blobs or self.refs:
            await self._save_blobs()

    async def settle_counters(self) -> None:
        """Write the lines that changed."""
        for account in self.accounts.values():
            if account.dirty:
                await self._save_account(account)
        for mailbox in self.mailboxes.values():
            if mailbox.dirty:
                await self._save_mailbox(mailbox)

    async def _save_account(self, line: AccountLine) -> None:
        await self.connection.execute(
            _SAVE_ACCOUNT,
            (
                line.used,
                line.messages,
                line.modseq,
                line.email_next,
                line.mailbox_next,
                line.validity,
                line.account_id,
            ),
        )
        line.dirty = False

    async def _save_mailbox(self, line: MailboxLine) -> None:
        await self.connection.execute(
            _SAVE_MAILBOX,
            (
                line.uidnext,
                line.modseq,
                line.keywords,
                line.messages,
                line.unseen,
                line.deleted,
                line.size,
                line.first_recent,
                line.tombstone_floor,
                line.account_id,
                line.mailbox_id,
            ),
        )
        line.dirty = False

    async def _save_blobs(self) -> None:
        for blob_id, ref in self.new_blobs.items():
            await self.connection.execute(_SAVE_BLOB, (blob_id, *ref, self.refs.pop(blob_id, 0)))
        self.new_blobs.clear()
        if self.refs:
            await self.settle_refs()

    async def settle_refs(self) -> None:
        """Write how many need the blobs that are stored already."""
        changed: dict[int, list[BlobId]] = {}
        for blob_id, count in self.refs.items():
            if count and blob_id not in self.new_blobs:
                changed.setdefault(count, []).append(blob_id)
        for count, blob_ids in changed.items():
            ranges = [(count, *run) for run in runs(sorted(blob_ids))]
            await self.connection.executemany(_SAVE_REFS, ranges)
        self.refs = Counter({blob_id: self.refs[blob_id] for blob_id in self.new_blobs})
