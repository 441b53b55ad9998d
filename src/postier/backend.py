"""The data of one server, opened: what its workers and the command line both need.

With app.py the only place that knows the engines and the settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from postier.accounts.domains import settings_of
from postier.accounts.pop3_rules import Pop3Usual
from postier.admin.own_tlsa import own_keys
from postier.admin.records import DnsRecord, dkim_record, domain_records
from postier.base.clock import Clock, SystemClock
from postier.base.domain import Domain
from postier.blobs.local import LocalBlobs
from postier.bus.api import Bus
from postier.bus.local import LocalBus
from postier.config.settings import Settings
from postier.dns.api import Resolver
from postier.dns.cache import CachingResolver
from postier.dns.client import DnsClient
from postier.http.autoconfig import MailService, autoconfig_documents
from postier.http.documents import Document
from postier.http.own_policy import policy_document, policy_documents, policy_id
from postier.store.api import Store
from postier.store.sqlite import open_sqlite

__all__ = [
    "DATABASE",
    "Backend",
    "dns_records",
    "domain_documents",
    "open_backend",
    "open_resolver",
    "pop3_usual",
]

DATABASE = "postier.db"
CLIENT_PORTS = (("imap", 993), ("pop3", 995), ("smtp", 465))
"""RFC 8314 7.3, the best first."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The data of one server, open."""

    settings: Settings
    clock: Clock
    store: Store
    blobs: LocalBlobs
    bus: Bus


@contextlib.asynccontextmanager
async def open_backend(settings: Settings, name: str) -> AsyncIterator[Backend]:
    """`name` is this process's own among those that have the data open. Raises StoreUnavailable."""
    clock = SystemClock()
    blobs = LocalBlobs(settings.data, name)
    bus = LocalBus(settings.data / "run" / "bus", name)
    try:
        store = await open_sqlite(settings.data / DATABASE, blobs=blobs, bus=bus, clock=clock, owner=name)
        try:
            yield Backend(settings, clock, store, blobs, bus)
        finally:
            await store.close()
    finally:
        bus.close()


def open_resolver(settings: Settings) -> Resolver:
    clock = SystemClock()
    client = DnsClient(
        settings.dns.servers,
        clock=clock,
        timeout=settings.dns.timeout,
        validating=settings.dns.validating,
    )
    return CachingResolver(client, clock)


def domain_documents(backend: Backend) -> tuple[Document, ...]:
    """What is served of our own domains, to whoever asks."""
    settings = backend.settings
    services = tuple(
        MailService(protocol, port + settings.server.port_base) for protocol, port in CLIENT_PORTS
    )
    is_ours = partial(_is_ours, backend)
    return (
        *policy_documents(is_ours, _own_document(settings)),
        *autoconfig_documents(is_ours, settings.server.hostname, services),
    )


async def _is_ours(backend: Backend, domain: str) -> bool:
    return await backend.store.reader.domain(domain) is not None


def _own_document(settings: Settings) -> str:
    mode = settings.mta_sts.mode
    return "" if mode == "off" else policy_document(settings.server.hostname, mode, settings.mta_sts.max_age)


async def dns_records(backend: Backend, domain: Domain) -> list[DnsRecord]:
    """What the world should find about one of our domains; none if it is not ours."""
    record = await backend.store.reader.domain(domain.ascii)
    if record is None:
        return []
    keys = [dkim_record(domain, key) for key in settings_of(record).dkim if key.is_published]
    settings = backend.settings.server
    addresses = [one for one in settings.bind if not ipaddress.ip_address(one).is_unspecified]
    document = _own_document(backend.settings)
    return domain_records(
        domain,
        Domain(settings.hostname),
        addresses,
        keys,
        settings.port_base,
        senders=[one for one in backend.settings.smtp.outbound_source_addresses if one not in addresses],
        autoconfig=backend.settings.http.enabled,
        sts_id=policy_id(document) if document else "",
        tls_keys=await asyncio.to_thread(own_keys, backend.settings.data / backend.settings.tls.key),
    )


def pop3_usual(settings: Settings) -> Pop3Usual:
    """What holds over POP3 for accounts without rules of their own."""
    return Pop3Usual(settings.pop3.rest, settings.pop3.expire, settings.pop3.login_delay)
