"""Reports that we send: what they tell, what became of them, where they go."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from postier.store.api import DmarcCount, DmarcDay, DmarcSeen, ReportOutcome, ReportTarget
from postier.store.sql.base import Reads, Writes

__all__ = ["ReportSendingReader", "ReportSendingTx"]

_DAYS = (
    "SELECT day, domain, CAST(SUM(messages) AS BIGINT), CAST(SUM(accepted) AS BIGINT) FROM dmarc_results"
    " WHERE day BETWEEN ? AND ?"
    " GROUP BY day, domain ORDER BY day, domain"
)
_SEEN = (
    "SELECT policy, facts, messages, accepted FROM dmarc_results WHERE day = ? AND domain = ?"
    " ORDER BY messages DESC, digest LIMIT ?"
)
_ADD_SEEN = (
    "INSERT INTO dmarc_results (day, domain, digest, policy, facts, messages, accepted)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, domain, digest) DO UPDATE"
    " SET messages = dmarc_results.messages + excluded.messages,"
    " accepted = dmarc_results.accepted + excluded.accepted"
)
_OUTCOMES = "SELECT kind, domain, day, report_id, outcome, destinations, detail, written FROM report_outcomes"
_OUTCOMES_OF_DAYS = _OUTCOMES + " WHERE day BETWEEN ? AND ? ORDER BY day, kind, domain"
_SET_OUTCOME = (
    "INSERT INTO report_outcomes (kind, domain, day, report_id, outcome, destinations, detail, written)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, kind, domain) DO UPDATE"
    " SET report_id = excluded.report_id, outcome = excluded.outcome, destinations = excluded.destinations,"
    " detail = excluded.detail, written = excluded.written"
)
_TARGETS = "SELECT name, tag, sent, last, stopped, reason FROM report_targets"
_SET_TARGET = (
    "INSERT INTO report_targets (name, tag, sent, last, stopped, reason) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET tag = excluded.tag, sent = excluded.sent, last = excluded.last,"
    " stopped = excluded.stopped, reason = excluded.reason"
)


class ReportSendingReader(Reads):
    async def dmarc_days(self, first: int, last: int) -> list[DmarcDay]:
        rows = await self._connection.rows(_DAYS, (first, last))
        return [DmarcDay(*row) for row in rows]

    async def dmarc_results(self, day: int, domain: str, limit: int) -> list[tuple[DmarcSeen, DmarcCount]]:
        rows = await self._connection.rows(_SEEN, (day, domain, limit))
        return [
            (DmarcSeen(day, domain, policy, facts), DmarcCount(*counts)) for policy, facts, *counts in rows
        ]

    async def report_outcomes(self, first: int, last: int) -> list[ReportOutcome]:
        return [ReportOutcome(*row) for row in await self._connection.rows(_OUTCOMES_OF_DAYS, (first, last))]

    async def report_outcome(self, kind: str, domain: str, day: int) -> ReportOutcome | None:
        row = await self._connection.row(
            _OUTCOMES + " WHERE day = ? AND kind = ? AND domain = ?", (day, kind, domain)
        )
        return None if row is None else ReportOutcome(*row)

    async def reports_written(self, since: int) -> int:
        row = await self._connection.row(
            "SELECT CAST(SUM(destinations) AS BIGINT) FROM report_outcomes WHERE written >= ?", (since,)
        )
        return (row[0] or 0) if row is not None else 0

    async def report_target(self, name: str) -> ReportTarget | None:
        row = await self._connection.row(_TARGETS + " WHERE name = ?", (name,))
        return None if row is None else ReportTarget(*row)

    async def report_target_of_tag(self, tag: str) -> ReportTarget | None:
        row = await self._connection.row(_TARGETS + " WHERE tag = ?", (tag,))
        return None if row is None else ReportTarget(*row)

    async def report_targets(self, *, stopped: bool = False) -> list[ReportTarget]:
        which = " WHERE stopped > 0" if stopped else ""
        rows = await self._connection.rows(_TARGETS + which + " ORDER BY name")
        return [ReportTarget(*row) for row in rows]


class ReportSendingTx(ReportSendingReader, Writes):
    async def add_dmarc_results(self, counts: Mapping[DmarcSeen, DmarcCount]) -> None:
        for seen, count in counts.items():
            digest = hashlib.blake2b(f"{seen.policy}\n{seen.facts}".encode(), digest_size=16).digest()
            row = (seen.day, seen.domain, digest, seen.policy, seen.facts, *count)
            await self._connection.execute(_ADD_SEEN, row)

    async def forget_dmarc_results(self, day: int, domain: str) -> int:
        return await self._connection.execute(
            "DELETE FROM dmarc_results WHERE day = ? AND domain = ?", (day, domain)
        )

    async def forget_old_dmarc_results(self, before: int) -> int:
        return await self._connection.execute("DELETE FROM dmarc_results WHERE day < ?", (before,))

    async def set_report_outcome(self, outcome: ReportOutcome) -> None:
        await self._connection.execute(_SET_OUTCOME, outcome)

    async def forget_report_outcomes(self, before: int) -> int:
        return await self._connection.execute("DELETE FROM report_outcomes WHERE day < ?", (before,))

    async def set_report_target(self, target: ReportTarget) -> None:
        await self._connection.execute(_SET_TARGET, target)
