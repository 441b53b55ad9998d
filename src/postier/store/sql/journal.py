"""What happened in an account since some modseq: which mailboxes were made, renamed, removed, subscribed to
or opened to others, and in which messages changed.

The rows of the events are written with the transaction they are of, and kept for EVENT_SECONDS, of an account
EVENTS_KEPT at most.
"""

from __future__ import annotations

from collections.abc import Iterable

from postier.store.api import (
    AccountChanges,
    AccountId,
    MailboxEvent,
    MailboxEventKind,
    MailboxId,
    ModSeq,
    NoSuchAccount,
)
from postier.store.sql.base import Reads, Writes
from postier.store.sql.mailboxes import MAILBOX_COLUMNS, as_mailbox

__all__ = ["EVENTS_KEPT", "EVENT_SECONDS", "JournalReader", "JournalTx"]

EVENT_SECONDS = 60 * 24 * 3600
"""How long an event is remembered: as long as an expunged UID."""

EVENTS_KEPT = 10_000

_FORGOTTEN = "forgotten"
_MODSEQ = "SELECT modseq FROM accounts WHERE account_id = ?"
_CHANGED = " ".join(("SELECT", MAILBOX_COLUMNS, "FROM mailboxes m WHERE m.account_id = ? AND m.modseq > ?"))
_EVENTS = (
    "SELECT modseq, kind, mailbox_id, name, old_name FROM mailbox_events WHERE account_id = ? AND modseq > ?"
    " ORDER BY modseq, position"
)
_INSERT = (
    "INSERT INTO mailbox_events (account_id, modseq, position, kind, mailbox_id, name, old_name, at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_OLDEST = "SELECT at FROM mailbox_events WHERE account_id = ? ORDER BY modseq, position LIMIT 1"
_LAST_IN_EXCESS = (
    "SELECT modseq FROM mailbox_events WHERE account_id = ?"
    " ORDER BY modseq DESC, position DESC LIMIT 1 OFFSET ?"
)
_LAST_OLD = "SELECT modseq FROM mailbox_events WHERE account_id = ? AND at < ? ORDER BY modseq DESC LIMIT 1"
_FORGET = "DELETE FROM mailbox_events WHERE account_id = ? AND modseq <= ?"


class JournalReader(Reads):
    async def account_changes(self, account_id: AccountId, modseq: ModSeq) -> AccountChanges:
        await self._settle()
        key = (account_id, modseq)
        async with self._connection.snapshot():
            now = await self._connection.integers(_MODSEQ, (account_id,))
            if not now:
                raise NoSuchAccount(str(account_id))
            mailboxes = await self._connection.rows(_CHANGED, key)
            events = await self._connection.rows(_EVENTS, key)
        complete = all(row[1] != _FORGOTTEN for row in events)
        return AccountChanges(
            ModSeq(now[0]),
            sorted(map(as_mailbox, mailboxes), key=lambda mailbox: mailbox.name),
            [
                MailboxEvent(ModSeq(number), MailboxEventKind(kind), MailboxId(mailbox_id), name, old_name)
                for number, kind, mailbox_id, name, old_name in events
                if kind != _FORGOTTEN
            ],
            complete,
        )


class JournalTx(JournalReader, Writes):
    async def settle(self) -> None:
        await super().settle()
        for account_id, events in self._ledger.events.items():
            kept = list(_without_children(events))
            modseq = await self._ledger.modseq(account_id)
            await self._forget_old(account_id)
            rows = [
                (
                    account_id,
                    modseq,
                    position,
                    event.kind,
                    event.mailbox_id,
                    event.name,
                    event.old_name,
                    self._now,
                )
                for position, event in enumerate(kept)
            ]
            await self._connection.executemany(_INSERT, rows)
        self._ledger.events.clear()

    async def _forget_old(self, account_id: AccountId) -> None:
        """The last one that goes leaves a mark: who asks from before it hears that something is missing."""
        limit = self._now - EVENT_SECONDS
        going = await self._connection.integers(_LAST_IN_EXCESS, (account_id, EVENTS_KEPT))
        oldest = await self._connection.integers(_OLDEST, (account_id,))
        if oldest and oldest[0] < limit:
            going += await self._connection.integers(_LAST_OLD, (account_id, limit))
        if going:
            last = max(going)
            await self._connection.execute(_FORGET, (account_id, last))
            mark = (account_id, last, 0, _FORGOTTEN, 0, "", "", self._now)
            await self._connection.execute(_INSERT, mark)


def _without_children(events: Iterable[MailboxEvent]) -> Iterable[MailboxEvent]:
    """Of a tree that was renamed, its root alone (RFC 5465 5.4)."""
    roots: list[str] = []
    for event in events:
        if event.kind is MailboxEventKind.RENAMED:
            if any(event.old_name.startswith(root) for root in roots):
                continue
            roots.append(event.old_name + "/")
        yield event
