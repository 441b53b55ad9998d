"""Handing a report over by HTTPS (RFC 8460 5.4) to a host that anybody may name in the DNS.

One POST on a connection of its own: no redirect, at most MAX_ANSWER octets of answer, and a limit of time for
all of it. An address that is not of the public Internet is not asked, so that nobody can point us at the
inside of a network. The certificate must be good: what is reported is nobody else's business.
"""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import IPv4Address, IPv6Address

import h11

from postier.base.networks import is_public
from postier.dns.api import DnsError, NotFound, Resolver
from postier.net.tls import verifying_client_context
from postier.reports.out.destinations import Destination

__all__ = ["HttpsPost", "PostError"]

POST_SECONDS = 60.0
MAX_ADDRESSES = 4
MAX_ANSWER = 64 * 1024
_AGAIN = (408, 425, 429)


class PostError(Exception):
    """Not handed over. `permanent`: the host refused the report itself."""

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class HttpsPost:
    """`context`: verifies; `allow_private`: also to addresses of this machine and of private networks."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        context: ssl.SSLContext | None = None,
        port: int = 443,
        allow_private: bool = False,
        seconds: float = POST_SECONDS,
    ) -> None:
        self._resolver = resolver
        self._context = context or verifying_client_context()
        self._port = port
        self._allow_private = allow_private
        self._seconds = seconds

    async def post(self, to: Destination, content: bytes, media_type: str) -> None:
        """Raises PostError."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._to_any(to, content, media_type)
        except TimeoutError:
            raise PostError(f"not done within {self._seconds:g} s") from None

    async def _to_any(self, to: Destination, content: bytes, media_type: str) -> None:
        """The first address that a connection can be made to has the word."""
        doubt = "the host has no usable address"
        for address in (await self._addresses(to.host))[:MAX_ADDRESSES]:
            try:
                reader, writer = await asyncio.open_connection(
                    str(address), self._port, ssl=self._context, server_hostname=to.host, limit=16 * 1024
                )
            except OSError as error:  # ssl.SSLError is one
                why = getattr(error, "verify_message", "") or error.strerror or type(error).__name__
                doubt = f"no connection: {why}"
                continue
            try:
                return await _post(reader, writer, to, content, media_type)
            except (OSError, h11.RemoteProtocolError) as error:
                raise PostError(f"no answer in HTTP: {error}") from error
            finally:
                writer.transport.abort()
        raise PostError(doubt)

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


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Destination, content: bytes, kind: str
) -> None:
    """Raises PostError, OSError, h11.RemoteProtocolError."""
    http = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", to.host),
        ("User-Agent", "Postier"),
        ("Content-Type", kind),
        ("Content-Length", str(len(content))),
        ("Connection", "close"),
    ]
    writer.write(http.send(h11.Request(method="POST", target=to.target, headers=headers)) or b"")
    writer.write(http.send(h11.Data(data=content)) or b"")
    writer.write(http.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    received = 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(16 * 1024)
            received += len(data)
            if received > MAX_ANSWER:
                raise PostError(f"the answer is longer than {MAX_ANSWER} octets")
            http.receive_data(data)
        elif isinstance(event, h11.Response):
            return _judge(event.status_code)
        elif not isinstance(event, h11.InformationalResponse):
            raise PostError("the host hung up")


def _judge(status: int) -> None:
    """Any success will do (5.4); a refusal that will not change is one of the report itself."""
    if not 200 <= status < 300:
        raise PostError(f"the answer is {status}", permanent=400 <= status < 500 and status not in _AGAIN)
