"""What the DNS may say of a mail host, true or not: mail goes there or nowhere, and few hosts are tried."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import dns.message
import pytest
import uvloop

from postier.base.clock import SystemClock
from postier.dns.client import DnsClient
from postier.queue.api import Envelope, Outcome
from postier.smtp.outbound.connection import Timeouts
from postier.smtp.outbound.routes import MAX_ADDRESSES, Exchange, Routes, RouteSettings
from postier.smtp.outbound.tls_policy import OpportunisticTls
from postier.smtp.outbound.transport import MAX_HOSTS, OutboundSettings, SmtpTransport
from postier.testing.dns import DnsServer, Zone, ZoneResolver

HostType = Any  # conftest's ScriptedHost
TextType = Any
PATIENT = Timeouts(5, 5, 5, 5, 5, 5, 5)
MAIL = Envelope("t", "a@a.example", ("r@b.example",), "b.example")


def deliver(zone: Zone, port: int, text: Any, *, loopback: bool = True) -> Any:
    """The results of one message to r@b.example; mx.example is a host at 127.0.0.1."""
    zone = {"mx.example": [("A", "127.0.0.1")], **zone}
    routes = Routes(ZoneResolver(zone), RouteSettings(port=port, allow_loopback=loopback))
    transport = SmtpTransport(
        routes, OpportunisticTls(), OutboundSettings("mail.example", timeouts=PATIENT, keep=0)
    )
    return transport.deliver(MAIL, text)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


BAD_DNS: list[tuple[str, Zone, Outcome, str]] = [
    ("null MX", {"b.example": [("MX", (0, ""))]}, Outcome.PERMANENT, "5.1.10"),
    (
        "a null MX among others is passed over",
        {"b.example": [("MX", (0, "")), ("MX", (1, "mx.example"))]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    ("no such domain", {"c.example": [("A", "127.0.0.1")]}, Outcome.PERMANENT, "5.1.2"),
    ("no answer", {"b.example": ["TIMEOUT"]}, Outcome.TEMPORARY, "4.4.3"),
    (
        "no answer about its only host",
        {"b.example": [("MX", (1, "late.example"))], "late.example": ["TIMEOUT"]},
        Outcome.TEMPORARY,
        "4.4.3",
    ),
    (
        "no answer about the first of two",
        {"b.example": [("MX", (1, "late.example")), ("MX", (2, "mx.example"))], "late.example": ["TIMEOUT"]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    ("a host that is not there", {"b.example": [("MX", (1, "gone.example"))]}, Outcome.PERMANENT, "5.4.4"),
    (
        "a host that is an alias",
        {"b.example": [("MX", (1, "alias.example"))], "alias.example": [("CNAME", "mx.example")]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    (
        "a domain that is an alias",
        {"b.example": [("CNAME", "c.example")], "c.example": [("MX", (1, "mx.example"))]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    (
        "a circle of aliases",
        {
            "b.example": [("MX", (1, "x.example"))],
            "x.example": [("CNAME", "y.example")],
            "y.example": [("CNAME", "x.example")],
        },
        Outcome.TEMPORARY,
        "4.4.3",
    ),
    (
        "an address where a name should be",
        {"b.example": [("MX", (1, "127.0.0.1"))]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    (
        "an unspecified address",
        {"b.example": [("MX", (1, "zero.example"))], "zero.example": [("A", "0.0.0.0")]},
        Outcome.PERMANENT,
        "5.4.4",
    ),
    (
        "a mapped unspecified address",
        {"b.example": [("MX", (1, "zero.example"))], "zero.example": [("AAAA", "::ffff:0.0.0.0")]},
        Outcome.PERMANENT,
        "5.4.4",
    ),
    (
        "multicast",
        {"b.example": [("MX", (1, "m.example"))], "m.example": [("A", "224.0.0.1"), ("AAAA", "ff02::1")]},
        Outcome.PERMANENT,
        "5.4.4",
    ),
    (
        "broadcast",
        {"b.example": [("MX", (1, "m.example"))], "m.example": [("A", "255.255.255.255")]},
        Outcome.PERMANENT,
        "5.4.4",
    ),
    (
        "a host by an internationalized name",
        {"b.example": [("MX", (1, "xn--mller-kva.example"))], "xn--mller-kva.example": [("A", "127.0.0.1")]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    (
        "a host with an underscore",
        {"b.example": [("MX", (1, "mail_1.example"))], "mail_1.example": [("A", "127.0.0.1")]},
        Outcome.DELIVERED,
        "2.0.0",
    ),
    (
        "a thousand hosts that are not there",
        {"b.example": [("MX", (n, f"h{n}.example")) for n in range(1000)]},
        Outcome.PERMANENT,
        "5.4.4",
    ),
]


@pytest.mark.parametrize(("what", "zone", "outcome", "status"), BAD_DNS, ids=[row[0] for row in BAD_DNS])
def test_what_the_dns_may_say(
    host_type: HostType, text_type: TextType, what: str, zone: Zone, outcome: Outcome, status: str
) -> None:
    async def work() -> Any:
        async with host_type() as host:
            return await deliver(zone, host.port, text_type())

    (result,) = run(work())
    assert (result.outcome, result.status) == (outcome, status)


def test_of_a_thousand_hosts_that_are_gone_a_few_are_tried(host_type: HostType, text_type: TextType) -> None:
    hosts: Zone = {f"h{n}.example": [("A", f"127.0.1.{n % 8 + 1}")] for n in range(1000)}
    zone: Zone = {**hosts, "b.example": [("MX", (n, f"h{n}.example")) for n in range(1000)]}

    async def work() -> tuple[Any, int]:
        async with AsyncExitStack() as stack:
            hosts: list[Any] = []
            for n in range(1, 9):
                port = hosts[0].port if hosts else 0
                host = host_type({"greeting": "<close>"}, address=f"127.0.1.{n}", port=port)
                hosts.append(await stack.enter_async_context(host))
            results = await deliver(zone, hosts[0].port, text_type())
            return results, sum(host.connections for host in hosts)

    (result,), tried = run(work())
    assert result.outcome is Outcome.TEMPORARY
    assert tried == MAX_HOSTS


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_address_is_no_exchange_of_a_public_server(text_type: TextType, address: str) -> None:
    zone: Zone = {"b.example": [("MX", (1, "h.example"))]}
    zone = {**zone, "h.example": [("AAAA" if ":" in address else "A", address)]}
    (result,) = run(deliver(zone, 1, text_type(), loopback=False))
    assert (result.outcome, result.status) == (Outcome.PERMANENT, "5.4.4")


@pytest.mark.parametrize("what", ["another id", "another question", "no answer", "octets"])
def test_an_answer_that_was_forged_sends_no_mail_elsewhere(
    host_type: HostType, text_type: TextType, what: str
) -> None:
    """A forger who is faster than the name server (RFC 5452 3)."""
    truth: Zone = {"b.example": [("MX", (1, "mx.example"))], "mx.example": [("A", "127.0.0.1")]}
    lie: Zone = {"b.example": [("MX", (1, "mx.example"))], "mx.example": [("A", "127.0.1.9")]}
    other: Zone = {"other.example": [("A", "127.0.1.9")]}

    class Forger(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: Any) -> None:
            true = DnsServer(truth).answer(data, over_udp=True)
            for forged in forge(data):
                self.transport.sendto(forged, address)
            self.transport.sendto(true, address)

    def forge(query: bytes) -> list[bytes]:
        lied = DnsServer(lie).answer(query, over_udp=True)
        assert lied is not None
        if what == "another id":
            return [bytes([lied[0] ^ n, lied[1], *lied[2:]]) for n in range(1, 100)]
        if what == "another question":
            asked = dns.message.make_query("other.example", "A")
            asked.id = int.from_bytes(query[:2], "big")
            return [DnsServer(other).answer(asked.to_wire(), over_udp=True) or b""]
        return [query] if what == "no answer" else [b"", b"\0" * 11, query[:2] + b"\xff" * 300]

    async def work() -> tuple[Any, int]:
        loop = asyncio.get_running_loop()
        udp, _ = await loop.create_datagram_endpoint(Forger, local_addr=("127.0.0.1", 0))
        resolver = DnsClient([udp.get_extra_info("sockname")], clock=SystemClock())
        async with host_type() as host, host_type(address="127.0.1.9", port=host.port) as thief:
            routes = Routes(resolver, RouteSettings(port=host.port, allow_loopback=True))
            settings = OutboundSettings("mail.example", timeouts=PATIENT, keep=0)
            results = await SmtpTransport(routes, OpportunisticTls(), settings).deliver(MAIL, text_type())
            udp.close()
            return results, thief.connections

    (result,), stolen = run(work())
    assert (result.outcome, stolen) == (Outcome.DELIVERED, 0)


def test_a_long_list_of_exchanges_comes_over_tcp(host_type: HostType, text_type: TextType) -> None:
    long = "x" * 50
    zone: Zone = {"b.example": [("MX", (n, f"{long}{n}.example")) for n in range(1, 80)]}
    zone = {**zone, f"{long}1.example": [("A", "127.0.0.1")]}

    async def work() -> Any:
        server = DnsServer(zone)
        await server.start()
        resolver = DnsClient([("127.0.0.1", server.port)], clock=SystemClock())
        async with host_type() as host:
            routes = Routes(resolver, RouteSettings(port=host.port, allow_loopback=True))
            settings = OutboundSettings("mail.example", timeouts=PATIENT, keep=0)
            results = await SmtpTransport(routes, OpportunisticTls(), settings).deliver(MAIL, text_type())
        await server.close()
        return results

    (result,) = run(work())
    assert result.outcome is Outcome.DELIVERED


def test_of_an_exchange_with_very_many_addresses_a_few_are_used(text_type: TextType) -> None:
    zone: Zone = {
        "h.example": [
            *(("A", f"10.0.{n // 250}.{n % 250 + 1}") for n in range(500)),
            *(("AAAA", f"2001:db8::{n:x}") for n in range(1, 500)),
        ]
    }
    routes = Routes(ZoneResolver(zone), RouteSettings())
    found = run(routes.hosts(Exchange("h.example", 25)))
    assert len(found) == MAX_ADDRESSES
    assert {host.family for host in found} == {4, 6}
