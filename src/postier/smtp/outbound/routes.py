"""Which hosts take the mail of a domain, in the order to try them (RFC 5321 5.1).

    destination, sender  ->  way: exchanges, and their site  ->  addresses

A destination is an A-label domain or an address literal. Its exchanges are, in this order of knowledge:
the route that the administrator set (route_table.py); the literal itself; the MX records, by preference and
in random order among equals; where there are none, the domain itself (the implicit MX). Names of exchanges
become addresses only when their turn comes, IPv4 and IPv6 by turns, so that a family that can't be reached
costs one try; IPv4 first: a host that judges senders by reverse DNS more often knows the former.

A site is who really takes the mail: destinations whose best exchanges are the same hosts share it, and a
route's hosts are one. Concurrency is counted and sessions are kept by site.

Rules: a null MX says that the domain takes no mail (RFC 7505). If we are among the exchanges, those of
our preference and worse are left out, so that mail never runs in circles; if none is left, that is a
loop. Where an address turns out to be ours only when it answers, its greeting says so (connection.py).
Exchanges that point to a loopback, link-local, multicast or unspecified address are misconfigured or
worse, and are not tried; private addresses are, since companies route mail inside. Nothing of this binds
a host that a route names. Of many exchanges MAX_EXCHANGES are looked at.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import zip_longest

from postier.base.clock import Clock, SystemClock
from postier.base.domain import AddressLiteral
from postier.dns.api import DnsError, Mx, NotFound, Resolver, TemporaryFailure
from postier.smtp.outbound.route_table import RouteTable
from postier.store.api import MailRoute, RouteHost, RouteTransport, SourcePool

__all__ = [
    "MAX_ADDRESSES",
    "MAX_EXCHANGES",
    "Exchange",
    "Host",
    "RouteSettings",
    "Routes",
    "Tables",
    "Unroutable",
    "Way",
    "route_site",
]

MAX_EXCHANGES = 20
"""Names looked up in one attempt, however many MX records there are."""

MAX_ADDRESSES = 10
"""Of one exchange, however many it has: those that this machine can't reach are not counted as tried."""

SITES_KEPT = 10_000
SITE_AGE = 60.0
"""Seconds for which a site is remembered; what is sent meanwhile asks the DNS anew all the same."""

IpAddress = IPv4Address | IPv6Address

Tables = Callable[[], Awaitable[RouteTable]]
"""The routes as they are now."""


class Unroutable(Exception):
    """No host to try. `permanent`: the DNS said so; `status`: RFC 3463; the message is for people."""

    def __init__(self, permanent: bool, status: str, text: str) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.status = status


@dataclass(frozen=True, slots=True)
class Exchange:
    """A host by name, or by address where `name` is none. `trusted`: any address of it may be used.
    `domain`: whose exchange it is, where a route named that in place of the destination."""

    name: str
    port: int
    trusted: bool = False
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """One address to connect to. `name`: of the exchange, for TLS and the log. `trusted`, `domain`: as of it.

    A Unix socket has its path for both, and no port.
    """

    name: str
    address: str
    port: int
    trusted: bool = field(default=False, compare=False)
    domain: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name} [{self.address}]:{self.port}" if self.port else f"unix:{self.address}"

    @property
    def family(self) -> int:
        """4, 6, or 0 for a Unix socket."""
        return (6 if ":" in self.address else 4) if self.port else 0

    @property
    def server_name(self) -> str | None:
        """For SNI, where an address is no name (RFC 6066 3)."""
        return None if not self.port or _as_address(self.name) is not None else self.name


@dataclass(frozen=True, slots=True)
class Way:
    """Where a message goes this time: `exchanges` in the order to try them, at least one unless `route`
    hands nothing on, and whose they are. `route`, `pool`: what the administrator said, if anything."""

    site: str
    exchanges: tuple[Exchange, ...]
    route: MailRoute | None = None
    pool: SourcePool | None = None


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """`own_names`: our names as A-labels. `own_endpoints`: addresses and ports where we take mail.

    `port`: where mail exchanges listen. `allow_loopback`: for servers that live on the loopback.
    """

    own_names: frozenset[str] = frozenset()
    own_endpoints: frozenset[tuple[str, int]] = frozenset()
    port: int = 25
    allow_loopback: bool = False


