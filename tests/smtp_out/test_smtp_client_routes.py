"""Which hosts a domain's mail goes to (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

import asyncio
import random

import pytest

from postier.smtp.outbound.route_table import RouteTable
from postier.smtp.outbound.routes import (
    MAX_EXCHANGES,
    Exchange,
    Host,
    Routes,
    RouteSettings,
    Unroutable,
    Way,
)
from postier.store.api import MailRoute, RouteHost
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
ROUTES = [
    MailRoute("*.fixed.example", hosts=(RouteHost("inner.test", 25),)),
    MailRoute("b.fixed.example", hosts=(RouteHost("exact.test", 25),)),
    MailRoute("*.b.fixed.example", hosts=(RouteHost("deep.test", 25), RouteHost("other.test", 26))),
    MailRoute("b.fixed.example", "one.test", hosts=(RouteHost("for-one.test", 25),)),
    MailRoute("mx.fixed.example", hosts=(RouteHost("b.example", 26, mx=True), RouteHost("last.test", 25))),
]
OURS = RouteSettings(
    own_names=frozenset({"mail.us.example"}), own_endpoints=frozenset({("198.51.100.1", 25)})
)


def routes(settings: RouteSettings = OURS, seed: int = 1) -> Routes:
    table = RouteTable(
        [MailRoute("fixed.example", hosts=(RouteHost("127.0.0.1", 2525),)), *ROUTES], version=1
    )

    async def tables() -> RouteTable:
        return table

    return Routes(ZoneResolver(ZONE), settings, tables=tables, rng=random.Random(seed))


def way(destination: str, sender: str = "", seed: int = 1) -> Way:
    return asyncio.run(routes(seed=seed).way(destination, sender))


def exchanges(destination: str, seed: int = 1) -> list[str]:
    return [e.name for e in way(destination, seed=seed).exchanges]


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
        (exchange,) = (await way.way(literal)).exchanges
        return await way.hosts(exchange)

    assert asyncio.run(go()) == (Host(address, address, 25),)


def test_a_fixed_route_wins_and_may_lead_to_the_loopback() -> None:
    async def go() -> tuple[Host, ...]:
        way = routes()
        (exchange,) = (await way.way("fixed.example")).exchanges
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


# ---------------------------------------------------------------------- which route


@pytest.mark.parametrize(
    ("destination", "sender", "hosts"),
    [
        ("fixed.example", "", ["127.0.0.1"]),
        ("a.fixed.example", "", ["inner.test"]),
        ("b.fixed.example", "", ["exact.test"]),
        ("b.fixed.example", "x@one.test", ["for-one.test"]),
        ("b.fixed.example", "x@ONE.test", ["for-one.test"]),
        ("b.fixed.example", "x@two.test", ["exact.test"]),
        ("c.b.fixed.example", "", ["deep.test", "other.test"]),
        ("c.d.b.fixed.example", "", ["deep.test", "other.test"]),
        ("mx.fixed.example", "", ["mx0.b.example", "mx1.b.example", "mx2.b.example", "last.test"]),
        ("unfixed.example.b.example", "", None),
    ],
)
def test_the_closest_route_holds(destination: str, sender: str, hosts: list[str] | None) -> None:
    if hosts is None:
        with pytest.raises(Unroutable):
            way(destination, sender)
        return
    found = [e.name for e in way(destination, sender, seed=3).exchanges]
    assert sorted(found[:2]) + found[2:] == hosts if len(hosts) > 3 else found == hosts


def test_a_route_for_all_covers_what_no_other_does() -> None:
    table = RouteTable([MailRoute("*", pool="all"), MailRoute("*", "a.test", pool="a"), MailRoute("b.test")])
    pools = [
        (table.find(destination, sender) or MailRoute("none", pool="none")).pool
        for destination, sender in [
            ("c.test", ""),
            ("c.test", "x@a.test"),
            ("[192.0.2.1]", ""),
            ("b.test", "x@a.test"),
        ]
    ]
    assert pools == ["all", "a", "all", ""]


# ---------------------------------------------------------------------- sites


SITES: Zone = {
    **ZONE,
    "same.example": [("MX", (5, "MX1.b.example.")), ("MX", (5, "mx0.b.example")), ("MX", (9, "x.example"))],
    "many.example": [("MX", (5, f"mx{n}.many.example")) for n in range(1000)],
}


def site(*destinations: str) -> list[str]:
    async def go() -> list[str]:
        way = Routes(ZoneResolver(SITES), OURS, tables=routes()._tables)
        return [await way.site(destination) for destination in destinations]

    return asyncio.run(go())


def test_domains_with_the_same_best_exchanges_are_one_site() -> None:
    one, other, third = site("b.example", "same.example", "implicit.example")
    assert one == other == "mx0.b.example,mx1.b.example"
    assert third == "implicit.example"


def test_the_hosts_of_a_route_are_a_site() -> None:
    assert site("fixed.example", "c.b.fixed.example") == ["127.0.0.1:2525", "deep.test:25,other.test:26"]


def test_a_domain_without_hosts_is_a_site_by_itself() -> None:
    assert site("unknown.example", "late.example", "[192.0.2.9]") == [
        "unknown.example",
        "late.example",
        "192.0.2.9",
    ]


def test_a_thousand_exchanges_make_a_short_name_and_few_tries() -> None:
    (name,) = site("many.example")
    assert len(name) < 256

    async def go() -> Way:
        return await Routes(ZoneResolver(SITES), OURS).way("many.example")

    assert len(asyncio.run(go()).exchanges) == MAX_EXCHANGES
