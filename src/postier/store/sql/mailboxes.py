"""Mailboxes, their counters, and subscriptions."""

from __future__ import annotations

from postier.store.api import (
    AccountId,
    AlreadyExists,
    Mailbox,
    MailboxEventKind,
    MailboxId,
    ModSeq,
    NoSuchMailbox,
    OverQuota,
    Uid,
)
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row
from postier.store.sql.emptying import empty_mailbox

__all__ = ["MAILBOX_COLUMNS", "MailboxReader", "MailboxTx", "as_mailbox"]

MAILBOX_COLUMNS = (
    "m.account_id, m.mailbox_id, m.name, m.uidvalidity, m.uidnext, m.modseq, m.special_use,"
    " EXISTS (SELECT 1 FROM subscriptions s WHERE s.account_id = m.account_id AND s.name = m.name),"
    " m.selectable, m.keywords, m.messages, m.unseen, m.deleted, m.size, m.first_recent"
)
_MAILBOX = " ".join(("SELECT", MAILBOX_COLUMNS, "FROM mailboxes m WHERE m.account_id = ?"))
_BEGINNING = _MAILBOX + " AND m.name >= ? AND m.name <= ?"
_LAST = "\U0010ffff" * 250
"""Behind every name of up to so many characters."""
_OF_MAILBOX = (
    "DELETE FROM pop3_deleted WHERE account_id = ? AND EXISTS (SELECT 1 FROM pop3_resting r"
    " WHERE r.account_id = pop3_deleted.account_id AND r.validity = pop3_deleted.validity"
    " AND r.origin = pop3_deleted.origin AND r.mailbox_id = ?)",
    "DELETE FROM pop3_resting WHERE account_id = ? AND mailbox_id = ?",
    "DELETE FROM tombstones WHERE account_id = ? AND mailbox_id = ?",
    "DELETE FROM rights WHERE account_id = ? AND mailbox_id = ?",
    "DELETE FROM annotations WHERE account_id = ? AND mailbox_id = ?",
    "DELETE FROM mailboxes WHERE account_id = ? AND mailbox_id = ?",
)


def as_mailbox(row: Row) -> Mailbox:
    account, number, name, uidvalidity, uidnext, modseq, use, subscribed, selectable, words, *counts = row
    messages, unseen, deleted, size, first_recent = counts
    return Mailbox(
        AccountId(account),
        MailboxId(number),
        name,
        uidvalidity,
        Uid(uidnext),
        ModSeq(modseq),
        use,
        bool(subscribed),
        bool(selectable),
        tuple(words.split()),
        messages,
        unseen,
        deleted,
        size,
        Uid(first_recent),
    )


def _inside(name: str) -> tuple[str, str]:
    """Between these two, in code point order, is every name that begins with `name` and "/"."""
    return name + "/", name + chr(ord("/") + 1)


class MailboxReader(Reads):
    async def mailboxes(self, account_id: AccountId, prefix: str = "") -> list[Mailbox]:
        await self._settle_counters()
        if prefix:
            rows = await self._connection.rows(_BEGINNING, (account_id, prefix, prefix + _LAST))
        else:
            rows = await self._connection.rows(_MAILBOX, (account_id,))
        found = map(as_mailbox, rows)
        return sorted(found, key=lambda mailbox: mailbox.name)

    async def mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> Mailbox:
        await self._settle_counters()
        row = await self._connection.row(_MAILBOX + " AND m.mailbox_id = ?", (account_id, mailbox_id))
        if row is None:
            raise NoSuchMailbox(f"{account_id}/{mailbox_id}")
        return as_mailbox(row)

    async def mailbox_named(self, account_id: AccountId, name: str) -> Mailbox | None:
        await self._settle_counters()
        row = await self._connection.row(_MAILBOX + " AND m.name = ?", (account_id, name))
        return None if row is None else as_mailbox(row)

    async def special_mailboxes(self, account_id: AccountId) -> list[Mailbox]:
        await self._settle_counters()
        rows = await self._connection.rows(_MAILBOX + " AND m.special_use <> ''", (account_id,))
        return sorted(map(as_mailbox, rows), key=lambda mailbox: mailbox.name)

    async def mailbox_with_use(self, account_id: AccountId, special_use: str) -> Mailbox | None:
        for mailbox in await self.special_mailboxes(account_id):
            if special_use in mailbox.special_use.split():
                return mailbox
        return None

    async def mailboxes_inside(self, account_id: AccountId, name: str) -> list[Mailbox]:
        await self._settle_counters()
        rows = await self._connection.rows(
            _MAILBOX + " AND m.name > ? AND m.name < ?", (account_id, *_inside(name))
        )
        return sorted(map(as_mailbox, rows), key=lambda mailbox: mailbox.name)

    async def has_mailboxes_inside(self, account_id: AccountId, name: str) -> bool:
        found = "SELECT 1 FROM mailboxes WHERE account_id = ? AND name > ? AND name < ? LIMIT 1"
        return await self._connection.row(found, (account_id, *_inside(name))) is not None

    async def mailbox_count(self, account_id: AccountId) -> int:
        rows = await self._connection.rows(
            "SELECT COUNT(*) FROM mailboxes WHERE account_id = ?", (account_id,)
        )
        return int(rows[0][0])

    async def subscriptions(self, account_id: AccountId) -> list[str]:
        rows = await self._connection.rows(
            "SELECT name FROM subscriptions WHERE account_id = ?", (account_id,)
        )
        return sorted(name for (name,) in rows)


