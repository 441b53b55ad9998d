"""The document of PACC (draft-ietf-mailmaint-pacc), and the TXT record that vouches for it.

It is fetched from https://ua-auto-config.DOMAIN/.well-known/user-agent-configuration.json, and counts only
where a record at _ua-auto-config.DOMAIN has its digest: every octet of it is part of what was published.
It names hosts and never ports, so it can say nothing of a server whose ports are moved.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

from postier.clients.settings import ClientSettings

__all__ = ["pacc_document", "pacc_document_with_ports", "pacc_record"]


def pacc_document(settings: ClientSettings) -> bytes | None:
    """None where it can't say how this server is reached."""
    return _document(settings, with_ports=False) if settings.has_standard_ports else None


def pacc_document_with_ports(settings: ClientSettings) -> bytes:
    """The same where PACC can say it; else with a "port" for each protocol, which readers of PACC do not
    know: for people and their programs, not to be published."""
    return _document(settings, with_ports=not settings.has_standard_ports)


def _document(settings: ClientSettings, *, with_ports: bool) -> bytes:
    protocols: dict[str, Any] = {}
    for protocol in ("imap", "pop3", "smtp"):
        service = settings.best(protocol)
        if service is not None:
            port = {"port": service.port} if with_ports else {}
            protocols[protocol] = {"host": settings.hostname, **port}
    if settings.jmap:
        protocols["jmap"] = {"url": settings.jmap}
    authentication: dict[str, Any] = {"password": True}
    if settings.oauth:
        authentication["oauth-public"] = {"issuer": settings.oauth.issuer}
    provider: dict[str, Any] = {"name": settings.provider}
    if settings.logo:
        provider["logo"] = [{"url": settings.logo}]
    info: dict[str, Any] = {"provider": provider}
    if settings.help:
        info["help"] = {"documentation": settings.help}
    document = {"protocols": protocols, "authentication": authentication, "info": info}
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def pacc_record(document: bytes) -> str:
    """The text of the TXT record."""
    return f"v=UAAC1; a=sha256; d={b64encode(sha256(document).digest()).decode('ascii')}"
