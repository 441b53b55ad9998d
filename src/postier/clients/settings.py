"""What a mail program must know about a domain here: the one object that all documents are made of."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

__all__ = ["ClientSettings", "MailService", "OAuthProvider", "Security"]

STANDARD_PORTS = {"imap": 993, "pop3": 995, "smtp": 465}
"""With TLS from the first octet (RFC 8314 7.3)."""


class Security(enum.Enum):
    """How TLS begins: with the first octet (RFC 8314 3), or by a command (RFC 2595, RFC 3207)."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"


class MailService(NamedTuple):
    """`protocol`: "imap", "pop3" or "smtp"."""

    protocol: str
    port: int
    security: Security = Security.TLS


class OAuthProvider(NamedTuple):
    """`issuer` is a URL (RFC 8414 2). What is not known is ""."""

    issuer: str
    authorization: str = ""
    token: str = ""
    scope: str = ""
    client: str = ""

    @property
    def is_complete(self) -> bool:
        return all(self)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """`domain` and `hostname` in A-labels. `services`: the best of each protocol first. `web_port`: where
    this server, or one in front of it, speaks HTTPS; 0 for nowhere. `help`, `logo`: URLs, or "". `jmap`: of
    the session resource (RFC 8620 2), or "". `name`: of who provides the mailboxes."""

    domain: str
    hostname: str
    services: tuple[MailService, ...]
    web_port: int = 443
    name: str = ""
    help: str = ""
    logo: str = ""
    jmap: str = ""
    oauth: OAuthProvider | None = None

    def knowing(self, oauth: OAuthProvider | None) -> ClientSettings:
        """With all that is known of the provider of tokens; None leaves it as it is."""
        return self if oauth is None else replace(self, oauth=oauth)

    @property
    def provider(self) -> str:
        return self.name or self.domain

    def of(self, protocol: str) -> Iterator[MailService]:
        return (service for service in self.services if service.protocol == protocol)

    def best(self, protocol: str) -> MailService | None:
        return next(self.of(protocol), None)

    def url(self, path: str, host: str = "") -> str:
        """Of one of our documents; `host`: the server's own name where it is not given. "" without HTTPS."""
        if not self.web_port:
            return ""
        port = "" if self.web_port == 443 else f":{self.web_port}"
        return f"https://{host or self.hostname}{port}{path}"

    @property
    def has_standard_ports(self) -> bool:
        """Whether every protocol is found by who knows only its name (RFC 8314 7.3)."""
        return self.web_port in (0, 443) and all(
            any(
                s.port == STANDARD_PORTS[s.protocol] and s.security is Security.TLS for s in self.of(protocol)
            )
            for protocol in {service.protocol for service in self.services}
        )
