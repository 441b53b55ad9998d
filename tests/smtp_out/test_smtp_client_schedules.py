"""The waits of a route, where it has its own."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from postier.queue.schedule import Schedule
from postier.smtp.outbound.route_table import RouteBook, RouteSchedules
from postier.store.api import MailRoute, RoutingReader, SourcePool


@pytest.mark.parametrize(
    ("first", "longest", "expected"),
    [
        (0, 0, (300, 28_800)),
        (60, 0, (60, 28_800)),
        (0, 100, (100, 100)),
        (9, 99, (9, 99)),
        (90_000, 0, (90_000, 90_000)),
    ],
)
def test_a_route_may_have_waits_of_its_own(first: int, longest: int, expected: tuple[int, int]) -> None:
    class Store:
        async def routing_version(self) -> int:
            return 1

        async def mail_routes(self) -> list[MailRoute]:
            return [MailRoute("slow.example", retry_first=first, retry_max=longest)]

        async def source_pools(self) -> list[SourcePool]:
            return []

    async def go() -> None:
        schedules = RouteSchedules(RouteBook(cast(RoutingReader, Store())), Schedule())
        found = await schedules.schedule_for("slow.example")
        assert (found.first, found.ceiling) == expected
        assert await schedules.schedule_for("other.example") == Schedule()

    asyncio.run(go())
