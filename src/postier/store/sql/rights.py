"""Who may do what with a mailbox: the entries of its access control list."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from postier.store.api import ANYONE, AccountId, Grant, MailboxEventKind, MailboxId, SharedMailbox
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row
from postier.store.sql.directory import ACCOUNT_COLUMNS, as_account
from postier.store.sql.mailboxes import MAILBOX_COLUMNS, as_mailbox

__all__ = ["RightsReader", "RightsTx"]

_GRANT_WIDTH = 4
_IN_ACCOUNT = (
    "SELECT r.grantee, COALESCE(g.name, ''), r.letters, r.negative, r.mailbox_id FROM rights r"
    " LEFT JOIN accounts g ON g.account_id = r.grantee WHERE r.account_id = ?"
)
_GRANTS = _IN_ACCOUNT + " AND r.mailbox_id = ?"
_SHARED = " ".join(
    (
        "SELECT r.grantee, COALESCE(g.name, ''), r.letters, r.negative,",
        ", ".join((ACCOUNT_COLUMNS, MAILBOX_COLUMNS)),
        "FROM rights r LEFT JOIN accounts g ON g.account_id = r.grantee"
        " JOIN accounts a ON a.account_id = r.account_id"
        " JOIN mailboxes m ON m.account_id = r.account_id AND m.mailbox_id = r.mailbox_id"
        " WHERE r.grantee IN (?, ?) AND r.account_id <> ?",
    )
)
_ACCOUNT_WIDTH = ACCOUNT_COLUMNS.count(",") + 1
_SET = (
    "INSERT INTO rights (account_id, mailbox_id, grantee, negative, letters) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id, mailbox_id, grantee, negative) DO UPDATE SET letters = excluded.letters"
)
_REMOVE = "DELETE FROM rights WHERE account_id = ? AND mailbox_id = ? AND grantee = ? AND negative = ?"


def _grant(row: Row) -> Grant:
    grantee, name, letters, negative = row[:_GRANT_WIDTH]
    return Grant(AccountId(grantee), name, letters, bool(negative))


class RightsReader(Reads):
    async def grants(self, account_id: AccountId, mailbox_id: MailboxId) -> list[Grant]:
        found = [_grant(row) for row in await self._connection.rows(_GRANTS, (account_id, mailbox_id))]
        return sorted(found, key=itemgetter(1, 3))

    async def grants_in(self, account_id: AccountId) -> dict[MailboxId, list[Grant]]:
        found: dict[MailboxId, list[Grant]] = {}
        for row in await self._connection.rows(_IN_ACCOUNT, (account_id,)):
            found.setdefault(MailboxId(row[_GRANT_WIDTH]), []).append(_grant(row))
        for grants in found.values():
            grants.sort(key=itemgetter(1, 3))
        return found

    async def shared_with(self, grantee: AccountId) -> list[SharedMailbox]:
        await self._settle()
        rows = await self._connection.rows(_SHARED, (grantee, ANYONE, grantee))
        end = _GRANT_WIDTH + _ACCOUNT_WIDTH
        found = [(as_account(r[_GRANT_WIDTH:end]), as_mailbox(r[end:]), _grant(r)) for r in rows]
        found.sort(key=lambda entry: (entry[0].name, entry[1].name, entry[2].name, entry[2].negative))
        return [
            SharedMailbox(owner, mailbox, tuple(grant for *_, grant in entries))
            for (owner, mailbox), entries in groupby(found, key=itemgetter(0, 1))
        ]


class RightsTx(RightsReader, Writes):
    async def set_grant(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        grantee: AccountId,
        letters: str | None,
        *,
        negative: bool = False,
    ) -> None:
        await self._ledger.mailbox(account_id, mailbox_id)
        key = (account_id, mailbox_id, grantee, int(negative))
        if letters is None:
            await self._connection.execute(_REMOVE, key)
        else:
            await self._connection.execute(_SET, (*key, letters))
        await self._ledger.note(account_id, MailboxEventKind.RIGHTS, "", mailbox_id)
