"""Addresses and names of clients: networks, reverse DNS, and what they call themselves."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from postier.filter.client_name import is_our_own_name, oddity_of_name
from postier.filter.networks import is_inside, network_of, parse_ip
from postier.filter.reverse_dns import MAX_NAMES, Iprev, ReverseName, reverse_name
from postier.testing.dns import ZoneResolver

PEER = ip_address("192.0.2.1")
PTR = "1.2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("127.0.0.1", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.32.0.0", False),
        ("100.64.0.1", True),
        ("::1", True),
        ("::2", False),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("2001:db8::1", False),
        ("::ffff:192.168.0.1", True),
    ],
)
def test_what_is_inside(text: str, inside: bool):
    address = parse_ip(text)
    assert address is not None
    assert is_inside(address) == inside


def test_networks():
    assert network_of(ip_address("192.0.2.77")) == "192.0.2.0/24"
    assert network_of(ip_address("2001:db8:1:2:3::4")) == "2001:db8:1:2::/64"
    assert parse_ip("") is parse_ip("/run/socket") is None


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ({PTR: [("PTR", "mx.a.example")], "mx.a.example": [("A", "192.0.2.1")]}, ("pass", "mx.a.example")),
        (
            {PTR: [("PTR", "x.example"), ("PTR", "y.example")], "y.example": [("A", "192.0.2.1")]},
            ("pass", "y.example"),
        ),
        ({PTR: [("PTR", "mx.a.example")], "mx.a.example": [("A", "192.0.2.2")]}, ("fail", "mx.a.example")),
        ({PTR: [("PTR", "lies.example")]}, ("fail", "lies.example")),
        ({}, ("permerror", "")),
        ({PTR: [("TXT", "x")]}, ("permerror", "")),
        ({PTR: ["TIMEOUT"]}, ("temperror", "")),
        ({PTR: [("PTR", "slow.example")], "slow.example": ["TIMEOUT"]}, ("temperror", "slow.example")),
    ],
)
def test_reverse_dns(zone, found):
    result, name = found
    assert asyncio.run(reverse_name(ZoneResolver(zone), PEER)) == ReverseName(Iprev(result), name)


def test_reverse_dns_of_ipv6():
    peer = ip_address("2001:db8::1")
    zone = {peer.reverse_pointer: [("PTR", "mx.example")], "mx.example": [("AAAA", "2001:db8::1")]}
    assert asyncio.run(reverse_name(ZoneResolver(zone), peer)).result is Iprev.PASS


@pytest.mark.parametrize(("place", "result"), [(MAX_NAMES, Iprev.PASS), (MAX_NAMES + 1, Iprev.FAIL)])
def test_an_address_with_very_many_names(place: int, result: Iprev):
    names = [f"n{number}.example" for number in range(1, 501)]
    resolver = ZoneResolver(
        {PTR: [("PTR", name) for name in names], f"n{place}.example": [("A", "192.0.2.1")]}
    )
    assert asyncio.run(reverse_name(resolver, PEER)).result is result
    assert len(resolver.questions) <= 1 + MAX_NAMES


@pytest.mark.parametrize(
    ("name", "oddity"),
    [
        ("mx.a.example", ""),
        ("[192.0.2.1]", ""),
        ("[192.0.2.9]", "literal"),
        ("[IPv6:2001:db8::1]", "literal"),
        ("[nonsense]", "literal"),
        ("192.0.2.1", "number"),
        ("localhost", "bare"),
        ("DESKTOP-1", "bare"),
    ],
)
def test_what_is_odd_about_a_name(name: str, oddity: str):
    assert oddity_of_name(name, PEER) == oddity


@pytest.mark.parametrize(
    ("name", "peer", "ours"),
    [
        ("mx.b.example", "192.0.2.1", True),
        ("MX.B.EXAMPLE", "192.0.2.1", True),
        ("[203.0.113.5]", "192.0.2.1", True),
        ("203.0.113.5", "192.0.2.1", True),
        ("[203.0.113.6]", "192.0.2.1", False),
        ("mx.a.example", "192.0.2.1", False),
        ("mx.b.example", "203.0.113.5", False),
        ("mx.b.example", "10.0.0.1", False),
        ("mx.b.example", "::1", False),
    ],
)
def test_our_own_name_from_outside(name: str, peer: str, ours: bool):
    assert is_our_own_name(name, ip_address(peer), "mx.b.example", ip_address("203.0.113.5")) == ours
    if name.isdigit() or name.startswith("["):
        assert not is_our_own_name(name, ip_address(peer), "mx.b.example", None)
