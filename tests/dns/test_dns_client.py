"""The client and the demo's server, over real sockets of the loopback."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest

from postier.base.clock import SystemClock
from postier.dns.api import Caa, Mx, NotFound, Srv, TemporaryFailure, Tlsa
from postier.dns.client import DnsClient, system_servers
from postier.testing.dns import DnsServer, Zone

LONG = b"v=DKIM1; p=" + b"A" * 600
ZONE: dict[str, list[object]] = {
    "a.test": [
        ("A", "192.0.2.1"),
        ("A", "192.0.2.2"),
        ("AAAA", "2001:db8::1"),
        ("MX", (10, "Mail.A.test")),
        ("MX", (0, "")),
        ("TXT", LONG),
        ("TXT", ["v=spf1 ", "-all"]),
        ("CAA", (0, "Issue", "ca.test; validationmethods=dns-01")),
        ("CAA", (128, "tbs", "x")),
    ],
    "www.a.test": [("CNAME", "a.test")],
    "loop.test": [("CNAME", "loop.test")],
    "big.test": [("TXT", b"x" * 250) for _ in range(20)],
    "1.2.0.192.in-addr.arpa": [("PTR", "Mail.a.test")],
    "_25._tcp.mail.a.test": [("TLSA", (3, 1, 1, b"\x01" * 32))],
    "_imaps._tcp.a.test": [("SRV", (0, 1, 993, "Mail.a.test")), ("SRV", (9, 0, 0, ""))],
    "late.test": ["TIMEOUT"],
}


def with_server(
    use: Callable[[DnsClient, DnsServer], Awaitable[Any]], zone: Zone = ZONE, **options: Any
) -> Any:
    async def run() -> Any:
        server = DnsServer(zone, **options)
        await server.start()
        try:
            client = DnsClient([("127.0.0.1", server.port)], clock=SystemClock(), timeout=0.3)
            return await use(client, server)
        finally:
            await server.close()

    return asyncio.run(run())


ANSWERS: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("a", "a.test", (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"))),
    ("a", "A.TEST.", (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"))),
    ("aaaa", "a.test", (IPv6Address("2001:db8::1"),)),
    ("mx", "a.test", (Mx(10, "mail.a.test"), Mx(0, ""))),
    ("txt", "a.test", (LONG, b"v=spf1 -all")),
    ("ptr", ip_address("192.0.2.1"), ("mail.a.test",)),
    ("tlsa", "_25._tcp.mail.a.test", (Tlsa(3, 1, 1, b"\x01" * 32),)),
    ("srv", "_imaps._tcp.a.test", (Srv(0, 1, 993, "mail.a.test"), Srv(9, 0, 0, ""))),
    ("caa", "a.test", (Caa(False, "issue", "ca.test; validationmethods=dns-01"), Caa(True, "tbs", "x"))),
    ("aaaa", "_25._tcp.mail.a.test", ()),
    ("a", "_tcp.mail.a.test", ()),  # only names below it
    ("a", "localhost", (IPv4Address("127.0.0.1"),)),
    ("mx", "localhost", ()),
]


@pytest.mark.parametrize(("kind", "subject", "records"), ANSWERS)
def test_answers(kind: str, subject: Any, records: tuple[Any, ...]) -> None:
    answer = with_server(lambda client, _: getattr(client, kind)(subject))
    assert set(answer.records) == set(records)
    assert not answer.secure


def test_a_cname_is_followed() -> None:
    answer = with_server(lambda client, _: client.a("www.a.test"))
    assert len(answer.records) == 2
    assert answer.name == "a.test"


def test_what_does_not_fit_comes_over_tcp() -> None:
    answer = with_server(lambda client, _: client.txt("big.test"))
    assert len(answer.records) == 1  # equal records are one (RFC 2181 5)
    zone = {"big.test": [("TXT", b"%03d" % i + b"x" * 247) for i in range(20)]}
    assert len(with_server(lambda client, _: client.txt("big.test"), zone).records) == 20


@pytest.mark.parametrize(
    "name", ["no.test", "a.invalid", "x.onion", "a..b", "-a.test", "a b.test", "é.test", "a" * 300]
)
def test_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        with_server(lambda client, _: client.a(name))


def test_the_negative_ttl_is_told() -> None:
    with pytest.raises(NotFound) as absent:
        with_server(lambda client, _: client.a("no.test"))
    assert absent.value.ttl == 300
    assert with_server(lambda client, _: client.aaaa("www.a.test")).ttl == 300


@pytest.mark.parametrize("name", ["late.test", "loop.test"])
def test_temporary_failure(name: str) -> None:
    with pytest.raises(TemporaryFailure):
        with_server(lambda client, _: client.a(name))


def test_nobody_listens() -> None:
    async def run() -> None:
        server = DnsServer({})
        await server.start()
        await server.close()
        await DnsClient([("127.0.0.1", server.port)], clock=SystemClock(), timeout=0.3).a("a.test")

    with pytest.raises(TemporaryFailure):
        asyncio.run(run())


def test_the_next_server_is_asked() -> None:
    async def use(_: DnsClient, server: DnsServer) -> int:
        dead = DnsServer({})
        await dead.start()
        await dead.close()
        servers = [("127.0.0.1", dead.port), ("127.0.0.1", server.port)]
        return len((await DnsClient(servers, clock=SystemClock(), timeout=1.0).a("a.test")).records)

    assert with_server(use) == 2


def test_ad_over_the_loopback_is_secure() -> None:
    assert with_server(lambda client, _: client.a("a.test"), secure=True).secure
    with pytest.raises(NotFound) as absent:
        with_server(lambda client, _: client.a("no.test"), secure=True)
    assert absent.value.secure


def test_the_zone_can_be_replaced() -> None:
    async def use(client: DnsClient, server: DnsServer) -> str:
        server.replace_zone({"a.test": [("A", "192.0.2.9")]})
        return str((await client.a("a.test")).records[0])

    assert with_server(use) == "192.0.2.9"


class Forger(asyncio.DatagramProtocol):
    """Answers every question first with something else: garbage, another id, another question."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        right = DnsServer({"a.test": [("A", "192.0.2.1")]}).answer(data, over_udp=True)
        assert right is not None
        (number,) = struct.unpack("!H", data[:2])
        forged = DnsServer({"a.test": [("A", "203.0.113.66")]}).answer(data, over_udp=True)
        assert forged is not None
        other = dns.message.make_response(dns.message.make_query("b.test.", "A", id=number)).to_wire()
        for answer in (b"", b"garbage", struct.pack("!H", number ^ 1) + forged[2:], data, other, right):
            self.transport.sendto(answer, addr)


