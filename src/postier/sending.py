"""How mail leaves, and how much of it, built from the settings: for the workers and the command line."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from postier.accounts.sending import DailyLimits
from postier.backend import Backend, open_resolver
from postier.dns.api import Resolver
from postier.fetch.https import HttpsFetcher
from postier.smtp.outbound.connection import Timeouts
from postier.smtp.outbound.published import PublishedTls
from postier.smtp.outbound.route_table import RouteBook
from postier.smtp.outbound.routes import Routes, RouteSettings
from postier.smtp.outbound.sts_cache import StsPolicies
from postier.smtp.outbound.sts_fetch import PolicyFetcher
from postier.smtp.outbound.tls_results import TlsResults
from postier.smtp.outbound.transport import OutboundSettings, SmtpTransport

__all__ = ["Outbound", "daily_limits", "open_document_fetcher", "open_fetcher", "open_outbound"]

SMTP_PORT = 25
HTTPS_PORT = 443
DOCUMENT_SECONDS = 10.0


class Outbound(NamedTuple):
    """The administrator's routes, who takes what, and the way there."""

    book: RouteBook
    routes: Routes
    transport: SmtpTransport
    policies: PublishedTls
    results: TlsResults


def open_outbound(backend: Backend) -> Outbound:
    settings = backend.settings
    server, smtp = settings.server, settings.smtp
    own = frozenset((address, SMTP_PORT + server.port_base) for address in server.bind)
    book = RouteBook(backend.store.reader)
    resolver = open_resolver(settings)
    inside = _is_inside(backend)
    routes = Routes(
        resolver,
        RouteSettings(
            own_names=frozenset({server.hostname}),
            own_endpoints=own,
            port=smtp.outbound_port,
            allow_loopback=inside,
        ),
        tables=book.table,
        clock=backend.clock,
    )
    results = TlsResults(backend.store, backend.clock)
    policies = open_policies(backend, resolver)
    transport = SmtpTransport(
        routes,
        policies,
        OutboundSettings(
            hostname=server.hostname,
            source_addresses=smtp.outbound_source_addresses,
            timeouts=Timeouts(connect=smtp.outbound_connect_timeout),
        ),
        clock=backend.clock,
        results=results,
    )
    return Outbound(book, routes, transport, policies, results)


def open_fetcher(backend: Backend, resolver: Resolver) -> PolicyFetcher:
    """Of the MTA-STS policies of others."""
    port, inside = _https(backend)
    return PolicyFetcher(resolver, port=port, allow_private=inside)


def open_document_fetcher(backend: Backend, resolver: Resolver) -> HttpsFetcher:
    """Of our own documents, as others see them."""
    port, inside = _https(backend)
    return HttpsFetcher(resolver, port=port, allow_private=inside, seconds=DOCUMENT_SECONDS)


def _https(backend: Backend) -> tuple[int, bool]:
    """On which port it is spoken, and whether with hosts of this machine."""
    inside = _is_inside(backend)
    return (HTTPS_PORT + backend.settings.server.port_base if inside else HTTPS_PORT), inside


def open_policies(backend: Backend, resolver: Resolver) -> PublishedTls:
    fetcher = open_fetcher(backend, resolver)
    return PublishedTls(resolver, StsPolicies(resolver, fetcher, backend.store, backend.clock), backend.store)


def daily_limits(backend: Backend) -> DailyLimits:
    """Of each account that has none of its own."""
    smtp = backend.settings.smtp
    return DailyLimits(smtp.daily_recipients, smtp.daily_new_recipients)


def _is_inside(backend: Backend) -> bool:
    """Whether this server and all whom it talks to live on the loopback."""
    bind = backend.settings.server.bind
    return bool(bind) and all(map(_is_loopback, bind))


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
