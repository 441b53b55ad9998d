"""Whether mail programs get what sets them up: asked for as they ask, under the names that they know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from postier.admin.diagnosis import Finding
from postier.clients.autoconfig import autoconfig_document
from postier.clients.autodiscover_json import autodiscover_json
from postier.clients.pacc import pacc_document
from postier.clients.settings import ClientSettings
from postier.fetch.https import HttpsError

__all__ = ["check_client_documents"]

TYPES = ("text/xml", "application/json")
LIMIT = 64 * 1024


class _Asked(NamedTuple):
    host: str
    path: str
    expected: bytes


def _asked(settings: ClientSettings) -> list[_Asked]:
    domain = settings.domain
    found = [
        _Asked(f"autoconfig.{domain}", "/mail/config-v1.1.xml", autoconfig_document(settings).encode()),
        _Asked(
            f"autodiscover.{domain}",
            f"/autodiscover/autodiscover.json?Email=postmaster@{domain}&Protocol=AutodiscoverV1",
            autodiscover_json(settings, "AutodiscoverV1").body,
        ),
    ]
    pacc = pacc_document(settings)
    if pacc is not None:
        found.append(_Asked(f"ua-auto-config.{domain}", "/.well-known/user-agent-configuration.json", pacc))
    return found


async def check_client_documents(
    get: Callable[..., Awaitable[bytes]], settings: ClientSettings
) -> list[Finding]:
    """A line for each name. `get`: as HttpsFetcher's. Programs that fail here can still be set up by hand, so
    nothing of it has failed."""
    if not settings.web_port:
        return []
    return list(await asyncio.gather(*(_check(get, asked) for asked in _asked(settings))))


async def _check(get: Callable[..., Awaitable[bytes]], asked: _Asked) -> Finding:
    subject = f"settings at {asked.host}"
    try:
        found = await get(asked.host, asked.path, types=TYPES, limit=LIMIT)
    except HttpsError as error:
        if error.bad_certificate:
            said = f"the certificate is not good for {asked.host}: {error}; get one that has this name"
            return Finding("warning", subject, said)
        said = f"mail programs do not get them: {error}; see that it leads to this server, by HTTPS"
        return Finding("warning", subject, said)
    if found != asked.expected:
        return Finding("warning", subject, "something else is answered there than this server tells")
    return Finding("ok", subject, f"mail programs get them from https://{asked.host}")
