"""Which hosts a domain's mail goes to (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

import asyncio
import random

import pytest

from postier.smtp.outbound.routes import Exchange, FixedRoute, Host, Routes, RouteSettings, Unroutable
from postier.testing.dns import Zone, ZoneResolver

ZONE: Zone = {
    "b.example": [
        ("MX", (20, "mx2.b.example")),
        ("MX", (10, "mx1.b.example")),
        ("MX", (10, "mx0.b.example")),
    ],
    "mx0.b.example": [("A", "192.0.2.10")],
    "mx1.b.example": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")],
    "mx2.b.example": [("CNAME", "real.b.example")],
    "real.b.example": [("A", "192.0.2.2")],
    "implicit.example": [("A", "192.0.2.3")],
    "nothing.example": [("TXT", "here")],
    "null.example": [("MX", (0, ""))],
    "late.example": ["TIMEOUT"],
    "latehost.example": [("MX", (10, "late.example"))],
    "gone.example": [("MX", (10, "nowhere.example"))],
    "loop.example": [("MX", (10, "mail.us.example")), ("MX", (20, "mx1.b.example"))],
    "backup.example": [
        ("MX", (10, "mx1.b.example")),
        ("MX", (20, "Mail.us.example")),
        ("MX", (30, "mx0.b.example")),
    ],
    "selfaddress.example": [("A", "198.51.100.1")],
    "loopback.example": [("MX", (10, "localhost.example"))],
    "localhost.example": [("A", "127.0.0.1"), ("A", "0.0.0.0"), ("AAAA", "::1"), ("A", "169.254.1.1")],
    "private.example": [("A", "10.1.2.3")],
}
OURS = RouteSettings(
    own_names=frozenset({"mail.us.example"}), own_endpoints=frozenset({("198.51.100.1", 25)})
)


def routes(settings: RouteSettings = OURS, seed: int = 1) -> Routes:
    async def fixed(destination: str) -> FixedRoute | None:
        return FixedRoute("127.0.0.1", 2525) if destination == "fixed.example" else None

    return Routes(ZoneResolver(ZONE), settings, fixed_route=fixed, rng=random.Random(seed))


def exchanges(destination: str, seed: int = 1) -> list[str]:
    return [e.name for e in asyncio.run(routes(seed=seed).exchanges(destination))]


def hosts(name: str, settings: RouteSettings = OURS) -> list[str]:
    return [h.address for h in asyncio.run(routes(settings).hosts(Exchange(name, 25)))]


def test_exchanges_go_by_preference_and_at_random_among_equals() -> None:
    seen = {tuple(exchanges("b.example", seed)) for seed in range(20)}
    assert seen == {
        ("mx0.b.example", "mx1.b.example", "mx2.b.example"),
        ("mx1.b.example", "mx0.b.example", "mx2.b.example"),
    }


def test_without_mx_the_domain_is_its_own_exchange() -> None:
    assert exchanges("implicit.example") == ["implicit.example"]


def test_an_exchange_may_be_an_alias() -> None:
    assert hosts("mx2.b.example") == ["192.0.2.2"]


def test_ipv4_comes_before_ipv6() -> None:
    assert hosts("mx1.b.example") == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize(
    ("literal", "address"), [("[192.0.2.9]", "192.0.2.9"), ("[IPv6:2001:db8::9]", "2001:db8::9")]
)
def test_an_address_literal_needs_no_question(literal: str, address: str) -> None:
    async def go() -> tuple[Host, ...]:
        way = routes()
        (exchange,) = await way.exchanges(literal)
        return await way.hosts(exchange)

    assert asyncio.run(go()) == (Host(address, address, 25),)


def test_a_fixed_route_wins_and_may_lead_to_the_loopback() -> None:
    async def go() -> tuple[Host, ...]:
        way = routes()
        (exchange,) = await way.exchanges("fixed.example")
        return await way.hosts(exchange)

    assert asyncio.run(go()) == (Host("127.0.0.1", "127.0.0.1", 2525),)


@pytest.mark.parametrize(
    ("destination", "permanent", "status"),
    [
        ("unknown.example", True, "5.1.2"),
        ("null.example", True, "5.1.10"),
        ("late.example", False, "4.4.3"),
        ("loop.example", True, "5.4.6"),
        ("[192.0.2.999]", True, "5.1.3"),
    ],
)
def test_domains_without_an_exchange(destination: str, permanent: bool, status: str) -> None:
    with pytest.raises(Unroutable) as error:
        exchanges(destination)
    assert (error.value.permanent, error.value.status) == (permanent, status)


@pytest.mark.parametrize(
    ("name", "permanent", "status"),
    [
        ("nothing.example", True, "5.4.4"),
        ("nowhere.example", True, "5.4.4"),
        ("late.example", False, "4.4.3"),
        ("selfaddress.example", True, "5.4.6"),
        ("localhost.example", True, "5.4.4"),
        ("127.0.0.1", True, "5.4.4"),
    ],
)
def test_exchanges_without_a_usable_address(name: str, permanent: bool, status: str) -> None:
    with pytest.raises(Unroutable) as error:
        hosts(name)
    assert (error.value.permanent, error.value.status) == (permanent, status)


def test_private_addresses_are_used_and_loopback_ones_where_allowed() -> None:
    assert hosts("private.example") == ["10.1.2.3"]
    assert "127.0.0.1" in hosts("localhost.example", RouteSettings(allow_loopback=True))


def test_a_backup_exchange_of_ours_sends_only_to_better_ones() -> None:
    assert exchanges("backup.example") == ["mx1.b.example"]
