"""HTTPS with a host that may be hostile: one request on a connection of its own.

A certificate for the host's name, no redirect, a limit of time for all of it; of a document the type that is
wanted and a limit of octets. The address comes from our own resolver, and one that is not of the
public Internet is not asked, so that nobody can point us at the inside of a network.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeVar

import h11

from postier.base.networks import is_public
from postier.dns.api import DnsError, NotFound, Resolver
from postier.fetch.url import LOCALHOST, literal
from postier.net.tls import verifying_client_context

__all__ = ["HTTPS_SECONDS", "HttpsError", "HttpsFetcher", "HttpsHosts", "Request", "Wanted"]

HTTPS_SECONDS = 60.0
MAX_ADDRESSES = 4

Answer = TypeVar("Answer")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Answer]]


class HttpsError(Exception):
    """No answer, or not the one that is wanted; the message says why.

    `bad_certificate`: the host could not prove who it is; `status`: what it answered in place of 200."""

    def __init__(self, text: str, *, bad_certificate: bool = False, status: int = 0) -> None:
        super().__init__(text)
        self.bad_certificate = bad_certificate
        self.status = status


class HttpsHosts:
    """`context`: verifies; `allow_private`: also addresses of this machine and of private networks;
    `seconds`: for all that is asked of a host; `in_clear`: without TLS, of this machine only."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        context: ssl.SSLContext | None = None,
        port: int = 443,
        allow_private: bool = False,
        seconds: float = HTTPS_SECONDS,
        in_clear: bool = False,
    ) -> None:
        self._resolver = resolver
        self._in_clear = in_clear
        self._context = None if in_clear else context or verifying_client_context()
        self._port = port
        self._allow_private = allow_private
        self._seconds = seconds

    async def talk(self, host: str, talk: Talk[Answer]) -> Answer:
        """What `talk` makes of a connection to `host` (A-labels) that proved to be it; the first address that
        a connection can be made to has the word. Raises HttpsError, and what `talk` raises beside OSError and
        h11.RemoteProtocolError."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._with_any(host, talk)
        except TimeoutError:
            raise HttpsError(f"not done within {self._seconds:g} s") from None

    async def _with_any(self, host: str, talk: Talk[Answer]) -> Answer:
        doubt = f"{host} has no usable address"
        for address in (await self._addresses(host))[:MAX_ADDRESSES]:
            try:
                reader, writer = await asyncio.open_connection(
                    str(address),
                    self._port,
                    ssl=self._context,
                    server_hostname=None if self._in_clear else host,
                    limit=16 * 1024,
                )
            except ssl.SSLCertVerificationError as error:
                raise HttpsError(error.verify_message or str(error), bad_certificate=True) from error
            except OSError as error:  # ssl.SSLError is one
                doubt = f"no connection: {error.strerror or type(error).__name__}"
                continue
            try:
                return await talk(reader, writer)
            except (OSError, h11.RemoteProtocolError) as error:
                raise HttpsError(f"no answer in HTTP: {error}") from error
            finally:
                writer.transport.abort()
        raise HttpsError(doubt)

    async def _addresses(self, host: str) -> list[IPv4Address | IPv6Address]:
        if (address := literal(host)) is not None:
            found = [address]
        elif host == LOCALHOST:  # RFC 6761 6.3: no question for the DNS
            found = [IPv4Address("127.0.0.1"), IPv6Address("::1")]
        else:
            found = await self._looked_up(host)
        if self._in_clear:
            return [address for address in found if address.is_loopback]
        return [address for address in found if self._allow_private or is_public(address)]

    async def _looked_up(self, host: str) -> list[IPv4Address | IPv6Address]:
        found: list[IPv4Address | IPv6Address] = []
        for ask in (self._resolver.a, self._resolver.aaaa):
            try:
                found += (await ask(host)).records
            except NotFound:
                break
            except DnsError:
                continue
        return found


class Request(NamedTuple):
    """`authority`: for the Host field. `headers`: further ones."""

    method: str
    authority: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class HttpsFetcher(HttpsHosts):
    """GET of a document."""

    async def get(self, host: str, target: str, *, types: Collection[str], limit: int) -> bytes:
        """The document at `target` (path and query) of `host` (A-labels), of one of `types` and with at most
        `limit` octets. Raises HttpsError."""
        return await self.talk(host, Wanted(Request("GET", host, target), types, limit).get)


class Wanted:
    """One request, and what its answer may be."""

    def __init__(self, request: Request, types: Collection[str], limit: int) -> None:
        length = {"Content-Length": str(len(request.body))} if request.body else {}
        headers = {
            "Host": request.authority,
            "User-Agent": "Postier",
            "Accept": "*/*",
            "Connection": "close",
            **request.headers,
            **length,
        }
        self._request = h11.Request(
            method=request.method, target=request.target, headers=list(headers.items())
        )
        self._body = request.body
        self._types = types
        self._limit = limit

    async def get(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Raises HttpsError, OSError, h11.RemoteProtocolError."""
        http = h11.Connection(h11.CLIENT)
        writer.write(http.send(self._request) or b"")
        if self._body:
            writer.write(http.send(h11.Data(self._body)) or b"")
        writer.write(http.send(h11.EndOfMessage()) or b"")
        body = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(16 * 1024))
            elif isinstance(event, h11.Response):
                self._check(event)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._limit:
                    raise HttpsError(f"more than {self._limit} octets")
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body)
            elif not isinstance(event, h11.InformationalResponse):
                raise HttpsError("the host hung up")

    def _check(self, response: h11.Response) -> None:
        if response.status_code != 200:
            status = response.status_code
            raise HttpsError(f"the answer is {status}, not 200", status=status)
        kinds = [value for name, value in response.headers if name == b"content-type"]
        kind = kinds[0].partition(b";")[0].strip().lower().decode("latin-1") if len(kinds) == 1 else ""
        if kind not in self._types:
            raise HttpsError(f"the document is not {' or '.join(self._types)}")
