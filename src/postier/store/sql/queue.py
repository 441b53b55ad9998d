"""Outgoing mail: entries, their recipients, and leases on them."""

from __future__ import annotations

from collections.abc import Sequence

from postier.blobs.api import BlobRef
from postier.bus.api import QUEUE_TOPIC
from postier.store.api import (
    AccountId,
    BlobId,
    Due,
    QueueEntry,
    QueueFigures,
    QueueRecipient,
    QueueState,
    RecipientState,
)
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row

__all__ = ["FINDING", "QueueReader", "QueueTx"]

_ENTRY = (
    "SELECT q.entry_id, q.trace_id, q.account_id, q.reverse_path, q.destination, q.blob_id, q.arrived,"
    " q.next_attempt, q.attempts, q.state, q.body, q.smtputf8, q.lease_until, q.delay_notified, q.envid,"
    " q.ret, q.reason, q.requiretls, q.release_at, q.language, q.faults,"
    " b.pack, b.position, b.length, b.size"
    " FROM queue q JOIN blobs b ON b.blob_id = q.blob_id"
)
_RECIPIENTS = (
    "SELECT position, forward_path, state, attempts, status, diagnostic, remote, last_attempt, notify, orcpt"
    " FROM queue_recipients WHERE entry_id = ? ORDER BY position"
)
_NEW_ENTRY = (
    "INSERT INTO queue (entry_id, trace_id, account_id, reverse_path, destination, blob_id, arrived,"
    " next_attempt, attempts, state, body, smtputf8, lease_owner, lease_until, delay_notified, envid,"
    " ret, reason, requiretls, release_at, language)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 'waiting', ?, ?, '', 0, 0, ?, ?, '', ?, ?, ?)"
)
_NEW_RECIPIENT = (
    "INSERT INTO queue_recipients (entry_id, position, forward_path, state, attempts, status, diagnostic,"
    " remote, last_attempt, notify, orcpt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DUE = (
    "SELECT next_attempt, entry_id, destination FROM queue"
    " WHERE state = 'waiting' AND next_attempt <= ? AND lease_until <= ?"
)
_DUE_ENTRIES = _DUE + " AND (next_attempt, entry_id) > (?, ?) ORDER BY next_attempt, entry_id LIMIT ?"
_DUE_FOR = _DUE + " AND destination = ? ORDER BY next_attempt LIMIT ?"
_NEXT_DUE = (
    "SELECT next_attempt FROM queue WHERE state = 'waiting' AND next_attempt > ? AND lease_until <= ?"
    " ORDER BY next_attempt LIMIT 1"
)
FINDING = {"due entries": _DUE_ENTRIES, "due for one": _DUE_FOR, "next due": _NEXT_DUE}
"""The statements that a worker asks all the time: none may look at the whole queue."""
_FIGURES = (
    "SELECT (SELECT count(*) FROM queue WHERE state = 'waiting'),"
    " (SELECT count(*) FROM queue WHERE state = 'held'),"
    " (SELECT count(*) FROM queue WHERE state = 'waiting' AND next_attempt <= ?),"
    " (SELECT min(next_attempt) FROM queue WHERE state = 'waiting' AND next_attempt <= ?),"
    " (SELECT arrived FROM queue ORDER BY entry_id LIMIT 1)"
)
_LATE = (
    "SELECT destination, count(*), min(arrived) FROM queue"
    " WHERE state = 'waiting' AND attempts > 0 AND arrived <= ?"
    " GROUP BY destination ORDER BY 2 DESC, 1 LIMIT ?"
)
_LEASE = (
    "UPDATE queue SET lease_owner = ?, lease_until = ?"
    " WHERE entry_id = ? AND state = 'waiting' AND next_attempt <= ? AND lease_until <= ?"
)
_UPDATE_ENTRY = (
    "UPDATE queue SET next_attempt = ?, attempts = ?, delay_notified = ?, reason = ?, state = ?, faults = ?,"
    " lease_owner = '', lease_until = 0 WHERE entry_id = ?"
)


def _recipient_row(entry_id: int, recipient: QueueRecipient) -> Row:
    return (
        entry_id,
        recipient.position,
        recipient.forward_path,
        recipient.state.value,
        recipient.attempts,
        recipient.status,
        recipient.diagnostic,
        recipient.remote,
        recipient.last_attempt,
        recipient.notify,
        recipient.orcpt,
    )


def _recipient(row: Row) -> QueueRecipient:
    position, forward_path, state, *rest = row
    return QueueRecipient(position, forward_path, RecipientState(state), *rest)


def _entry(row: Row, recipients: tuple[QueueRecipient, ...]) -> QueueEntry:
    number, trace_id, account_id, reverse_path, destination, blob_id, *rest = row
    arrived, next_attempt, attempts, state, body, smtputf8, lease_until, notified, *rest = rest
    envid, ret, reason, requiretls, release_at, language, faults, *ref = rest
    return QueueEntry(
        entry_id=number,
        trace_id=trace_id,
        account_id=account_id,
        reverse_path=reverse_path,
        destination=destination,
        blob_id=BlobId(blob_id),
        blob=BlobRef(*ref),
        arrived=arrived,
        next_attempt=next_attempt,
        attempts=attempts,
        state=QueueState(state),
        recipients=recipients,
        body=body,
        smtputf8=bool(smtputf8),
        lease_until=lease_until,
        delay_notified=bool(notified),
        envid=envid,
        ret=ret,
        reason=reason,
        requiretls=bool(requiretls),
        release_at=release_at,
        language=language,
        faults=faults,
    )