class Routes:
    """Finds hosts. `tables` is asked at every attempt, so that a new route counts at once; `rng` spreads
    the load among exchanges of equal preference. Implements queue.api.Sites."""

    def __init__(
        self,
        resolver: Resolver,
        settings: RouteSettings,
        *,
        tables: Tables | None = None,
        rng: random.Random | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._tables = tables or _no_routes
        self._resolver = resolver
        self._settings = settings
        self._rng = rng or random.Random()
        self._monotonic = (clock or SystemClock()).monotonic
        self._sites: OrderedDict[str, tuple[float, int, str]] = OrderedDict()

    async def way(self, destination: str, reverse_path: str = "", attempts: int = 0, age: int = 0) -> Way:
        """`attempts`: how many failed before, `age`: seconds since the message came. Raises Unroutable,
        StoreError."""
        table = await self._tables()
        route = table.route_for(destination, reverse_path, attempts, age)
        pool = table.pool_of(route)
        if route is not None and route.transport not in _HAND_ON:
            return Way(route_site(route), (), route, pool)
        if route is None or not route.hosts:
            site, exchanges = await self._by_dns(destination, self._settings.port)
            return Way(site, exchanges, route, pool)
        return Way(route_site(route), await self._by_route(route), route, pool)

    async def site(self, destination: str) -> str:
        """Who takes the mail of `destination`, whoever sends it; the destination itself where that can't be
        known. Raises StoreError."""
        table = await self._tables()
        now = self._monotonic()
        until, version, site = self._sites.get(destination, (0.0, 0, ""))
        if until > now and version == table.version:
            return site
        route = table.find(destination)
        if route is not None and (route.hosts or route.transport not in _HAND_ON):
            site = route_site(route)
        else:
            try:
                site, _ = await self._by_dns(destination, self._settings.port)
            except Unroutable:
                site = destination
        self._sites[destination] = (now + SITE_AGE, table.version, site)
        self._sites.move_to_end(destination)
        if len(self._sites) > SITES_KEPT:
            self._sites.popitem(last=False)
        return site

    async def _by_route(self, route: MailRoute) -> tuple[Exchange, ...]:
        hosts = list(route.hosts)
        if route.balanced:
            self._rng.shuffle(hosts)
        found: dict[Exchange, None] = {}
        doubt: Unroutable | None = None
        for host in hosts:
            try:
                exchanges = await self._of_host(host)
            except Unroutable as error:
                doubt = error
            else:
                found |= dict.fromkeys(exchanges)
        if not found and doubt is not None:
            raise doubt
        return tuple(found)[:MAX_EXCHANGES]

    async def _of_host(self, host: RouteHost) -> tuple[Exchange, ...]:
        if host.mx:
            exchanges = (await self._by_dns(host.name, host.port))[1]
            return tuple(replace(exchange, domain=host.name) for exchange in exchanges)
        return (Exchange(host.name, host.port, trusted=True),)

    async def _by_dns(self, destination: str, port: int) -> tuple[str, tuple[Exchange, ...]]:
        """Site and exchanges, at least one. Raises Unroutable."""
        if destination.startswith("["):
            address = _literal(destination)
            return address, (Exchange(address, port),)
        records = await self._mx(destination)
        if not records:
            return destination, (Exchange(destination, port),)
        if any(record.exchange == "" for record in records):
            if len(records) == 1:
                raise Unroutable(True, "5.1.10", f"the domain {destination} accepts no mail (null MX)")
            records = [record for record in records if record.exchange]
        ordered = self._ordered(destination, records)
        best = sorted({mx.exchange for mx in ordered if mx.preference == ordered[0].preference})
        return _name_of(best), tuple(Exchange(mx.exchange, port) for mx in ordered[:MAX_EXCHANGES])

    async def hosts(self, exchange: Exchange) -> tuple[Host, ...]:
        """The usable addresses of an exchange, at least one, the families by turns. Raises Unroutable."""
        if not exchange.port:
            return (Host(exchange.name, exchange.name, 0, exchange.trusted),)
        addresses = await self._addresses(exchange.name)
        usable = [a for a in addresses if exchange.trusted or self._may_use(a)]
        if not usable:
            raise Unroutable(True, "5.4.4", f"the mail host {exchange.name} has no usable address")
        if any((str(address), exchange.port) in self._settings.own_endpoints for address in usable):
            raise Unroutable(True, "5.4.6", f"the mail host {exchange.name} is this server: mail would loop")
        name, port, trusted, domain = exchange.name, exchange.port, exchange.trusted, exchange.domain
        return tuple(Host(name, str(address), port, trusted, domain) for address in usable[:MAX_ADDRESSES])

    async def _mx(self, domain: str) -> Sequence[Mx]:
        try:
            records = (await self._resolver.mx(domain)).records
        except NotFound:
            raise Unroutable(True, "5.1.2", f"the domain {domain} does not exist") from None
        except TemporaryFailure as error:
            raise Unroutable(False, "4.4.3", f"no answer about the domain {domain}: {error}") from error
        return [Mx(mx.preference, mx.exchange.lower().removesuffix(".")) for mx in records]

    def _ordered(self, domain: str, records: Sequence[Mx]) -> list[Mx]:
        shuffled = list(records)
        self._rng.shuffle(shuffled)
        shuffled.sort(key=lambda mx: mx.preference)  # stable: equals stay shuffled
        ours = [mx.preference for mx in shuffled if mx.exchange in self._settings.own_names]
        if ours:
            shuffled = [mx for mx in shuffled if mx.preference < min(ours)]
        if not shuffled:
            raise Unroutable(True, "5.4.6", f"the mail host of {domain} is this server: mail would loop")
        return shuffled

    async def _addresses(self, name: str) -> list[IpAddress]:
        literal = _as_address(name)
        if literal is not None:
            return [literal]
        found: list[list[IpAddress]] = []
        doubt: DnsError | None = None
        for ask in (self._resolver.a, self._resolver.aaaa):
            try:
                family: list[IpAddress] = list((await ask(name)).records)
            except NotFound:
                break
            except TemporaryFailure as error:
                doubt = error
                continue
            self._rng.shuffle(family)
            found.append(family)
        if not any(found) and doubt is not None:
            raise Unroutable(False, "4.4.3", f"no answer about the mail host {name}: {doubt}") from doubt
        return [address for turn in zip_longest(*found) for address in turn if address is not None]

    def _may_use(self, address: IpAddress) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_loopback:
            return self._settings.allow_loopback
        return not (address.is_unspecified or address.is_multicast or address.is_link_local) and (
            address != _BROADCAST
        )


_BROADCAST = IPv4Address("255.255.255.255")
_HAND_ON = (RouteTransport.SMTP, RouteTransport.LMTP)
_LONGEST_NAME = 200


def route_site(route: MailRoute) -> str:
    """The same for all routes to the same hosts, as the same login."""
    hosts = sorted(map(str, route.hosts)) or [route.transport.value]
    return _name_of([*hosts, f"{route.login}@"] if route.login else hosts)


def _name_of(hosts: Sequence[str]) -> str:
    name = ",".join(hosts)
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}...{blake2b(name.encode(), digest_size=8).hexdigest()}"
    return name


async def _no_routes() -> RouteTable:
    return _NOTHING


_NOTHING = RouteTable()


def _literal(destination: str) -> str:
    try:
        return str(AddressLiteral.parse(destination).address)
    except ValueError:
        raise Unroutable(True, "5.1.3", f"not an address literal: {destination}") from None


def _as_address(name: str) -> IpAddress | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
