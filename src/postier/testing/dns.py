"""A DNS of plain maps: `ZoneResolver` for tests, `DnsServer` for the demo's Internet.

    ZoneResolver({
        "a.example": [("A", "192.0.2.1"), ("MX", (10, "mx.a.example")), ("TXT", "v=spf1 mx -all")],
        "late.example": [("TXT", "TIMEOUT"), "TIMEOUT"],
    })

A record is (type, value): A, AAAA, PTR, CNAME, NS: text; MX: (preference, exchange); TXT: text, bytes, or a
list of them (the character-strings of one record); TLSA: (usage, selector, matching type, bytes); SRV:
(priority, weight, port, target); CAA: (flags, tag, value). The value "TIMEOUT" makes questions of that type
go unanswered, "TIMEOUT" in place of a record those of every type that has no record. A name
that only has names below it exists (RFC 8020).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

from postier.dns.api import Answer, Caa, Mx, NotFound, Srv, TemporaryFailure, Tlsa

__all__ = ["DnsServer", "Zone", "ZoneResolver"]

Zone = Mapping[str, Sequence[object]]
_T = TypeVar("_T")
_TTL = 300
_MAX_CNAMES = 8
_PORT_TRIES = 20


class _Timeout(Exception):
    """The zone wants silence."""


class _Names:
    """The zone with names in lower case: who exists, and what a question of one type finds."""

    def __init__(self, zone: Zone) -> None:
        self.records: dict[str, dict[str, list[object]]] = {}
        self.silent: set[str] = set()
        self.above: set[str] = set()
        for name, entries in zone.items():
            key = name.lower().removesuffix(".")
            types = self.records.setdefault(key, {})
            for entry in entries:
                if entry == "TIMEOUT":
                    self.silent.add(key)
                else:
                    kind, value = cast("tuple[str, object]", entry)
                    types.setdefault(kind, []).append(value)
            labels = key.split(".")
            self.above.update(".".join(labels[i:]) for i in range(1, len(labels)))

    def find(self, name: str, kind: str) -> list[object] | None:
        """The values, without following a CNAME; None: no such name. Raises _Timeout."""
        types = self.records.get(name)
        if types is None:
            return [] if name in self.above else None
        values = types.get(kind, [])
        if "TIMEOUT" in values or (not values and name in self.silent):
            raise _Timeout
        return values

    def follow(self, name: str, kind: str) -> tuple[list[tuple[str, str]], str, list[object] | None]:
        """The CNAMEs on the way as (owner, target), the last owner, its values. Raises _Timeout."""
        chain: list[tuple[str, str]] = []
        owner = name.lower().removesuffix(".")
        while True:
            aliases = self.records.get(owner, {}).get("CNAME")
            if not aliases or kind == "CNAME" or len(chain) > _MAX_CNAMES:
                return chain, owner, self.find(owner, kind)
            target = str(aliases[0]).lower().removesuffix(".")
            chain.append((owner, target))
            owner = target


def _octets(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _strings(value: object) -> list[bytes]:
    """The character-strings of one TXT record."""
    pieces = value if isinstance(value, list | tuple) else [value]
    return [_octets(piece) for piece in pieces] or [b""]


def _host(value: object) -> str:
    return str(value).lower().removesuffix(".")


def _mx(value: object) -> Mx:
    preference, exchange = cast("tuple[int, str]", value)
    return Mx(preference, _host(exchange))


def _srv(value: object) -> Srv:
    priority, weight, port, target = cast("tuple[int, int, int, str]", value)
    return Srv(priority, weight, port, _host(target))


class ZoneResolver:
    """A Resolver over a zone; `questions` lists what was asked as (type, name), in order.

    `secure`: whether its answers count as validated (DNSSEC).
    """

    def __init__(self, zone: Zone, *, secure: bool = False) -> None:
        self._names = _Names(zone)
        self._secure = secure
        self.questions: list[tuple[str, str]] = []

    def _ask(self, name: str, kind: str, convert: Callable[[object], _T]) -> Answer[_T]:
        self.questions.append((kind, name))
        try:
            chain, owner, values = self._names.follow(name, kind)
        except _Timeout:
            raise TemporaryFailure(f"no answer for {kind} {name}") from None
        if len(chain) > _MAX_CNAMES:
            raise TemporaryFailure(f"too many CNAMEs from {name}")
        if values is None:
            raise NotFound(f"{name} does not exist", secure=self._secure)
        return Answer(tuple(convert(value) for value in values), _TTL, self._secure, owner)

    async def a(self, name: str) -> Answer[IPv4Address]:
        return self._ask(name, "A", lambda value: IPv4Address(str(value)))

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return self._ask(name, "AAAA", lambda value: IPv6Address(str(value)))

    async def mx(self, name: str) -> Answer[Mx]:
        return self._ask(name, "MX", _mx)

    async def txt(self, name: str) -> Answer[bytes]:
        return self._ask(name, "TXT", lambda value: b"".join(_strings(value)))

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        return self._ask(address.reverse_pointer, "PTR", _host)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return self._ask(name, "TLSA", lambda value: Tlsa(*cast("tuple[int, int, int, bytes]", value)))

    async def srv(self, name: str) -> Answer[Srv]:
        return self._ask(name, "SRV", _srv)

    async def caa(self, name: str) -> Answer[Caa]:
        return self._ask(name, "CAA", _caa)


def _caa(value: object) -> Caa:
    flags, tag, text = cast("tuple[int, str, str]", value)
    return Caa(bool(flags & 128), tag.lower(), text)


def _rdata_text(kind: str, value: object) -> str:
    match kind:
        case "MX":
            preference, exchange = cast("tuple[int, str]", value)
            return f"{preference} {_host(exchange)}."
        case "TLSA":
            usage, selector, matching_type, data = cast("tuple[int, int, int, bytes]", value)
            return f"{usage} {selector} {matching_type} {data.hex()}"
        case "SRV":
            record = _srv(value)
            return f"{record.priority} {record.weight} {record.port} {record.target}."
        case "CAA":
            flags, tag, text = cast("tuple[int, str, str]", value)
            return f'{flags} {tag} "{text}"'
        case "CNAME" | "PTR" | "NS":
            return f"{_host(value)}."
        case _:
            return str(value)


def _rdata(kind: str, value: object) -> dns.rdata.Rdata:
    if kind == "TXT":
        pieces = [text[i : i + 255] for text in _strings(value) for i in range(0, len(text) or 1, 255)]
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, pieces)
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), _rdata_text(kind, value))


def _rrset(owner: str, kind: str, values: Sequence[object]) -> dns.rrset.RRset:
    rdatas = [_rdata(kind, value) for value in values]
    return dns.rrset.from_rdata_list(dns.name.from_text(owner + "."), _TTL, rdatas)


class DnsServer:
    """A small DNS server: the zone is all there is, anything else is NXDOMAIN.

    UDP answers too big for the asker come back truncated and whole over TCP (RFC 7766). It knows no
    delegation and no DNSSEC; with `secure` it sets AD where asked, as a validating resolver would.
    """

    def __init__(self, zone: Zone, *, secure: bool = False) -> None:
        self._names = _Names(zone)
        self._secure = secure
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self.port = 0

    def replace_zone(self, zone: Zone) -> None:
        """From the next question on, answer from `zone`."""
        self._names = _Names(zone)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Answer on UDP and TCP; `port` 0 takes a free one, `self.port` says which. Raises OSError."""
        for attempt in range(_PORT_TRIES):
            self._tcp = await asyncio.start_server(self._serve_tcp, host, port)
            self.port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(host, self.port)
                )
                return
            except OSError:
                await self.close()
                if port or attempt == _PORT_TRIES - 1:  # a port that is free for TCP may not be for UDP
                    raise

    async def close(self) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            for connection in tuple(self._connections):
                connection.close()
            await self._tcp.wait_closed()
        self._udp = self._tcp = None

    def answer(self, wire: bytes, *, over_udp: bool) -> bytes | None:
        """The response to a query; None where the zone wants silence or the bytes are no query."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1 or query.opcode() != dns.opcode.QUERY:
            return None
        response = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        try:
            chain, owner, values = self._names.follow(name, dns.rdatatype.to_text(question.rdtype))
        except _Timeout:
            return None
        self._fill(response, chain, owner, values, dns.rdatatype.to_text(question.rdtype))
        if self._secure and query.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        return _to_wire(response, (query.payload if query.edns >= 0 else 512) if over_udp else 65535)

    def _fill(
        self,
        response: dns.message.Message,
        chain: list[tuple[str, str]],
        owner: str,
        values: list[object] | None,
        kind: str,
    ) -> None:
        response.flags |= dns.flags.AA
        for alias, target in chain:
            response.answer.append(_rrset(alias, "CNAME", [target]))
        if values:
            response.answer.append(_rrset(owner, kind, values))
            return
        if values is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        soa = f"ns.invalid. hostmaster.invalid. 1 3600 600 86400 {_TTL}"
        response.authority.append(dns.rrset.from_text(".", _TTL, "IN", "SOA", soa))

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                response = self.answer(await reader.readexactly(length), over_udp=False)
                if response is not None:
                    writer.write(struct.pack("!H", len(response)) + response)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the asker has left, as it may after every answer
        finally:
            self._connections.discard(writer)
            writer.close()


def _to_wire(response: dns.message.Message, limit: int) -> bytes:
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=limit)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.answer(data, over_udp=True)
        if response is not None:
            self._transport.sendto(response, addr)
