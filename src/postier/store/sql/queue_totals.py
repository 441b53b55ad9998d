"""How many entries wait: counted in pieces, for those who watch."""

from __future__ import annotations

from collections.abc import Sequence

from postier.store.api import QueueTotal
from postier.store.sql.base import Reads

__all__ = ["QueueTotalsReader"]


class QueueTotalsReader(Reads):
    async def queue_totals(
        self, ages: Sequence[int], now: int, after: int, limit: int
    ) -> tuple[list[QueueTotal], int]:
        await self._settle()
        steps = " ".join(f"WHEN arrived > ? THEN {place}" for place in range(len(ages)))
        rows = await self._connection.rows(
            f"SELECT state, CASE {steps} ELSE {len(ages)} END AS age, count(*), min(arrived), max(entry_id)"  # noqa: S608 (numbers)
            " FROM (SELECT entry_id, state, arrived FROM queue WHERE entry_id > ? ORDER BY entry_id LIMIT ?)"
            " AS page GROUP BY state, age",
            (*(now - age for age in ages), after, limit),
        )
        totals = [QueueTotal(state, age, count, oldest) for state, age, count, oldest, _ in rows]
        return totals, max((last for *_, last in rows), default=0)
