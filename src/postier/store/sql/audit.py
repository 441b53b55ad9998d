"""The audit log: appended, read by pages backwards in time, forgotten when it is old."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import msgspec

from postier.store.api import AccountId, Actor, AuditEntry, AuditPlace, NewAuditEntry
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row, Value

__all__ = ["AuditReader", "AuditTx"]

_COLUMNS = "entry, account_id, name, kind, via, actor, facts, at, last, times"
_SELECT = f"SELECT {_COLUMNS} FROM audit WHERE at >= ?"  # noqa: S608 - columns of ours
_LATEST_FIRST = " ORDER BY at DESC, entry DESC LIMIT ?"
_ADD = (
    f"INSERT INTO audit ({_COLUMNS}, mark) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - too
    " ON CONFLICT (account_id, mark) DO UPDATE SET times = audit.times + excluded.times,"
    " last = CASE WHEN excluded.last > audit.last THEN excluded.last ELSE audit.last END"
)
_FORGET = (
    "DELETE FROM audit WHERE (account_id, at, entry) IN"
    " (SELECT account_id, at, entry FROM audit WHERE at < ? ORDER BY at, entry LIMIT ?)"
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


def _entry(row: Row) -> AuditEntry:
    entry, account_id, name, kind, via, actor, facts, at, last, times = row
    return AuditEntry(
        entry, AccountId(account_id), name, kind, Actor(via, actor), _decode(facts), at, last, times
    )


class AuditReader(Reads):
    async def audit_entries(
        self,
        limit: int,
        *,
        account_id: AccountId | None = None,
        name: str = "",
        kinds: Sequence[str] = (),
        since: int = 0,
        before: AuditPlace | None = None,
    ) -> list[AuditEntry]:
        where, values = "", list[Value]()
        for condition, value in ((" AND account_id = ?", account_id), (" AND name = ?", name or None)):
            if value is not None:
                where += condition
                values.append(value)
        if before is not None:
            where += " AND (at, entry) < (?, ?)"
            values += before
        async with self._connection.snapshot():
            pages = [
                await self._connection.rows(
                    _SELECT + where + (" AND kind = ?" if kind else "") + _LATEST_FIRST,
                    (since, *values, *((kind,) if kind else ()), limit),
                )
                for kind in kinds or ("",)  # one by one: each is read in its order by an index
            ]
        found = heapq.merge(*map(_entries, pages), key=lambda one: one.place, reverse=True)
        return [entry for entry, _ in zip(found, range(limit), strict=False)]

    async def audit_marks(self, account_id: AccountId, kind: str, since: int) -> int:
        row = await self._connection.row(
            "SELECT COUNT(*) FROM audit WHERE account_id = ? AND at >= ? AND kind = ? AND mark IS NOT NULL",
            (account_id, since, kind),
        )
        return int(row[0]) if row is not None else 0

    async def has_audit_mark(self, account_id: AccountId, mark: str) -> bool:
        found = await self._connection.row(
            "SELECT 1 FROM audit WHERE account_id = ? AND mark = ?", (account_id, mark)
        )
        return found is not None


def _entries(rows: Sequence[Row]) -> list[AuditEntry]:
    return [_entry(row) for row in rows]


class AuditTx(AuditReader, Writes):
    async def add_audit_entry(self, new: NewAuditEntry) -> None:
        at = new.at or self._now
        entry = await self._connection.next_id("audit")
        row = (entry, new.account_id, new.name, new.kind, *new.actor, _encode(new.facts).decode())
        await self._connection.execute(
            _ADD, (*row, at, max(at, new.last), new.times, new.mark if new.mark else None)
        )

    async def forget_audit(self, before: int, limit: int) -> int:
        return await self._connection.execute(_FORGET, (before, limit))
