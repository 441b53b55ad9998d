"""The settings document that Thunderbird and others read before an account is made (autoconfig 1.1).

They ask http://autoconfig.DOMAIN/mail/config-v1.1.xml?emailaddress=WHO; the address counts for nothing here,
the program puts it in itself. Only ways with TLS from the first octet are named (RFC 8314 3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from xml.sax.saxutils import escape

from starlette.responses import Response

from postier.http.documents import Asked, Document

__all__ = ["PATH", "MailService", "autoconfig_document", "autoconfig_documents"]

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


def autoconfig_documents(
    is_ours: Callable[[str], Awaitable[bool]], hostname: str, services: tuple[MailService, ...]
) -> tuple[Document, ...]:
    """`is_ours`: whether a domain (A-labels) is one of ours."""

    async def answer(asked: Asked) -> Response | None:
        domain = asked.host.removeprefix(_PREFIX)
        if domain == asked.host or not await is_ours(domain):
            return None
        return Response(autoconfig_document(domain, hostname, services), media_type="text/xml")

    return (Document(PATH, answer),)
