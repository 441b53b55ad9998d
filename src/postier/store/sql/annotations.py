"""What is noted about mailboxes, accounts and the server."""

from __future__ import annotations

from collections.abc import Sequence

from postier.bus.api import SERVER_ANNOTATIONS_TOPIC
from postier.store.api import (
    ANYONE,
    SERVER,
    WHOLE_ACCOUNT,
    AccountId,
    Annotation,
    AnnotationChange,
    AnnotationTotals,
    MailboxId,
    ModSeq,
)
from postier.store.sql.base import Reads, Writes

__all__ = ["AnnotationReader", "AnnotationTx"]

_OF_MAILBOX = (
    "SELECT viewer, entry, value FROM annotations"
    " WHERE account_id = ? AND mailbox_id = ? AND viewer IN (?, ?) AND value IS NOT NULL"
)
_NAMED = (
    "SELECT a.account_id, a.mailbox_id, a.viewer, a.entry, a.value FROM annotations a"
    " WHERE a.viewer IN (?, ?) AND a.value IS NOT NULL"
    " AND (a.account_id = ? OR EXISTS (SELECT 1 FROM rights r"
    " WHERE r.account_id = a.account_id AND r.mailbox_id = a.mailbox_id AND r.grantee IN (?, ?)))"
    " AND a.entry IN ("
)
_TOTALS = "SELECT COUNT(*), COALESCE(SUM(LENGTH(value)), 0) FROM annotations WHERE value IS NOT NULL"
_CHANGES = "SELECT mailbox_id, viewer, entry, modseq FROM annotations WHERE account_id = ? AND modseq > ?"
_SET = (
    "INSERT INTO annotations (account_id, mailbox_id, viewer, entry, value, modseq) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id, mailbox_id, viewer, entry)"
    " DO UPDATE SET value = excluded.value, modseq = excluded.modseq"
)
_COPY = (
    "INSERT INTO annotations (account_id, mailbox_id, viewer, entry, value, modseq)"
    " SELECT account_id, ?, viewer, entry, value, ? FROM annotations"
    " WHERE account_id = ? AND mailbox_id = ? AND viewer IN (?, account_id) AND value IS NOT NULL"
    " ON CONFLICT DO NOTHING"
)
_REMOVED = (
    "SELECT entry FROM annotations WHERE account_id = ? AND mailbox_id = ? AND viewer = ? AND value IS NULL"
    " ORDER BY modseq DESC"
)
_FORGET = "DELETE FROM annotations WHERE account_id = ? AND mailbox_id = ? AND viewer = ? AND entry = ?"
REMOVED_KEPT = 100
"""Removed entries of a mailbox and viewer that are remembered, so that sessions are told of them."""


class AnnotationReader(Reads):
    async def annotations(
        self, account_id: AccountId, mailbox_id: MailboxId, viewer: AccountId
    ) -> list[Annotation]:
        rows = await self._connection.rows(_OF_MAILBOX, (account_id, mailbox_id, ANYONE, viewer))
        return sorted(Annotation(AccountId(row[0]), row[1], bytes(row[2])) for row in rows)

    async def annotations_named(
        self, viewer: AccountId, entries: Sequence[str]
    ) -> dict[tuple[AccountId, MailboxId], list[Annotation]]:
        sql = _NAMED + ", ".join("?" for _ in entries) + ")"
        rows = await self._connection.rows(sql, (ANYONE, viewer, viewer, ANYONE, viewer, *entries))
        found: dict[tuple[AccountId, MailboxId], list[Annotation]] = {}
        for account_id, mailbox_id, owner, entry, value in rows:
            key = AccountId(account_id), MailboxId(mailbox_id)
            found.setdefault(key, []).append(Annotation(AccountId(owner), entry, bytes(value)))
        return found

    async def annotation_totals(self, account_id: AccountId, viewer: AccountId) -> AnnotationTotals:
        if viewer == ANYONE:
            row = await self._connection.row(_TOTALS + " AND account_id = ? AND viewer = 0", (account_id,))
        else:
            row = await self._connection.row(_TOTALS + " AND viewer = ?", (viewer,))
        assert row is not None
        return AnnotationTotals(*row)

    async def annotation_changes(
        self, account_id: AccountId, modseq: ModSeq, viewer: AccountId
    ) -> list[AnnotationChange]:
        rows = await self._connection.rows(
            _CHANGES + " AND viewer IN (?, ?) ORDER BY modseq, entry", (account_id, modseq, ANYONE, viewer)
        )
        return [
            AnnotationChange(MailboxId(mailbox_id), AccountId(owner), entry, ModSeq(number))
            for mailbox_id, owner, entry, number in rows
        ]


class AnnotationTx(AnnotationReader, Writes):
    async def set_annotation(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        viewer: AccountId,
        entry: str,
        value: bytes | None,
    ) -> None:
        where = (account_id, mailbox_id, viewer)
        modseq = await self._annotation_modseq(account_id)
        if mailbox_id != WHOLE_ACCOUNT:  # RFC 7162 3.2: the mailbox's own modseq moves as well
            await self._ledger.modseq(account_id, await self._ledger.mailbox(account_id, mailbox_id))
        await self._connection.execute(_SET, (*where, entry, value, modseq))
        if value is None:
            removed = await self._connection.rows(_REMOVED, where)
            old = [(*where, name) for (name,) in removed[REMOVED_KEPT:]]
            await self._connection.executemany(_FORGET, old)

    async def copy_annotations(
        self, account_id: AccountId, mailbox_id: MailboxId, to_mailbox: MailboxId
    ) -> None:
        modseq = await self._annotation_modseq(account_id)
        await self._connection.execute(_COPY, (to_mailbox, modseq, account_id, mailbox_id, ANYONE))

    async def _annotation_modseq(self, account_id: AccountId) -> int:
        if account_id != SERVER:
            return await self._ledger.modseq(account_id)
        if SERVER_ANNOTATIONS_TOPIC not in self._ledger.topics:
            number = await self._connection.next_id("annotations")
            self._ledger.topics[SERVER_ANNOTATIONS_TOPIC] = number
        return self._ledger.topics[SERVER_ANNOTATIONS_TOPIC]