def test_answers_to_something_else_are_left_aside() -> None:
    async def run() -> Any:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Forger, local_addr=("127.0.0.1", 0)
        )
        try:
            port = transport.get_extra_info("sockname")[1]
            return await DnsClient([("127.0.0.1", port)], clock=SystemClock(), timeout=1.0).a("a.test")
        finally:
            transport.close()

    assert asyncio.run(run()).records == (IPv4Address("192.0.2.1"),)


def test_records_of_another_class_are_left_aside() -> None:
    """An address of the class HESIOD is none, and whoever read it as one would fail with it."""

    async def use(client: DnsClient, server: DnsServer) -> None:
        def answer(wire: bytes, *, over_udp: bool) -> bytes:
            response = dns.message.make_response(dns.message.from_wire(wire))
            response.answer.append(dns.rrset.from_text("a.test.", 300, "HS", "A", "\\# 4 7f000001"))
            return response.to_wire()

        server.answer = answer  # type: ignore[method-assign, assignment]
        assert (await client.a("a.test")).records == ()

    with_server(use)


def test_the_servers_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nsearch a.test\nnameserver 192.0.2.53\nnameserver\nnameserver 2001:db8::53\n")
    assert system_servers(file) == (("192.0.2.53", 53), ("2001:db8::53", 53))
    assert system_servers(tmp_path / "none") == (("127.0.0.1", 53),)
