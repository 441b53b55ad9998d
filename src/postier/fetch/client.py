"""Asking a host that the administrator has named: GET and POST, at any port, also inside private networks.

What holds for all of them: the host proves who it is (TLS, unless it is this machine), no redirect is
followed, and answers are bounded in size and time.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from urllib.parse import urlencode

from postier.dns.api import Resolver
from postier.fetch.https import HttpsHosts, Request, Wanted
from postier.fetch.url import Url

__all__ = ["HttpClient"]

SECONDS = 10.0


class HttpClient:
    """`context`: verifies."""

    def __init__(
        self, resolver: Resolver, *, context: ssl.SSLContext | None = None, seconds: float = SECONDS
    ) -> None:
        self._resolver = resolver
        self._context = context
        self._seconds = seconds

    async def get(self, url: Url, *, types: Collection[str], limit: int) -> bytes:
        """The document, of one of `types` and with at most `limit` octets. Raises HttpsError."""
        return await self._ask(url, Request("GET", url.authority, url.target), types, limit)

    async def post_form(
        self,
        url: Url,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        types: Collection[str],
        limit: int,
    ) -> bytes:
        """What is answered to a form. Raises HttpsError."""
        said = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        request = Request("POST", url.authority, url.target, said, urlencode(form).encode())
        return await self._ask(url, request, types, limit)

    async def _ask(self, url: Url, request: Request, types: Collection[str], limit: int) -> bytes:
        hosts = HttpsHosts(
            self._resolver,
            context=self._context,
            port=url.port,
            allow_private=True,
            seconds=self._seconds,
            in_clear=not url.is_secure,
        )
        return await hosts.talk(url.host, Wanted(request, types, limit).get)
