"""The settings document that Thunderbird and others read before an account is made (autoconfig 1.1).

They ask http://autoconfig.DOMAIN/mail/config-v1.1.xml?emailaddress=WHO; the address counts for nothing here,
the program puts it in itself. Only ways with TLS from the first octet are named (RFC 8314 3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from xml.sax.saxutils import escape

__all__ = ["PATH", "Autoconfig", "MailService", "autoconfig_document"]

PATH = "/mail/config-v1.1.xml"
_PREFIX = "autoconfig."
_SERVER = """\
    <{direction}Server type="{protocol}">
      <hostname>{hostname}</hostname>
      <port>{port}</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </{direction}Server>
"""
_DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="{domain}">
    <domain>{domain}</domain>
    <displayName>{domain}</displayName>
    <displayShortName>{domain}</displayShortName>
{servers}  </emailProvider>
</clientConfig>
"""


class MailService(NamedTuple):
    """`protocol`: "imap", "pop3" or "smtp"; on `port` with TLS from the first octet."""

    protocol: str
    port: int


def autoconfig_document(domain: str, hostname: str, services: tuple[MailService, ...]) -> str:
    """Programs take the first way that they can."""
    servers = "".join(
        _SERVER.format(
            direction="outgoing" if service.protocol == "smtp" else "incoming",
            protocol=service.protocol,
            hostname=escape(hostname),
            port=service.port,
        )
        for service in services
    )
    return _DOCUMENT.format(domain=escape(domain), servers=servers)


class Autoconfig:
    """`is_ours`: whether a domain (A-labels) is one of ours."""

    def __init__(
        self, is_ours: Callable[[str], Awaitable[bool]], hostname: str, services: tuple[MailService, ...]
    ) -> None:
        self._is_ours = is_ours
        self._hostname = hostname
        self._services = services

    async def answer(self, host: str) -> str | None:
        """The document for who asked `host` (the Host field) for PATH; None where there is none.

        Raises what `is_ours` raises.
        """
        name = host.partition(":")[0].removesuffix(".").lower()
        domain = name.removeprefix(_PREFIX)
        known = name.startswith(_PREFIX) and name.isascii() and len(name) <= 253
        if not known or not await self._is_ours(domain):
            return None
        return autoconfig_document(domain, self._hostname, self._services)
