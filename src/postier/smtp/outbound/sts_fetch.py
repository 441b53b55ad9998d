"""Fetching a policy document over HTTPS (RFC 8461 3.3): `text/plain`, at most MAX_DOCUMENT octets."""

from __future__ import annotations

import ssl

from postier.dns.api import Resolver
from postier.fetch.https import HTTPS_SECONDS, HttpsError, HttpsFetcher
from postier.smtp.outbound.mta_sts import MAX_DOCUMENT

__all__ = ["FetchError", "PolicyFetcher"]

_PATH = "/.well-known/mta-sts.txt"


class FetchError(Exception):
    """No document. `result_type`: as RFC 8460 4.3 calls it; the message says why."""

    def __init__(self, result_type: str, text: str) -> None:
        super().__init__(text)
        self.result_type = result_type


class PolicyFetcher:
    """The arguments are those of HttpsFetcher."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        context: ssl.SSLContext | None = None,
        port: int = 443,
        allow_private: bool = False,
        seconds: float = HTTPS_SECONDS,
    ) -> None:
        self._fetcher = HttpsFetcher(
            resolver, context=context, port=port, allow_private=allow_private, seconds=seconds
        )

    async def fetch(self, domain: str) -> bytes:
        """Raises FetchError."""
        try:
            return await self._fetcher.get(
                f"mta-sts.{domain}", _PATH, types=("text/plain",), limit=MAX_DOCUMENT
            )
        except HttpsError as error:
            kind = "sts-webpki-invalid" if error.bad_certificate else "sts-policy-fetch-error"
            raise FetchError(kind, str(error)) from error
