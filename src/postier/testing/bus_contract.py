"""What every bus promises. Its tests inherit BusContract and supply `make_bus`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from postier.bus.api import Bus

__all__ = ["BusContract"]


class BusContract:
    """`make_bus`: makes a bus on the running event loop; called once in each test."""

    def test_subscribers_hear_their_topic(self, make_bus: Callable[[], Bus]) -> None:
        async def run() -> None:
            bus = make_bus()
            heard: list[tuple[str, int]] = []
            bus.subscribe(1, lambda number: heard.append(("one", number)))
            bus.subscribe(1, lambda number: heard.append(("other", number)))
            bus.subscribe(2, lambda number: heard.append(("two", number)))
            bus.publish(1, 7)
            await turns()
            assert sorted(heard) == [("one", 7), ("other", 7)]

        asyncio.run(run())

    def test_a_closed_subscription_hears_nothing(self, make_bus: Callable[[], Bus]) -> None:
        async def run() -> None:
            bus = make_bus()
            heard: list[int] = []
            subscription = bus.subscribe(1, heard.append)
            kept = bus.subscribe(1, lambda number: heard.append(-number))
            subscription.close()
            subscription.close()
            bus.publish(1, 7)
            await turns()
            assert heard == [-7]
            kept.close()

        asyncio.run(run())

    def test_a_subscriber_may_close_another_while_it_is_called(self, make_bus: Callable[[], Bus]) -> None:
        async def run() -> None:
            bus = make_bus()
            heard: list[int] = []

            def hear(number: int) -> None:
                heard.append(number)
                for subscription in subscriptions:
                    subscription.close()

            subscriptions = [bus.subscribe(1, hear) for _ in range(2)]
            bus.publish(1, 1)
            await turns()
            assert heard == [1]

        asyncio.run(run())

    def test_publishing_from_a_thread_reaches_the_loop(self, make_bus: Callable[[], Bus]) -> None:
        async def run() -> None:
            bus = make_bus()
            heard: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
            bus.subscribe(-1, lambda number: heard.set_result((number, threading.get_ident())))
            thread = threading.Thread(target=bus.publish, args=(-1, 2**62))
            thread.start()
            assert await heard == (2**62, threading.get_ident())
            thread.join()

        asyncio.run(run())


async def turns(count: int = 5) -> None:
    """Let the event loop go round a few times."""
    for _ in range(count):
        await asyncio.sleep(0)
