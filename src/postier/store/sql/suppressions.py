"""Foreign addresses that nothing is sent to for a while."""

from __future__ import annotations

from postier.store.api import Suppression
from postier.store.sql.base import Reads, Writes

__all__ = ["SuppressionReader", "SuppressionTx"]

_COLUMNS = "address, bounces, first, last, until, diagnostic, remote, sender"
_SET = (
    f"INSERT INTO suppressions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - columns of ours
    " ON CONFLICT (address) DO UPDATE SET bounces = excluded.bounces, first = excluded.first,"
    " last = excluded.last, until = excluded.until, diagnostic = excluded.diagnostic,"
    " remote = excluded.remote, sender = excluded.sender"
)
_ONE = f"SELECT {_COLUMNS} FROM suppressions WHERE address = ?"  # noqa: S608 - columns of ours
_PAGE = f"SELECT {_COLUMNS} FROM suppressions WHERE address > ? ORDER BY address LIMIT ?"  # noqa: S608 - too


class SuppressionReader(Reads):
    async def suppression(self, address: str) -> Suppression | None:
        row = await self._connection.row(_ONE, (address,))
        return None if row is None else Suppression(*row)

    async def suppressions(self, limit: int = 1000, after: str = "") -> list[Suppression]:
        return [Suppression(*row) for row in await self._connection.rows(_PAGE, (after, limit))]


class SuppressionTx(SuppressionReader, Writes):
    async def set_suppression(self, suppression: Suppression) -> None:
        s = suppression
        values = (s.address, s.bounces, s.first, s.last, s.until, s.diagnostic, s.remote, s.sender)
        await self._connection.execute(_SET, values)

    async def remove_suppression(self, address: str) -> bool:
        return await self._connection.execute("DELETE FROM suppressions WHERE address = ?", (address,)) > 0

    async def forget_suppressions(self, last_before: int, until_before: int) -> int:
        return await self._connection.execute(
            "DELETE FROM suppressions WHERE last < ? AND until < ?", (last_before, until_before)
        )
