"""The bus: "topic T moved to N", from whoever committed to whoever shows it.

It carries no state: a lost message costs a delay, never a difference, since listeners read the store
(`changes_since`). It is told after the commit and before the client is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = [
    "QUEUE_TOPIC",
    "SERVER_ANNOTATIONS_TOPIC",
    "SETTINGS_TOPIC",
    "Bus",
    "Subscription",
    "account_topic",
]

QUEUE_TOPIC = 0
"""New or due entries stand in the queue."""

SETTINGS_TOPIC = -1
"""Domains, accounts or addresses changed: caches of the directory are stale."""

SERVER_ANNOTATIONS_TOPIC = -2
"""What is noted about the whole server changed; the number grows."""


def account_topic(account_id: int) -> int:
    """The topic of an account's changes; its number is the account's modseq."""
    return account_id


class Subscription(Protocol):
    def close(self) -> None:
        """No calls come after this. May be called more than once."""
        ...


class Bus(Protocol):
    """Reaches subscribers in this process at once and those of other workers within milliseconds."""

    def publish(self, topic: int, number: int) -> None:
        """Never blocks and never raises."""
        ...

    def subscribe(self, topic: int, call: Callable[[int], None]) -> Subscription:
        """`call(number)` runs on this worker's event loop; it must only note or wake, not work."""
        ...