class QueueReader(Reads):
    async def queue_entries(
        self,
        limit: int = 1000,
        after: int = 0,
        *,
        destination: str | None = None,
        reverse_path: str | None = None,
        state: QueueState | None = None,
        trace_id: str | None = None,
    ) -> list[QueueEntry]:
        wanted = {
            "destination": destination,
            "reverse_path": reverse_path,
            "state": None if state is None else state.value,
            "trace_id": trace_id,
        }
        given = {column: value for column, value in wanted.items() if value is not None}
        where = "".join([f" AND q.{column} = ?" for column in given])
        await self._settle()
        async with self._connection.snapshot():
            rows = await self._connection.rows(
                _ENTRY + f" WHERE q.entry_id > ?{where} ORDER BY q.entry_id LIMIT ?",
                (after, *given.values(), limit),
            )
            return [_entry(row, await self._recipients(row[0])) for row in rows]

    async def queue_entry(self, entry_id: int) -> QueueEntry | None:
        await self._settle()
        async with self._connection.snapshot():
            row = await self._connection.row(_ENTRY + " WHERE q.entry_id = ?", (entry_id,))
            return None if row is None else _entry(row, await self._recipients(entry_id))

    async def queue_state(self, entry_id: int) -> QueueState | None:
        row = await self._connection.row("SELECT state FROM queue WHERE entry_id = ?", (entry_id,))
        return None if row is None else QueueState(row[0])

    async def _recipients(self, entry_id: int) -> tuple[QueueRecipient, ...]:
        return tuple(map(_recipient, await self._connection.rows(_RECIPIENTS, (entry_id,))))

    async def next_due(self, after: int = -1) -> int | None:
        row = await self._connection.row(_NEXT_DUE, (after, int(self._time())))
        return None if row is None else int(row[0])

    async def due_entries(self, now: int, limit: int, after: Due | None = None) -> list[Due]:
        start = (-1, -1) if after is None else after[:2]
        return [Due(*row) for row in await self._connection.rows(_DUE_ENTRIES, (now, now, *start, limit))]

    async def due_for(self, destination: str, now: int, limit: int) -> list[Due]:
        return [Due(*row) for row in await self._connection.rows(_DUE_FOR, (now, now, destination, limit))]

    async def late_destinations(self, arrived: int, limit: int) -> list[tuple[str, int, int]]:
        return [
            (name, count, oldest)
            for name, count, oldest in await self._connection.rows(_LATE, (arrived, limit))
        ]

    async def queue_figures(self, now: int) -> QueueFigures:
        row = await self._connection.row(_FIGURES, (now, now))
        assert row is not None
        return QueueFigures(*(value or 0 for value in row))


class QueueTx(QueueReader, Writes):
    async def add_queue_entry(
        self,
        *,
        trace_id: str,
        account_id: AccountId | None,
        reverse_path: str,
        destination: str,
        blob_id: BlobId,
        recipients: Sequence[QueueRecipient],
        arrived: int,
        next_attempt: int,
        body: str = "7BIT",
        smtputf8: bool = False,
        requiretls: bool = False,
        envid: str = "",
        ret: str = "",
        release_at: int = 0,
        language: str = "",
    ) -> int:
        entry_id = await self._connection.next_id("queue")
        self._ledger.refs[blob_id] += 1
        who = (entry_id, trace_id, account_id, reverse_path, destination, blob_id)
        when = (arrived, max(next_attempt, release_at))
        what = (body, int(smtputf8), envid, ret, int(requiretls), release_at, language)
        await self._connection.execute(_NEW_ENTRY, (*who, *when, *what))
        await self._write_recipients(entry_id, recipients)
        self._ledger.topics[QUEUE_TOPIC] = entry_id
        return entry_id

    async def _write_recipients(self, entry_id: int, recipients: Sequence[QueueRecipient]) -> None:
        await self._connection.executemany(
            _NEW_RECIPIENT, [_recipient_row(entry_id, recipient) for recipient in recipients]
        )

    async def lease(
        self, entry_ids: Sequence[int], now: int, owner: str, lease_until: int
    ) -> list[QueueEntry]:
        entries = []
        for entry_id in entry_ids:
            if await self._connection.execute(_LEASE, (owner, lease_until, entry_id, now, now)):
                entries.append(await self.queue_entry(entry_id))
        return [entry for entry in entries if entry is not None]

    async def release_leases(self, owner_prefix: str) -> int:
        released = await self._connection.execute(
            "UPDATE queue SET lease_owner = '', lease_until = 0"
            " WHERE lease_until > 0 AND substr(lease_owner, 1, ?) = ?",
            (len(owner_prefix), owner_prefix),
        )
        if released:
            self._ledger.topics[QUEUE_TOPIC] = 0
        return released

    async def update_queue_entry(
        self,
        entry_id: int,
        *,
        recipients: Sequence[QueueRecipient],
        next_attempt: int,
        attempts: int,
        delay_notified: bool,
        reason: str,
        state: QueueState = QueueState.WAITING,
        faults: int = 0,
    ) -> None:
        what = (next_attempt, attempts, int(delay_notified), reason, state.value, faults)
        await self._connection.execute(_UPDATE_ENTRY, (*what, entry_id))
        await self._connection.execute("DELETE FROM queue_recipients WHERE entry_id = ?", (entry_id,))
        await self._write_recipients(entry_id, recipients)
        self._ledger.topics[QUEUE_TOPIC] = entry_id

    async def remove_queue_entry(self, entry_id: int) -> None:
        row = await self._connection.row("SELECT blob_id FROM queue WHERE entry_id = ?", (entry_id,))
        if row is None:
            return
        self._ledger.refs[BlobId(row[0])] -= 1
        await self._connection.execute("DELETE FROM queue_recipients WHERE entry_id = ?", (entry_id,))
        await self._connection.execute("DELETE FROM queue WHERE entry_id = ?", (entry_id,))
