"""Who is greylisted, and who is known (see filter.greylist)."""

from __future__ import annotations

from postier.store.api import GreylistEntry
from postier.store.sql.base import Reads, Writes

__all__ = ["GreylistReader", "GreylistTx"]

_SET = (
    "INSERT INTO greylist (key, first, passed, expires) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET first = excluded.first, passed = excluded.passed, expires = excluded.expires"
)
_FORGET = (
    "DELETE FROM greylist WHERE key IN (SELECT key FROM greylist WHERE expires < ? ORDER BY expires LIMIT ?)"
)


class GreylistReader(Reads):
    async def greylist_entry(self, key: int) -> GreylistEntry | None:
        row = await self._connection.row("SELECT first, passed, expires FROM greylist WHERE key = ?", (key,))
        return None if row is None else GreylistEntry(row[0], bool(row[1]), row[2])


class GreylistTx(GreylistReader, Writes):
    async def set_greylist_entry(self, key: int, entry: GreylistEntry) -> None:
        await self._connection.execute(_SET, (key, entry.first, int(entry.passed), entry.expires))

    async def forget_greylist(self, before: int, limit: int) -> int:
        return await self._connection.execute(_FORGET, (before, limit))
