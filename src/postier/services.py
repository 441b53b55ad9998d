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
    """A row of the services: its port (RFC 6335 names), and whether TLS comes first (RFC 8314).

    `alpn`: names of its protocol in TLS (RFC 7301 6), () to look at none. `takes_logins`: by a client's
    certificate, too, where that is switched on.
    """

    name: str
    port: int
    lines: Lines = Lines()
    implicit_tls: bool = False
    alpn: tuple[bytes, ...] = ()
    takes_logins: bool = False


_SMTP_ALPN = (b"smtp", b"esmtp")
"""Not registered, but what mail servers that send any say."""

SMTP = Service("smtp", 25, SMTP_LINES, alpn=_SMTP_ALPN)
SERVICES = (
    SMTP,
    Service("submission", 587, SMTP_LINES, False, _SMTP_ALPN, takes_logins=True),
    Service("submissions", 465, SMTP_LINES, True, _SMTP_ALPN, takes_logins=True),
    Service("imap", 143, IMAP_LINES, False, (b"imap",), takes_logins=True),
    Service("imaps", 993, IMAP_LINES, True, (b"imap",), takes_logins=True),
    Service("pop3", 110, POP3_LINES, False, (b"pop3",), takes_logins=True),
    Service("pop3s", 995, POP3_LINES, True, (b"pop3",), takes_logins=True),
)
HTTP = Service("http", 80, HTTP_LINES)
HTTPS = Service("https", 443, HTTP_LINES, implicit_tls=True, alpn=(b"http/1.1", b"http/1.0"))
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
