"""When an entry is tried again, when its sender hears of it, and when we give up (RFC 5321 4.5.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Schedule", "Schedules"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds. RFC 5321 asks for retries of 30 minutes or more in general and for giving up after 4 to 5
    days; we start lower, because greylisting hosts accept after 5 minutes."""

    first: int = 300
    ceiling: int = 28_800
    give_up_after: int = 432_000
    delay_notice_after: int = 14_400

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.ceiling or self.give_up_after <= 0 or self.delay_notice_after <= 0:
            raise ValueError(f"not a schedule: {self}")

    def retry_delay(self, attempt: int) -> int:
        """Seconds between attempt `attempt` (from 1) and the next: doubling from `first` to `ceiling`."""
        if attempt < 1:
            raise ValueError(f"attempt {attempt} < 1")
        return min(self.first << min(attempt - 1, 30), self.ceiling)

    def next_attempt(
        self, arrived: int, now: int, attempt: int, *, notified: bool, jitter: float = 0.0
    ) -> int:
        """When to try again after attempt `attempt` failed at `now`.

        `jitter` (0 to 1, random) adds up to a tenth of the wait, so that entries that failed together do
        not return together. An attempt falls on the moment of the delay notice, unless the sender is
        `notified`, and one on the last moment, so that neither comes late.
        """
        delay = self.retry_delay(attempt)
        moment = now + delay + int(delay * 0.1 * jitter)
        notice = arrived + self.delay_notice_after
        if not notified and now < notice < moment:
            moment = notice
        return min(moment, max(self.expires(arrived), now + 1))

    def expires(self, arrived: int) -> int:
        """An attempt that fails from this moment on is the last."""
        return arrived + self.give_up_after

    def wants_delay_notice(self, arrived: int, now: int) -> bool:
        return now >= arrived + self.delay_notice_after


class Schedules(Protocol):
    async def schedule_for(self, destination: str) -> Schedule:
        """That of the route to a destination, or the usual one. Raises StoreError."""
        ...
