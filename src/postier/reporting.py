"""Reports to other domains, put together from the settings: for the workers and the command line."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import NamedTuple

from postier.backend import Backend, open_resolver
from postier.reports.out.counter import DmarcCounter
from postier.reports.out.daily import Reporting, ReportSettings
from postier.reports.out.desk import ReportDesk, ReportLimits
from postier.reports.out.documents import Documents
from postier.reports.out.failures import FailureReports
from postier.reports.out.https import HttpsPost

__all__ = ["Told", "open_reporting", "open_told", "report_tasks"]

HTTPS_PORT = 443


def open_reporting(backend: Backend) -> Reporting:
    reports = backend.settings.reports
    chosen = ReportSettings(
        backend.settings.server.hostname,
        tls=reports.tls,
        dmarc=reports.dmarc,
        contact=reports.contact,
        limits=_limits(backend),
    )
    return Reporting(
        backend.store, backend.clock, _open_desk(backend), Documents(backend.store.reader), chosen
    )


class Told(NamedTuple):
    """Who hears how mail from strangers fared, for reports; None where they are off."""

    dmarc: DmarcCounter | None
    failures: FailureReports | None

    async def stop(self) -> None:
        """What waits is written."""
        if self.dmarc is not None:
            self.dmarc.stop()
            await self.dmarc.write()


def open_told(backend: Backend) -> Told:
    reports = backend.settings.reports
    return Told(
        DmarcCounter(backend.store, backend.clock) if reports.dmarc else None,
        _open_failure_reports(backend) if reports.failures else None,
    )


def report_tasks(backend: Backend, told: Told, name: str) -> list[asyncio.Task[None]]:
    """What runs on a worker for reports to other domains, until it is cancelled."""
    reports = backend.settings.reports
    tasks = []
    if reports.tls or reports.dmarc:
        tasks.append(asyncio.create_task(open_reporting(backend).run(name), name="reports"))
    if told.dmarc is not None:
        tasks.append(asyncio.create_task(told.dmarc.run(), name="DMARC results"))
    if told.failures is not None:
        tasks.append(asyncio.create_task(told.failures.run(), name="failure reports"))
    return tasks


def _open_failure_reports(backend: Backend) -> FailureReports:
    reports = backend.settings.reports
    return FailureReports(
        backend.store.reader,
        backend.clock,
        _open_desk(backend),
        reports.failures,
        hostname=backend.settings.server.hostname,
        contact=reports.contact,
    )


def _open_desk(backend: Backend) -> ReportDesk:
    server = backend.settings.server
    resolver = open_resolver(backend.settings)
    inside = bool(server.bind) and all(ipaddress.ip_address(one).is_loopback for one in server.bind)
    port = HTTPS_PORT + server.port_base if inside else HTTPS_PORT
    poster = HttpsPost(resolver, port=port, allow_private=inside)
    return ReportDesk(backend.store, resolver, backend.clock, poster, _limits(backend))


def _limits(backend: Backend) -> ReportLimits:
    reports = backend.settings.reports
    return ReportLimits(reports.max_size, reports.destinations, reports.per_day)
