"""What the server offers, and where it listens for it."""

from __future__ import annotations

from typing import NamedTuple

from postier.config.settings import Settings
from postier.net.binding import Endpoint

__all__ = ["HTTP", "HTTPS", "LMTP", "SERVICES", "SMTP", "Lines", "Service", "endpoints"]


class Lines(NamedTuple):
    """What a protocol says before it closes: too many connections, the server stops, a fault of ours."""

    busy: bytes = b""
    goodbye: bytes = b""
    fault: bytes = b""


SMTP_LINES = Lines(
    b"421 4.7.0 Too many connections, try later\r\n",
    b"421 4.3.2 Service closing, try later\r\n",
    b"421 4.3.0 Internal error, session {session}\r\n",
)
IMAP_LINES = Lines(
    b"* BYE [UNAVAILABLE] Too many connections, try later\r\n",
    b"* BYE [UNAVAILABLE] Server closing\r\n",
    b"* BYE [SERVERBUG] Internal error, session {session}\r\n",
)
POP3_LINES = Lines(
    b"-ERR [SYS/TEMP] Too many connections, try later\r\n",
    b"",  # RFC 1939 has nothing to say unasked
    b"-ERR [SYS/TEMP] Internal error, session {session}\r\n",
)
HTTP_LINES = Lines(
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 10\r\nConnection: close\r\n\r\n"
)


class Service(NamedTuple):
    """A row of the services: its port (RFC 6335 names), and whether TLS comes first (RFC 8314)."""

    name: str
    port: int
    lines: Lines = Lines()
    implicit_tls: bool = False


SMTP = Service("smtp", 25, SMTP_LINES)
SERVICES = (
    SMTP,
    Service("submission", 587, SMTP_LINES),
    Service("submissions", 465, SMTP_LINES, implicit_tls=True),
    Service("imap", 143, IMAP_LINES),
    Service("imaps", 993, IMAP_LINES, implicit_tls=True),
    Service("pop3", 110, POP3_LINES),
    Service("pop3s", 995, POP3_LINES, implicit_tls=True),
)
HTTP = Service("http", 80, HTTP_LINES)
HTTPS = Service("https", 443, HTTP_LINES, implicit_tls=True)
"""Both serve the same: documents of our own domains, the management API, health and figures."""
LMTP = Service("lmtp", 0, SMTP_LINES)
"""Its port is a setting: there is no standard one, and RFC 2033 5 forbids that of SMTP."""


def endpoints(settings: Settings) -> dict[Endpoint, Service]:
    """Every place to listen at."""
    http = (HTTP,) if settings.http.enabled else ()
    https = (HTTPS,) if settings.http.https and settings.mta_sts.https else ()
    found = {
        Endpoint(service.name, host, service.port + settings.server.port_base): service
        for service in (*SERVICES, *http, *https)
        for host in settings.server.bind or ("",)
    }
    lmtp = settings.lmtp
    if lmtp.port:
        found |= {Endpoint(LMTP.name, host, lmtp.port): LMTP for host in lmtp.bind}
    if lmtp.socket:
        found[Endpoint(LMTP.name, "", 0, str(settings.data / lmtp.socket))] = LMTP
    return found
