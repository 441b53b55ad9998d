"""Which certificate a client is shown, and the TLS context of each service for it.

The name that the client asks for (RFC 6066 3) decides, before the handshake begins (net.client_hello): a
certificate for exactly this name, else one with a wildcard for it, else the one of the server's own name. An
unknown name is never an error, and leaves nothing behind.

Every service has contexts of its own, one for each certificate that somebody asked for there: a context has
keys of its own for session tickets, so what one service or one certificate gave out is worth nothing at
another (ALPACA; RFC 9846 4.6.1 lets a ticket stand for the whole handshake).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from postier.base.log import Log
from postier.base.shared_counts import SharedCounts
from postier.net.api import SslContextSource
from postier.net.certificates import Certificate, read_files
from postier.net.client_hello import ClientHello
from postier.net.limits import address_key
from postier.net.shelf import Shelf
from postier.net.tls import NoApplicationProtocol, server_context

__all__ = ["ContextChooser", "ServiceTls", "one_certificate"]


@dataclass(frozen=True, slots=True)
class ServiceTls:
    """What the handshakes of a service have of their own.

    `protocols`: the ALPN names that mean it (RFC 7301 6); a client that offers others alone means another
    service, and is sent away. (): none is looked at. `authorities`: PEM; clients may show certificates of
    theirs (RFC 9846 4.3.2), and are not asked where it is "".
    """

    protocols: tuple[bytes, ...] = ()
    authorities: str = ""


UNASKED_SECONDS = 3600
"""How long, at most, nobody is asked for a certificate where one was not believed."""

log = Log("tls")

Special = Callable[[str, ClientHello], ssl.SSLContext | None]


class ContextChooser:
    """Certificates by name, contexts by service. Belongs to one process."""

    def __init__(self, first: Certificate, services: Mapping[str, ServiceTls], host: str = "") -> None:
        """`first`: that of the settings; `host`: the server's own name.

        Makes the contexts of `first`: processes that are forked later take up each other's sessions.
        Raises CertificateError.
        """
        self._services = dict(services)
        self._host = host
        self._contexts: dict[tuple[str, str, bool], ssl.SSLContext] = {}
        self._strangers = SharedCounts(1 << 10)
        self._specials: list[Special] = []
        self.show(first, ())
        for service in services:
            self._context(service, first, asks=bool(services[service].authorities))

    def show(self, first: Certificate, stored: Iterable[Certificate]) -> None:
        """From the next handshake on: these. Contexts of certificates that stay, stay, with their tickets."""
        self._shelf = Shelf(first, stored, self._host)
        shown = self._shelf.fingerprints
        self._contexts = {key: kept for key, kept in self._contexts.items() if key[1] in shown}

    def offer(self, services: Mapping[str, ServiceTls]) -> None:
        """From the next handshake on, the services are these; contexts of those that change are made anew."""
        changed = {name for name, one in self._services.items() if services.get(name) != one}
        self._contexts = {key: kept for key, kept in self._contexts.items() if key[0] not in changed}
        self._services = dict(services)

    def answer_first(self, special: Special) -> None:
        """Ask `special` for the context first, with the service; where it has none, all goes on as always."""
        self._specials.append(special)

    def choose(self, service: str, hello: ClientHello, peer: str = "") -> ssl.SSLContext:
        """Raises NoApplicationProtocol."""
        for special in self._specials:
            context = special(service, hello)
            if context is not None:
                return context
        ours = self._services[service]
        protocols = ours.protocols
        if protocols and hello.protocols and not set(protocols).intersection(hello.protocols):
            offered = b", ".join(hello.protocols[:4]).decode("ascii", "backslashreplace")
            raise NoApplicationProtocol(f"the client means another service: {offered}")
        asks = bool(ours.authorities) and not self._strangers.get(address_key(peer), _period())
        return self._context(service, self._shelf.certificate_for(hello.server_name), asks=asks)

    def of(self, service: str) -> SslContextSource:
        """The SslContextSource of one of the services."""
        return _Source(self, service)

    def not_believed(self, peer: str) -> None:
        """A client at `peer` showed a certificate of nobody whom we believe, which ends a handshake.

        For some time nobody there is asked for one, so that its next connection can log in by a password.
        """
        log.info("certificate of a client not believed", peer=peer)
        self._strangers.add(address_key(peer), _period())

    def _context(self, service: str, certificate: Certificate, *, asks: bool) -> ssl.SSLContext:
        key = (service, certificate.fingerprint, asks)
        context = self._contexts.get(key)
        if context is None:
            ours = self._services[service]
            context = server_context(certificate, ours.protocols, ours.authorities if asks else "")
            self._contexts[key] = context
        return context


@dataclass(frozen=True, slots=True)
class _Source:
    """A chooser, for one service."""

    chooser: ContextChooser
    service: str

    def __call__(self, hello: ClientHello, peer: str) -> ssl.SSLContext:
        return self.chooser.choose(self.service, hello, peer)

    def not_believed(self, peer: str) -> None:
        self.chooser.not_believed(peer)


def _period() -> int:
    return int(time.monotonic() // UNASKED_SECONDS)


def one_certificate(chain: Path, key: Path) -> SslContextSource:
    """For a server that has one certificate and one service. Raises CertificateError."""
    return ContextChooser(read_files(chain, key), {"": ServiceTls()}).of("")
