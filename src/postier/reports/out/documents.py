"""What there is to report of a day, and the documents that say it."""

from __future__ import annotations

from postier.reports.out.desk import report_id
from postier.reports.out.identity import Identity
from postier.reports.out.mail import Report
from postier.reports.out.tls_report import tls_report
from postier.store.api import Reader

__all__ = ["Documents"]


class Documents:
    """Of what the store counted."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def domains(self, kind: str, day: int) -> list[str]:
        """Whom there is something to tell."""
        return await self._reader.tls_destinations(day)

    async def of(self, identity: Identity, kind: str, domain: str, day: int) -> list[Report]:
        """None where nothing may be told."""
        name = report_id(kind, domain, day, identity.hostname)
        counted = await self._reader.tls_results(day, day, domain)
        if not counted:
            return []
        return [Report(kind, domain, day, name, tls_report(identity, name, day, counted))]
