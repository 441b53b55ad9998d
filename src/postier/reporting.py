"""Reports to other domains, put together from the settings: for the workers and the command line."""

from __future__ import annotations

import ipaddress

from postier.backend import Backend, open_resolver
from postier.reports.out.daily import Reporting, ReportSettings
from postier.reports.out.desk import ReportDesk, ReportLimits
from postier.reports.out.documents import Documents
from postier.reports.out.https import HttpsPost

__all__ = ["open_reporting"]

HTTPS_PORT = 443


def open_reporting(backend: Backend) -> Reporting:
    settings = backend.settings
    server, reports = settings.server, settings.reports
    resolver = open_resolver(settings)
    inside = bool(server.bind) and all(ipaddress.ip_address(one).is_loopback for one in server.bind)
    port = HTTPS_PORT + server.port_base if inside else HTTPS_PORT
    limits = ReportLimits(reports.max_size, reports.destinations, reports.per_day)
    desk = ReportDesk(
        backend.store,
        resolver,
        backend.clock,
        HttpsPost(resolver, port=port, allow_private=inside),
        limits,
    )
    chosen = ReportSettings(
        server.hostname, tls=reports.tls, dmarc=reports.dmarc, contact=reports.contact, limits=limits
    )
    return Reporting(backend.store, backend.clock, desk, Documents(backend.store.reader), chosen)
