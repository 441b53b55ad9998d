"""A stub resolver: questions to recursive servers over UDP, over TCP where the answer does not fit.

Against forged answers: a fresh socket and so a fresh port for each try, a random id, the question compared
(RFC 5452). Servers are asked in turn; the whole of it takes at most `timeout`. Nothing is kept here: put a
CachingResolver before it.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, TypeVar, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from postier.base.clock import Clock
from postier.dns.api import Answer, Caa, Mx, NotFound, Srv, TemporaryFailure, Tlsa

__all__ = ["DnsClient", "system_servers"]

Server = tuple[str, int]
_T = TypeVar("_T")

MAX_CNAMES = 8
MAX_RECORDS = 500
PAYLOAD = 1232  # RFC 9715: what fits in every path's packets
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NEVER_ASKED = frozenset({"invalid", "onion"})  # RFC 6761 6.4, RFC 7686
_ATTEMPTS = 3


def system_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[Server, ...]:
    """The name servers that the machine is set to use; the loopback where it names none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    found = tuple((word[1], 53) for word in words if len(word) > 1 and word[0] == "nameserver")
    return found or (("127.0.0.1", 53),)


class DnsClient:
    """The Resolver of `dns.api` on real servers.

    `servers`: (address, port) in the order of preference; none: those of /etc/resolv.conf. `timeout`: seconds
    for one question with all its tries. Answers count as `secure` only where the server sets AD and is
    reached over the loopback, or is one of `validating` (addresses): who vouches for an answer must be
    reached over a way that nobody else is on (RFC 4035 4.9.3).
    """

    def __init__(
        self,
        servers: Sequence[Server] = (),
        *,
        clock: Clock,
        timeout: float = 5.0,
        validating: Sequence[str] = (),
    ) -> None:
        self._servers = tuple(servers) or system_servers()
        self._clock = clock
        self._timeout = timeout
        self._validating = frozenset(validating)

    async def a(self, name: str) -> Answer[IPv4Address]:
        return await self._ask(name, dns.rdatatype.A, lambda rdata: IPv4Address(rdata.address))

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return await self._ask(name, dns.rdatatype.AAAA, lambda rdata: IPv6Address(rdata.address))

    async def mx(self, name: str) -> Answer[Mx]:
        return await self._ask(
            name, dns.rdatatype.MX, lambda rdata: Mx(rdata.preference, _host(rdata.exchange))
        )

    async def txt(self, name: str) -> Answer[bytes]:
        return await self._ask(name, dns.rdatatype.TXT, lambda rdata: b"".join(rdata.strings))

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        return await self._ask(address.reverse_pointer, dns.rdatatype.PTR, lambda rdata: _host(rdata.target))

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return await self._ask(
            name, dns.rdatatype.TLSA, lambda rdata: Tlsa(rdata.usage, rdata.selector, rdata.mtype, rdata.cert)
        )

    async def srv(self, name: str) -> Answer[Srv]:
        return await self._ask(
            name,
            dns.rdatatype.SRV,
            lambda rdata: Srv(rdata.priority, rdata.weight, rdata.port, _host(rdata.target)),
        )

    async def caa(self, name: str) -> Answer[Caa]:
        return await self._ask(name, dns.rdatatype.CAA, _caa)

    async def _ask(
        self, name: str, kind: dns.rdatatype.RdataType, convert: Callable[[Any], _T]
    ) -> Answer[_T]:
        name = name.lower().removesuffix(".")
        if not _is_name(name) or name.rpartition(".")[2] in _NEVER_ASKED:
            raise NotFound(f"{name!r} is no name to ask for")
        if name == "localhost" or name.endswith(".localhost"):
            return _localhost(name, kind, convert)
        query = dns.message.make_query(
            name + ".", kind, use_edns=0, payload=PAYLOAD, flags=dns.flags.RD | dns.flags.AD
        )
        response, secure = await self._exchange(query)
        return _read(response, secure, name, kind, convert)

    async def _exchange(self, query: dns.message.Message) -> tuple[dns.message.Message, bool]:
        """The first usable response, and whether its AD bit may be believed. Raises TemporaryFailure."""
        deadline = self._clock.monotonic() + self._timeout
        tries = max(_ATTEMPTS, len(self._servers))
        problem = "no answer in time"
        wire = query.to_wire()
        for attempt in range(tries):
            server = self._servers[attempt % len(self._servers)]
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left / (tries - attempt)):
                    response = await _ask_server(server, query, wire)
            except TimeoutError:
                continue
            except OSError as error:
                problem = f"name server: {error.strerror or 'cannot be reached'}"
                continue
            if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                believed = _is_loopback(server[0]) or server[0] in self._validating
                return response, believed and bool(response.flags & dns.flags.AD)
            problem = dns.rcode.to_text(response.rcode())
            if attempt + 1 >= len(self._servers):
                break  # every server has had its say
        raise TemporaryFailure(f"{query.question[0].to_text()}: {problem}")


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


