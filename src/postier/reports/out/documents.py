"""What there is to report of a day, and the documents that say it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from postier.reports.out.desk import report_id
from postier.reports.out.dmarc_report import Counted, by_policy, dmarc_report
from postier.reports.out.identity import Identity
from postier.reports.out.mail import Report
from postier.reports.out.tls_report import tls_report
from postier.store.api import Reader

__all__ = ["Documents"]

MAX_ROWS = 20_000
"""Of a DMARC report, those of most messages."""
MAX_POLICIES = 5
"""Changes of a policy in one day that have a report each; with them come the most rows."""


class Documents:
    """Of what the store counted."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def domains(self, kind: str, day: int) -> list[str]:
        """Whom there may be something to tell."""
        if kind == "tls":
            return await self._reader.tls_destinations(day)
        return [one.domain for one in await self._reader.dmarc_days(day, day)]

    async def of(self, identity: Identity, kind: str, domain: str, day: int) -> list[Report]:
        """None where nothing may be told: who only sent what was refused or set aside asks for nothing."""
        if kind == "tls":
            return await self._of_tls(identity, domain, day)
        counted = await self._reader.dmarc_results(day, domain, MAX_ROWS)
        if not any(count.accepted for _, count in counted):
            return []
        groups = sorted(by_policy(counted), key=len, reverse=True)[:MAX_POLICIES]
        return await asyncio.to_thread(_dmarc_reports, identity, domain, day, groups)

    async def _of_tls(self, identity: Identity, domain: str, day: int) -> list[Report]:
        counted = await self._reader.tls_results(day, day, domain)
        if not counted:
            return []
        name = report_id("tls", domain, day, identity.hostname)
        document = tls_report(identity, name, day, counted)
        return [await asyncio.to_thread(Report.of, "tls", domain, day, name, document)]


def _dmarc_reports(
    identity: Identity, domain: str, day: int, groups: Sequence[Sequence[Counted]]
) -> list[Report]:
    """Long ones take a second."""
    reports = []
    for number, group in enumerate(groups):
        name = report_id("dmarc", domain, day, identity.hostname, number)
        reports.append(Report.of("dmarc", domain, day, name, dmarc_report(identity, name, group)))
    return reports
