"""Lists of addresses in the DNS: what counts, what does not, and whether a list works."""

from __future__ import annotations

import asyncio
import io
from ipaddress import ip_address

import pytest

from postier.base.clock import SystemClock
from postier.dns.client import DnsClient
from postier.filter import dnsbl
from postier.filter.dnsbl import DnsList, check_list, listings, parse_list, question
from postier.testing.dns import DnsServer, ZoneResolver

PEER = ip_address("192.0.2.1")
BLACK, WHITE = parse_list("bl.example=3"), parse_list("wl.example=-2")


@pytest.fixture(autouse=True)
def _untold():
    dnsbl._told.clear()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bad.example"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.example",
        ),
    ],
)
def test_the_name_to_ask_for(address: str, name: str):
    """The examples of RFC 5782 2.1 and 2.4."""
    assert question(ip_address(address), "bad.example") == name


@pytest.mark.parametrize(
    "text",
    ["", "bl.example", "bl.example=0", "bl.example=101", "bl.example=x", "a..b=1", "=3", "bl.example=3.5",
     "bl.example/=3", "bl.example/10.0.0.1=3", "bl.example/127.0.0.9-2=3", "bl.example/127.0.0.256=3"],
)  # fmt: skip
def test_a_list_that_can_not_be_read(text: str):
    with pytest.raises(ValueError):
        parse_list(text)


def test_a_list_with_return_codes():
    found = parse_list("BL.example/127.0.0.2-4,127.0.1.10=-100")
    assert (found.zone, found.weight) == ("bl.example", -100)
    for answer, counts in (("1", False), ("2", True), ("4", True), ("5", False)):
        assert found.counts(ip_address(f"127.0.0.{answer}")) == counts
    assert found.counts(ip_address("127.0.1.10"))
    assert parse_list("bl.example=1").counts(ip_address("127.9.9.9"))


def ask(zone, lists=(BLACK, WHITE), address=PEER):
    found = asyncio.run(listings(ZoneResolver(zone), lists, address, 5.0))
    return [(each.list.zone, str(each.answer)) for each in found]


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([("A", "127.0.0.2")], "127.0.0.2"),
        ([("A", "127.0.0.10"), ("A", "127.0.0.2")], "127.0.0.10"),
        ([("TXT", "no address")], None),
        (["TIMEOUT"], None),
        ([("A", "127.255.255.254")], None),
        ([("A", "127.255.255.252"), ("A", "127.0.0.2")], "127.0.0.2"),
        ([("A", "198.51.100.7")], None),
    ],
)
def test_what_counts_as_listed(records, found):
    expected = [("bl.example", found)] if found else []
    assert ask({"1.2.0.192.bl.example": records}) == expected


def test_who_is_not_listed():
    assert ask({}) == []
    assert ask({"2.2.0.192.bl.example": [("A", "127.0.0.2")]}) == []


def test_both_kinds_of_lists():
    zone = {
        "1.2.0.192.bl.example": [("A", "127.0.0.2")],
        "1.2.0.192.wl.example": [("A", "127.0.5.1")],
    }
    assert ask(zone) == [("bl.example", "127.0.0.2"), ("wl.example", "127.0.5.1")]
    some = parse_list("bl.example/127.0.0.3=3")
    assert ask(zone, (some, WHITE)) == [("wl.example", "127.0.5.1")]


@pytest.mark.parametrize("answer", ["127.255.255.254", "198.51.100.7"])
def test_a_list_that_must_be_ignored_is_logged_once(monkeypatch, answer: str):
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    for _ in range(3):
        ask({"1.2.0.192.bl.example": [("A", answer)]})
    assert written.getvalue().count("it is ignored") == 1
    assert answer in written.getvalue()


class Slow(ZoneResolver):
    """Answers for one list, never for another."""

    def __init__(self, zone, silent: str) -> None:
        super().__init__(zone)
        self.silent = silent
        self.cancelled = 0

    async def a(self, name: str):
        if name.endswith(self.silent):
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.cancelled += 1
        return await super().a(name)


def test_who_does_not_answer_in_time_counts_for_nobody():
    resolver = Slow({"1.2.0.192.bl.example": [("A", "127.0.0.2")]}, "wl.example")
    found = asyncio.run(listings(resolver, (BLACK, WHITE), PEER, 0.05))
    assert [each.list for each in found] == [BLACK]
    assert resolver.cancelled == 1


def test_a_hundred_lists_are_asked_at_once():
    lists = [DnsList(f"l{number}.example", 1) for number in range(100)]
    resolver = Slow({}, ".example")
    assert asyncio.run(listings(resolver, lists, PEER, 0.05)) == ()
    assert resolver.cancelled == 100


def test_an_answer_that_comes_truncated_is_asked_for_again_over_tcp():
    many = [("A", f"127.0.{number // 250}.{number % 250 + 2}") for number in range(200)]

    async def run():
        server = DnsServer({"1.2.0.192.bl.example": many})
        await server.start()
        try:
            client = DnsClient([("127.0.0.1", server.port)], clock=SystemClock(), timeout=5.0)
            return await listings(client, (parse_list("bl.example/127.0.0.77=3"),), PEER, 5.0)
        finally:
            await server.close()

    (found,) = asyncio.run(run())
    assert str(found.answer) == "127.0.0.77"


TEST4, NEVER4 = "2.0.0.127.bl.example", "1.0.0.127.bl.example"
TEST6 = question(ip_address("::ffff:7f00:2"), "bl.example")
NEVER6 = question(ip_address("::ffff:7f00:1"), "bl.example")
LISTED = [("A", "127.0.0.2")]


@pytest.mark.parametrize(
    ("zone", "state"),
    [
        ({TEST4: LISTED}, "ok"),
        ({TEST6: LISTED}, "ok"),
        ({TEST4: LISTED, TEST6: LISTED}, "ok"),
        ({}, "broken"),
        ({TEST4: LISTED, NEVER4: LISTED}, "broken"),
        ({TEST4: LISTED, NEVER6: LISTED}, "broken"),
        ({TEST4: [("A", "198.51.100.7")], NEVER4: [("A", "198.51.100.7")]}, "broken"),
        ({TEST4: ["TIMEOUT"]}, "silent"),
        ({NEVER4: ["TIMEOUT"], TEST4: LISTED}, "silent"),
        ({TEST4: [("A", "127.255.255.254")]}, "refused"),
        ({TEST4: [("A", "127.255.255.254")], NEVER4: [("A", "127.255.255.254")]}, "refused"),
    ],
)
def test_whether_a_list_works(zone, state: str):
    assert asyncio.run(check_list(ZoneResolver(zone), BLACK)).state == state