def _caa(rdata: Any) -> Caa:
    tag, value = rdata.tag.decode("ascii", "replace"), rdata.value.decode("ascii", "replace")
    return Caa(bool(rdata.flags & 128), tag.lower(), value)


def _localhost(name: str, kind: dns.rdatatype.RdataType, convert: Callable[[Any], _T]) -> Answer[_T]:
    """RFC 6761 6.3: the loopback, without asking anybody."""
    address = {dns.rdatatype.A: "127.0.0.1", dns.rdatatype.AAAA: "::1"}.get(kind)
    if address is None:
        return Answer((), name=name)
    return Answer((convert(dns.rdata.from_text(dns.rdataclass.IN, kind, address)),), name=name)


def _read(
    response: dns.message.Message,
    secure: bool,
    name: str,
    kind: dns.rdatatype.RdataType,
    convert: Callable[[Any], _T],
) -> Answer[_T]:
    """The records of `kind` at the end of the CNAMEs in the answer. Raises NotFound, TemporaryFailure."""
    answer = [rrset for rrset in response.answer if rrset.rdclass == dns.rdataclass.IN]
    sections = {(rrset.name, rrset.rdtype): rrset for rrset in answer}
    owner = dns.name.from_text(name + ".")
    ttls: list[int] = []
    for _ in range(MAX_CNAMES + 1):
        found = sections.get((owner, kind))
        alias = sections.get((owner, dns.rdatatype.CNAME))
        if found is not None or alias is None:
            break
        ttls.append(alias.ttl)
        owner = cast("Any", alias[0]).target
    else:
        raise TemporaryFailure(f"{name}: too many CNAMEs")
    if found is None:
        ttl = min([*ttls, _negative_ttl(response)])
        if response.rcode() == dns.rcode.NXDOMAIN:
            raise NotFound(f"{name} does not exist", secure=secure, ttl=ttl)
        return Answer((), ttl, secure, _host(owner))
    records = tuple([convert(rdata) for rdata in list(found)[:MAX_RECORDS]])
    return Answer(records, min([*ttls, found.ttl]), secure, _host(owner))


def _negative_ttl(response: dns.message.Message) -> int:
    """RFC 2308 5: the lesser of the SOA's own TTL and its minimum; 0 without one."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(rrset.ttl, int(cast("Any", rrset[0]).minimum))
    return 0


async def _ask_server(server: Server, query: dns.message.Message, wire: bytes) -> dns.message.Message:
    """One try, UDP and where needed TCP. Raises OSError; waits for ever where no answer comes."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[dns.message.Message] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Question(query, wire, answered), remote_addr=server
    )
    try:
        response = await answered
    finally:
        transport.close()
    return await _ask_tcp(server, query, wire) if response.flags & dns.flags.TC else response


class _Question(asyncio.DatagramProtocol):
    """One question on a connected socket; what does not answer it is left aside (RFC 5452 9.1)."""

    def __init__(
        self, query: dns.message.Message, wire: bytes, answered: asyncio.Future[dns.message.Message]
    ) -> None:
        self._query = query
        self._wire = wire
        self._answered = answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._wire)

    def datagram_received(self, data: bytes, addr: object) -> None:
        response = _response_to(self._query, data)
        if response is not None and not self._answered.done():
            self._answered.set_result(response)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


def _response_to(query: dns.message.Message, data: bytes) -> dns.message.Message | None:
    """The message in `data` if it answers `query`; a truncated one may be cut anywhere."""
    try:
        response = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
    except dns.exception.DNSException:
        return None
    return response if query.is_response(response) else None


async def _ask_tcp(server: Server, query: dns.message.Message, wire: bytes) -> dns.message.Message:
    """RFC 7766. Raises OSError, also for a connection that ends early or an answer to something else."""
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        response = _response_to(query, await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("the name server hung up") from None
    finally:
        writer.close()
    if response is None:
        raise ConnectionResetError("the name server answered something else")
    return response