class MailboxTx(MailboxReader, Writes):
    async def create_mailbox(
        self,
        account_id: AccountId,
        name: str,
        *,
        special_use: str = "",
        selectable: bool = True,
        limited: bool = True,
    ) -> Mailbox:
        await self._require_free(account_id, name)
        account = await self._ledger.account(account_id)
        if (
            limited
            and account.mailbox_quota
            and await self.mailbox_count(account_id) >= account.mailbox_quota
        ):
            raise OverQuota(f"account {account_id}: all of {account.mailbox_quota} mailboxes")
        modseq = await self._ledger.modseq(account_id)
        mailbox_id = MailboxId(account.mailbox_next)
        account.mailbox_next += 1
        account.validity = max(account.validity + 1, self._now)
        account.dirty = True
        await self._connection.execute(
            "INSERT INTO mailboxes (account_id, mailbox_id, name, uidvalidity, uidnext, modseq, special_use,"
            " selectable, keywords, messages, unseen, deleted, size, first_recent, tombstone_floor)"
            " VALUES (?, ?, ?, ?, 1, ?, ?, ?, '', 0, 0, 0, 0, 1, 0)",
            (account_id, mailbox_id, name, account.validity, modseq, special_use, int(selectable)),
        )
        await self._ledger.note(account_id, MailboxEventKind.CREATED, name, mailbox_id)
        return await self.mailbox(account_id, mailbox_id)

    async def _require_free(self, account_id: AccountId, name: str) -> None:
        taken = "SELECT 1 FROM mailboxes WHERE account_id = ? AND name = ?"
        if await self._connection.row(taken, (account_id, name)) is not None:
            raise AlreadyExists(name)

    async def rename_mailbox(self, account_id: AccountId, mailbox_id: MailboxId, name: str) -> None:
        old_name = await self._name(account_id, mailbox_id)
        await self._require_free(account_id, name)
        await self._connection.execute(
            "UPDATE mailboxes SET name = ? WHERE account_id = ? AND mailbox_id = ?",
            (name, account_id, mailbox_id),
        )
        await self._ledger.note(account_id, MailboxEventKind.RENAMED, name, mailbox_id, old_name)

    async def _name(self, account_id: AccountId, mailbox_id: MailboxId) -> str:
        """Raises NoSuchMailbox."""
        known = "SELECT name FROM mailboxes WHERE account_id = ? AND mailbox_id = ?"
        row = await self._connection.row(known, (account_id, mailbox_id))
        if row is None:
            raise NoSuchMailbox(f"{account_id}/{mailbox_id}")
        return str(row[0])

    async def update_mailbox(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        *,
        selectable: bool | None = None,
        special_use: str | None = None,
    ) -> None:
        await self._settle_counters()
        await self._ledger.mailbox(account_id, mailbox_id)
        await self._connection.execute(
            "UPDATE mailboxes SET selectable = COALESCE(?, selectable),"
            " special_use = COALESCE(?, special_use) WHERE account_id = ? AND mailbox_id = ?",
            (None if selectable is None else int(selectable), special_use, account_id, mailbox_id),
        )
        self._ledger.forget_mailbox(account_id, mailbox_id)
        await self._ledger.modseq(account_id)

    async def delete_mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> None:
        mailbox = await self._ledger.mailbox(account_id, mailbox_id)
        account = await self._ledger.account(account_id)
        name = await self._name(account_id, mailbox_id)
        await self._ledger.note(account_id, MailboxEventKind.REMOVED, name, mailbox_id)
        account.messages -= mailbox.messages
        account.used -= mailbox.size
        account.dirty = True
        await empty_mailbox(self._connection, self._ledger, account_id, mailbox_id)
        for statement in _OF_MAILBOX:
            await self._connection.execute(statement, (account_id, mailbox_id))
        self._ledger.forget_mailbox(account_id, mailbox_id)

    async def set_subscribed(self, account_id: AccountId, name: str, subscribed: bool) -> None:
        await self._connection.execute(
            "INSERT INTO subscriptions (account_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
            if subscribed
            else "DELETE FROM subscriptions WHERE account_id = ? AND name = ?",
            (account_id, name),
        )
        kind = MailboxEventKind.SUBSCRIBED if subscribed else MailboxEventKind.UNSUBSCRIBED
        await self._ledger.note(account_id, kind, name)

    async def claim_recent(self, account_id: AccountId, mailbox_id: MailboxId) -> Uid:
        mailbox = await self._ledger.mailbox(account_id, mailbox_id)
        first = mailbox.first_recent
        if first != mailbox.uidnext:
            mailbox.first_recent = mailbox.uidnext
            mailbox.dirty = True
        return Uid(first)
