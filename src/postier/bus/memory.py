"""A bus that reaches this process only: for one worker alone, and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["MemoryBus", "Subscribers", "Subscription"]


class Subscribers:
    """Who listens to which topic, in this process."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[object, Callable[[int], None]]] = {}

    def add(self, topic: int, call: Callable[[int], None]) -> Subscription:
        subscription = Subscription(self._calls, topic)
        self._calls.setdefault(topic, {})[subscription] = call
        return subscription

    def tell(self, topic: int, number: int) -> None:
        """Call them, on the thread of the event loop."""
        calls = self._calls.get(topic)
        if calls:
            for subscription, call in list(calls.items()):
                if subscription in calls:  # none of those before has closed it
                    call(number)


class Subscription:
    """See `bus.api.Subscription`."""

    __slots__ = ("_calls", "_topic")

    def __init__(self, calls: dict[int, dict[object, Callable[[int], None]]], topic: int) -> None:
        self._calls = calls
        self._topic = topic

    def close(self) -> None:
        of_topic = self._calls.get(self._topic)
        if of_topic is not None and of_topic.pop(self, None) is not None and not of_topic:
            del self._calls[self._topic]


class MemoryBus:
    """Made on the event loop its subscribers run on; `publish` may come from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._subscribers = Subscribers()

    def publish(self, topic: int, number: int) -> None:
        try:
            self._loop.call_soon_threadsafe(self._subscribers.tell, topic, number)
        except RuntimeError:
            pass  # the loop has ended, and with it every subscriber

    def subscribe(self, topic: int, call: Callable[[int], None]) -> Subscription:
        return self._subscribers.add(topic, call)
