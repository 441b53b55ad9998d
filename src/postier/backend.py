"""The data of one server, opened: what its workers and the command line both need.

With app.py the only place that knows the engines and the settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from postier.accounts.domains import settings_of
from postier.accounts.passkeys import RelyingParty
from postier.accounts.pop3_rules import Pop3Usual
from postier.accounts.sealing import Sealer, sealing_key
from postier.accounts.second_factors import SecondFactors
from postier.acme.caa import caa_value
from postier.admin.own_tlsa import key_digests, next_key, own_keys
from postier.admin.records import DnsRecord, dkim_record, domain_records
from postier.base.clock import Clock, SystemClock
from postier.base.domain import Domain
from postier.base.log import Log
from postier.blobs.local import LocalBlobs
from postier.bus.api import Bus
from postier.bus.local import LocalBus
from postier.clients.mobileconfig import SigningError, sign_document
from postier.clients.settings import ClientSettings, MailService, OAuthProvider, Security
from postier.config.settings import Settings
from postier.dns.api import Resolver
from postier.dns.cache import CachingResolver
from postier.dns.client import DnsClient
from postier.http.client_documents import client_documents
from postier.http.documents import Document
from postier.http.own_policy import policy_document, policy_documents, policy_id
from postier.net.certificates import covers
from postier.services import HTTPS, SERVICES
from postier.store.api import Store, StoredCertificate
from postier.store.sqlite import open_sqlite

__all__ = [
    "DATABASE",
    "Backend",
    "client_settings",
    "dns_records",
    "domain_documents",
    "open_backend",
    "open_factors",
    "open_resolver",
    "pop3_usual",
    "signed_profile",
    "stored_certificate",
    "tls_keys",
]

DATABASE = "postier.db"
SEALING_KEY = "factors.key"
"""Without it codes by time can't be checked any more (accounts.sealing): it belongs into backups."""
CLIENT_SERVICES = (
    ("imaps", "imap", Security.TLS),
    ("imap", "imap", Security.STARTTLS),
    ("pop3s", "pop3", Security.TLS),
    ("pop3", "pop3", Security.STARTTLS),
    ("submissions", "smtp", Security.TLS),
    ("submission", "smtp", Security.STARTTLS),
)
"""What mail programs use, the best of each protocol first (RFC 8314 3)."""

log = Log("clients")


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


def domain_documents(
    backend: Backend, oauth: Callable[[str], Awaitable[OAuthProvider | None]]
) -> tuple[Document, ...]:
    """What is served of our own domains, to whoever asks. `oauth`: see tokens.announced."""
    settings = backend.settings
    is_ours = partial(_is_ours, backend)

    async def find(name: str) -> ClientSettings | None:
        if not await is_ours(name):
            return None
        return client_settings(settings, Domain(name)).knowing(await oauth(name))

    return (
        *policy_documents(is_ours, _own_document(settings)),
        *client_documents(find, partial(signed_profile, backend), backend.clock, _web_port(settings)),
    )


def client_settings(settings: Settings, domain: Domain) -> ClientSettings:
    """What mail programs of a domain's people are told."""
    base = settings.server.port_base
    ports = {service.name: service.port + base for service in SERVICES}
    return ClientSettings(
        domain.ascii,
        settings.server.hostname,
        tuple(MailService(protocol, ports[name], security) for name, protocol, security in CLIENT_SERVICES),
        _web_port(settings),
        settings.clients.name,
        settings.clients.help,
        settings.clients.logo,
        oauth=_oauth(settings, domain) if settings.clients.oauth else None,
    )


def _oauth(settings: Settings, domain: Domain) -> OAuthProvider | None:
    """The provider of a domain's people."""
    for provider in settings.oidc.providers:
        if not provider.domains or domain.ascii in provider.domains:
            return OAuthProvider(provider.issuer, scope=" ".join(provider.scope))
    return None


def _web_port(settings: Settings) -> int:
    """Where HTTPS is spoken for us: by this server, or by one that passes requests on to our HTTP port."""
    if settings.http.https and settings.mta_sts.https:
        return HTTPS.port + settings.server.port_base
    return HTTPS.port if settings.http.enabled else 0


def open_factors(backend: Backend) -> SecondFactors:
    """Makes the key that seals their secrets, where there is none yet. Raises OSError, ValueError."""
    settings = backend.settings
    hostname, port = settings.server.hostname, _web_port(settings)
    origin = f"https://{hostname}" + ("" if port in (0, HTTPS.port) else f":{port}")
    party = RelyingParty(hostname, origin, settings.clients.name or hostname)
    sealer = Sealer(sealing_key(settings.data / SEALING_KEY))
    return SecondFactors(backend.store, backend.clock, sealer, party)


async def signed_profile(backend: Backend, document: bytes) -> bytes:
    """By the certificate of the server's own name; as it is where that can't sign, and the log says why.

    Raises StoreError.
    """
    settings = backend.settings
    shown = await stored_certificate(backend)
    stored = [] if shown is None else [(shown.chain.encode(), shown.key.encode())]
    try:
        return await asyncio.to_thread(_sign, settings, document, stored)
    except (OSError, SigningError) as error:
        log.warning("profile not signed", why=error)
        return document


def _sign(settings: Settings, document: bytes, stored: list[tuple[bytes, bytes]]) -> bytes:
    """Raises OSError, SigningError."""
    certificate, key = settings.data / settings.tls.certificate, settings.data / settings.tls.key
    return sign_document(document, *(stored[0] if stored else (certificate.read_bytes(), key.read_bytes())))


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
        clients=client_settings(backend.settings, domain),
        sts_id=policy_id(document) if document else "",
        tls_keys=await tls_keys(backend),
        caa=await _caa(backend),
    )


async def stored_certificate(backend: Backend) -> StoredCertificate | None:
    """The one that the server shows by its own name, if it is not that of the settings."""
    hostname = backend.settings.server.hostname
    listed = await backend.store.reader.certificates()
    found = [one for one in listed if any(covers(name, hostname) for name in one.names)]
    return max(found, key=lambda one: (hostname in one.names, one.not_after), default=None)


async def tls_keys(backend: Backend) -> list[str]:
    """What TLSA says of the keys that the server shows by its own name, and will show next."""
    settings, shown = backend.settings, await stored_certificate(backend)
    if shown is None:
        return await asyncio.to_thread(own_keys, settings.data / settings.tls.key)
    renewal = await backend.store.reader.renewal(settings.server.hostname)
    coming = renewal.next_key if renewal is not None and shown.origin == "acme" else ""
    announced = await asyncio.to_thread(next_key, settings.data / settings.tls.key)
    return key_digests([shown.key.encode(), coming.encode(), announced])


async def _caa(backend: Backend) -> str:
    """The value that lets our authority alone issue, for our account; "" where it does not say its name."""
    settings = backend.settings.acme
    account = await backend.store.reader.acme_account(settings.directory) if settings.enabled else None
    if account is None or not account.authorities:
        return ""
    return caa_value(account.authorities[0], account.uri, settings.challenge)


def pop3_usual(settings: Settings) -> Pop3Usual:
    """What holds over POP3 for accounts without rules of their own."""
    return Pop3Usual(settings.pop3.rest, settings.pop3.expire, settings.pop3.login_delay)
