"""Fetching a policy document over HTTPS (RFC 8461 3.3) from a host that may be hostile.

One GET on a connection of its own: a certificate for the policy host's name, no redirect, `text/plain`,
at most MAX_DOCUMENT octets, and a limit of time for all of it. The address comes from our own resolver, and
one that is not of the public Internet is not asked, so that nobody can point us at the inside of a network.
"""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import IPv4Address, IPv6Address

import h11

from postier.base.networks import is_public
from postier.dns.api import DnsError, NotFound, Resolver
from postier.net.tls import verifying_client_context
from postier.smtp.outbound.mta_sts import MAX_DOCUMENT

__all__ = ["FetchError", "PolicyFetcher"]

FETCH_SECONDS = 60.0
MAX_ADDRESSES = 4
_PATH = "/.well-known/mta-sts.txt"
_NO_REDIRECTS = "the answer is {}, not 200"


class FetchError(Exception):
    """No document. `result_type`: as RFC 8460 4.3 calls it; the message says why."""

    def __init__(self, result_type: str, text: str) -> None:
        super().__init__(text)
        self.result_type = result_type


class PolicyFetcher:
    """`context`: verifies; `allow_private`: also from addresses of this machine and of private networks."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        context: ssl.SSLContext | None = None,
        port: int = 443,
        allow_private: bool = False,
        seconds: float = FETCH_SECONDS,
    ) -> None:
        self._resolver = resolver
        self._context = context or verifying_client_context()
        self._port = port
        self._allow_private = allow_private
        self._seconds = seconds

    async def fetch(self, domain: str) -> bytes:
        """Raises FetchError."""
        host = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._from_any(host)
        except TimeoutError:
            raise FetchError("sts-policy-fetch-error", f"not done within {self._seconds:g} s") from None

    async def _from_any(self, host: str) -> bytes:
        """The first address that a connection can be made to has the word."""
        doubt = "the policy host has no usable address"
        for address in (await self._addresses(host))[:MAX_ADDRESSES]:
            try:
                reader, writer = await asyncio.open_connection(
                    str(address), self._port, ssl=self._context, server_hostname=host, limit=16 * 1024
                )
            except ssl.SSLCertVerificationError as error:
                raise FetchError("sts-webpki-invalid", error.verify_message or str(error)) from error
            except OSError as error:  # ssl.SSLError is one
                doubt = f"no connection: {error.strerror or type(error).__name__}"
                continue
            try:
                return await _get(reader, writer, host)
            except (OSError, h11.RemoteProtocolError) as error:
                raise FetchError("sts-policy-fetch-error", f"no answer in HTTP: {error}") from error
            finally:
                writer.transport.abort()
        raise FetchError("sts-policy-fetch-error", doubt)

    async def _addresses(self, host: str) -> list[IPv4Address | IPv6Address]:
        found: list[IPv4Address | IPv6Address] = []
        for ask in (self._resolver.a, self._resolver.aaaa):
            try:
                found += (await ask(host)).records
            except NotFound:
                break
            except DnsError:
                continue
        return [address for address in found if self._allow_private or is_public(address)]


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> bytes:
    """Raises FetchError, OSError, h11.RemoteProtocolError."""
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", host), ("User-Agent", "Postier"), ("Accept", "text/plain"), ("Connection", "close")]
    writer.write(http.send(h11.Request(method="GET", target=_PATH, headers=headers)) or b"")
    writer.write(http.send(h11.EndOfMessage()) or b"")
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(16 * 1024))
        elif isinstance(event, h11.Response):
            _check(event)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_DOCUMENT:
                raise FetchError("sts-policy-fetch-error", f"more than {MAX_DOCUMENT} octets")
        elif isinstance(event, h11.EndOfMessage):
            return bytes(body)
        elif not isinstance(event, h11.InformationalResponse):
            raise FetchError("sts-policy-fetch-error", "the policy host hung up")


def _check(response: h11.Response) -> None:
    if response.status_code != 200:
        raise FetchError("sts-policy-fetch-error", _NO_REDIRECTS.format(response.status_code))
    kinds = [value for name, value in response.headers if name == b"content-type"]
    kind = kinds[0].partition(b";")[0].strip().lower() if len(kinds) == 1 else b""
    if kind != b"text/plain":
        raise FetchError("sts-policy-fetch-error", "the document is not text/plain")
