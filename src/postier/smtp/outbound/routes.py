"""Which hosts take the mail of a domain, in the order to try them (RFC 5321 5.1).

    destination  ->  exchanges  ->  addresses

A destination is an A-label domain or an address literal. Its exchanges are, in this order of knowledge:
the fixed route that the administrator set; the literal itself; the MX records, by preference and in
random order among equals; where there are none, the domain itself (the implicit MX). Names of exchanges
become addresses only when their turn comes, IPv4 before IPv6: a host that judges senders by reverse DNS
more often knows the former.

Rules: a null MX says that the domain takes no mail (RFC 7505). If we are among the exchanges, those of
our preference and worse are left out, so that mail never runs in circles; if none is left, that is a
loop. Where an address turns out to be ours only when it answers, its greeting says so (connection.py).
Exchanges that point to a loopback, link-local, multicast or unspecified address are misconfigured or
worse, and are not tried; private addresses are, since companies route mail inside. Nothing of this binds
a fixed route.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from postier.base.domain import AddressLiteral
from postier.dns.api import DnsError, Mx, NotFound, Resolver, TemporaryFailure

__all__ = ["Exchange", "FixedRoute", "FixedRoutes", "Host", "RouteSettings", "Routes", "Unroutable"]

IpAddress = IPv4Address | IPv6Address


class Unroutable(Exception):
    """No host to try. `permanent`: the DNS said so; `status`: RFC 3463; the message is for people."""

    def __init__(self, permanent: bool, status: str, text: str) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.status = status


@dataclass(frozen=True, slots=True)
class FixedRoute:
    """Where the administrator sends a domain's mail. `host`: a name or an address."""

    host: str
    port: int


FixedRoutes = Callable[[str], Awaitable[FixedRoute | None]]
"""The administrator's route for a destination, None where the DNS decides."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A host by name, or by address where `name` is none. `trusted`: any address of it may be used."""

    name: str
    port: int
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """One address to connect to. `name`: of the exchange, for TLS and the log. `trusted`: as of it."""

    name: str
    address: str
    port: int
    trusted: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} [{self.address}]:{self.port}"


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
    """Finds hosts. `fixed_route` is asked at every attempt, so that a new route counts at once; `rng`
    spreads the load among exchanges of equal preference."""

    def __init__(
        self,
        resolver: Resolver,
        settings: RouteSettings,
        *,
        fixed_route: FixedRoutes | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._fixed_route = fixed_route
        self._resolver = resolver
        self._settings = settings
        self._rng = rng or random.Random()

    async def exchanges(self, destination: str) -> tuple[Exchange, ...]:
        """In the order to try them, at least one. Raises Unroutable."""
        fixed = await self._fixed_route(destination) if self._fixed_route is not None else None
        if fixed is not None:
            return (Exchange(fixed.host, fixed.port, trusted=True),)
        if destination.startswith("["):
            return (Exchange(_literal(destination), self._settings.port),)
        records = await self._mx(destination)
        if not records:
            return (Exchange(destination, self._settings.port),)
        if any(record.exchange in ("", ".") for record in records):
            if len(records) == 1:
                raise Unroutable(True, "5.1.10", f"the domain {destination} accepts no mail (null MX)")
            records = [record for record in records if record.exchange not in ("", ".")]
        return tuple(Exchange(mx.exchange, self._settings.port) for mx in self._ordered(destination, records))

    async def hosts(self, exchange: Exchange) -> tuple[Host, ...]:
        """The usable addresses of an exchange, at least one. Raises Unroutable."""
        addresses = await self._addresses(exchange.name)
        usable = [a for a in addresses if exchange.trusted or self._may_use(a)]
        if not usable:
            raise Unroutable(True, "5.4.4", f"the mail host {exchange.name} has no usable address")
        if any((str(address), exchange.port) in self._settings.own_endpoints for address in usable):
            raise Unroutable(True, "5.4.6", f"the mail host {exchange.name} is this server: mail would loop")
        trusted = exchange.trusted
        return tuple(Host(exchange.name, str(address), exchange.port, trusted) for address in usable)

    async def _mx(self, domain: str) -> Sequence[Mx]:
        try:
            return (await self._resolver.mx(domain)).records
        except NotFound:
            raise Unroutable(True, "5.1.2", f"the domain {domain} does not exist") from None
        except TemporaryFailure as error:
            raise Unroutable(False, "4.4.3", f"no answer about the domain {domain}: {error}") from error

    def _ordered(self, domain: str, records: Sequence[Mx]) -> list[Mx]:
        shuffled = list(records)
        self._rng.shuffle(shuffled)
        shuffled.sort(key=lambda mx: mx.preference)  # stable: equals stay shuffled
        ours = [mx.preference for mx in shuffled if mx.exchange.lower() in self._settings.own_names]
        if ours:
            shuffled = [mx for mx in shuffled if mx.preference < min(ours)]
        if not shuffled:
            raise Unroutable(True, "5.4.6", f"the mail host of {domain} is this server: mail would loop")
        return shuffled

    async def _addresses(self, name: str) -> list[IpAddress]:
        literal = _as_address(name)
        if literal is not None:
            return [literal]
        found: list[IpAddress] = []
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
            found += family
        if not found and doubt is not None:
            raise Unroutable(False, "4.4.3", f"no answer about the mail host {name}: {doubt}") from doubt
        return found

    def _may_use(self, address: IpAddress) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_loopback:
            return self._settings.allow_loopback
        return not (address.is_unspecified or address.is_multicast or address.is_link_local) and (
            address != _BROADCAST
        )


_BROADCAST = IPv4Address("255.255.255.255")


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
