"""Small facts of the whole server: text by key."""

from __future__ import annotations

from postier.store.sql.base import Reads, Writes

__all__ = ["MetaReader", "MetaTx"]


class MetaReader(Reads):
    async def meta(self, key: str) -> str | None:
        row = await self._connection.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else str(row[0])


class MetaTx(MetaReader, Writes):
    async def set_meta(self, key: str, value: str) -> None:
        await self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
