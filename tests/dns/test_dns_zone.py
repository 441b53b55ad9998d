"""The DNS of plain maps, which other tests lean on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from ipaddress import IPv4Address
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from postier.dns.api import Answer, Mx, NotFound, TemporaryFailure, Tlsa
from postier.testing.dns import DnsServer, ZoneResolver

ZONE: dict[str, list[object]] = {
    "A.test": [
        ("A", "192.0.2.1"),
        ("MX", (5, "MX.test.")),
        ("TXT", ["a", b"\xff"]),
        ("TLSA", (3, 1, 1, b"x")),
    ],
    "late.test": [("A", "TIMEOUT"), ("MX", (1, "a.test"))],
    "silent.test": [("A", "192.0.2.3"), "TIMEOUT"],
    "deep.below.test": [("A", "192.0.2.2")],
    "to.test": [("CNAME", "a.TEST.")],
    "nowhere.test": [("CNAME", "none.test")],
}


def outcome(question: Awaitable[Answer[Any]]) -> Any:
    async def run() -> Any:
        try:
            return (await question).records
        except (NotFound, TemporaryFailure) as error:
            return type(error)

    return asyncio.run(run())


def test_resolver() -> None:
    zone = ZoneResolver(ZONE)
    assert outcome(zone.a("a.TEST.")) == (IPv4Address("192.0.2.1"),)
    assert outcome(zone.mx("a.test")) == (Mx(5, "mx.test"),)
    assert outcome(zone.txt("a.test")) == (b"a\xff",)
    assert outcome(zone.tlsa("a.test")) == (Tlsa(3, 1, 1, b"x"),)
    assert outcome(zone.aaaa("a.test")) == ()
    assert outcome(zone.a("to.test")) == (IPv4Address("192.0.2.1"),)
    assert outcome(zone.a("below.test")) == ()
    assert outcome(zone.a("none.test")) is NotFound
    assert outcome(zone.a("nowhere.test")) is NotFound
    assert outcome(zone.ptr(IPv4Address("192.0.2.1"))) is NotFound


def test_silence() -> None:
    zone = ZoneResolver(ZONE)
    assert outcome(zone.a("late.test")) is TemporaryFailure
    assert outcome(zone.mx("late.test")) == (Mx(1, "a.test"),)
    assert outcome(zone.a("silent.test")) == (IPv4Address("192.0.2.3"),)
    assert outcome(zone.txt("silent.test")) is TemporaryFailure


def test_it_says_what_was_asked() -> None:
    zone = ZoneResolver(ZONE)
    outcome(zone.a("a.test"))
    outcome(zone.txt("none.test"))
    assert zone.questions == [("A", "a.test"), ("TXT", "none.test")]


def test_without_edns_512_octets_fit() -> None:
    zone = {"big.test": [("TXT", b"%d" % i * 200) for i in range(5)]}
    query = dns.message.make_query("big.test.", "TXT")
    wire = DnsServer(zone).answer(query.to_wire(), over_udp=True)
    assert wire is not None
    assert len(wire) <= 512
    assert dns.message.from_wire(wire).flags & dns.flags.TC
    whole = DnsServer(zone).answer(query.to_wire(), over_udp=False)
    assert whole is not None
    assert len(dns.message.from_wire(whole).answer[0]) == 5


def test_the_server_answers_queries_only() -> None:
    server = DnsServer(ZONE)
    query = dns.message.make_query("none.test.", "A")
    answer = server.answer(query.to_wire(), over_udp=True)
    assert answer is not None
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NXDOMAIN
    assert server.answer(answer, over_udp=True) is None
    assert server.answer(b"", over_udp=True) is None
    silent = dns.message.make_query("late.test.", "A").to_wire()
    assert server.answer(silent, over_udp=True) is None


def test_a_port_that_is_taken() -> None:
    async def run() -> None:
        first, second = DnsServer(ZONE), DnsServer(ZONE)
        await first.start()
        try:
            with pytest.raises(OSError):
                await second.start("127.0.0.1", first.port)
        finally:
            await first.close()
            await second.close()

    asyncio.run(run())
