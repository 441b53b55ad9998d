"""The administrator's routes, ready to be asked: which one holds for a recipient's domain and a sender's.

A route for the domain itself comes before one for the domains above it (the nearest first), and both before
the one for all. Of several for the same recipients, the one for this sender's domain comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from postier.queue.schedule import Schedule
from postier.store.api import MailRoute, RoutingReader, SourcePool

__all__ = ["RouteBook", "RouteSchedules", "RouteTable", "patterns_of"]

ANY = "*"


def _has_failed(route: MailRoute, attempts: int, age: int) -> bool:
    enough = 0 < route.fallback_attempts <= attempts
    return bool(route.fallback) and (enough or 0 < route.fallback_age <= age)


class RouteTable:
    """A state of the routes and pools. `version`: of the store, when it was read."""

    __slots__ = ("_by_pattern", "pools", "version")

    def __init__(
        self, routes: Iterable[MailRoute] = (), pools: Iterable[SourcePool] = (), version: int = 0
    ) -> None:
        self.version = version
        self.pools = {pool.name: pool for pool in pools}
        self._by_pattern: dict[str, dict[str, MailRoute]] = {}
        for route in routes:
            self._by_pattern.setdefault(route.pattern, {})[route.sender] = route

    def find(self, destination: str, reverse_path: str = "") -> MailRoute | None:
        """The route for mail from `reverse_path` to `destination`; None where the DNS decides."""
        if not self._by_pattern:
            return None
        sender = reverse_path.rpartition("@")[2].lower()
        for pattern in patterns_of(destination):
            routes = self._by_pattern.get(pattern)
            if routes is not None:
                for known in (*patterns_of(sender), "") if sender else ("",):
                    if known in routes:
                        return routes[known]
        return None

    def route_for(
        self, destination: str, reverse_path: str = "", attempts: int = 0, age: int = 0
    ) -> MailRoute | None:
        """`find`, and then from fallback to fallback, as far as failed `attempts` and `age` (seconds) say."""
        route = self.find(destination, reverse_path)
        passed = set()
        while route is not None and route.fallback not in passed and _has_failed(route, attempts, age):
            passed.add(route.pattern)
            fallback = self._by_pattern.get(route.fallback, {}).get("")
            if fallback is None:
                break
            route = fallback
        return route

    def pool_of(self, route: MailRoute | None) -> SourcePool | None:
        return self.pools.get(route.pool) if route is not None and route.pool else None


class RouteBook:
    """The table as the store has it, read again when something changed."""

    def __init__(self, reader: RoutingReader) -> None:
        self._reader = reader
        self._table = RouteTable()

    async def table(self) -> RouteTable:
        """Raises StoreError."""
        version = await self._reader.routing_version()
        if version != self._table.version:
            routes, pools = await self._reader.mail_routes(), await self._reader.source_pools()
            self._table = RouteTable(routes, pools, version)
        return self._table


class RouteSchedules:
    """Implements queue.schedule.Schedules: waits of the route, where it has its own."""

    def __init__(self, book: RouteBook, usual: Schedule) -> None:
        self._book = book
        self._usual = usual

    async def schedule_for(self, destination: str) -> Schedule:
        route = (await self._book.table()).find(destination)
        if route is None or not (route.retry_first or route.retry_max):
            return self._usual
        first = route.retry_first or min(self._usual.first, route.retry_max)
        return replace(self._usual, first=first, ceiling=max(first, route.retry_max or self._usual.ceiling))


def patterns_of(domain: str) -> Iterator[str]:
    """Every pattern that covers `domain`, the closest first: a.b.c, *.b.c, *.c, *."""
    yield domain
    if not domain.startswith("["):
        _, dot, above = domain.partition(".")
        while dot:
            yield f"*.{above}"
            _, dot, above = above.partition(".")
    yield ANY
