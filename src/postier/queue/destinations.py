"""How hard each destination, or site of several, is pressed: pure rules, so that hosts that are slow or gone
hold up nobody else.

**Window**: deliveries at one time. It starts small, grows by one with each delivery, is halved when the host
puts everything off (a limit of its own, most often), and falls to one when the destination can't be reached;
so a hundred dead domains never take the places of the living.

**Outage**: for a minute after no host could be reached, further entries get the same answer without another
attempt. They would only wait for the same time-outs.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from postier.base.clock import Clock
from postier.queue.api import DeliveryResult, Outcome

__all__ = ["FIRST_WINDOW", "OUTAGE", "Destinations", "Standing"]

FIRST_WINDOW = 5
OUTAGE = 60.0
"""Seconds."""

REMEMBERED = 10_000
"""Destinations; past that the one that was noted longest ago is forgotten."""

_UNREACHED = ("4.4.1", "4.4.3")  # no host answered; no answer from the DNS
_TROUBLE = "4.4."


class Standing(enum.Enum):
    """How it went the last time."""

    PROVEN = "reached"
    NEW = "not tried yet"
    FAILED = "not reached"


class _Known(NamedTuple):
    window: int
    outage_until: float = 0.0
    cause: DeliveryResult | None = None
    proven: bool = False


class Destinations:
    """What is known of destinations, in this process.

    `largest`: the widest window. `outage`: seconds, less than the first wait of the schedule, so that an
    entry's own retry is a real one.
    """

    def __init__(self, clock: Clock, largest: int, outage: float = OUTAGE) -> None:
        self._outage = outage
        self._clock = clock
        self._largest = largest
        self._first = _Known(min(FIRST_WINDOW, largest))
        self._known: dict[str, _Known] = {}  # in the order they were noted

    def window(self, destination: str) -> int:
        """How many deliveries it may have at one time."""
        return self._known.get(destination, self._first).window

    def standing(self, destination: str) -> Standing:
        known = self._known.get(destination)
        if known is None:
            return Standing.NEW
        return Standing.PROVEN if known.proven else Standing.FAILED

    def outage(self, destination: str) -> DeliveryResult | None:
        """Why there is no use in trying now; None if there is."""
        known = self._known.get(destination, self._first)
        return known.cause if known.outage_until > self._clock.monotonic() else None

    def note(self, destination: str, results: Sequence[DeliveryResult]) -> None:
        """An attempt ended so; one that was not made, because of an outage, is not to be noted."""
        known = self._known.pop(destination, self._first)
        worst = next((r for r in results if _is_trouble(r)), None)
        if worst is None and results and all(r.outcome is Outcome.TEMPORARY for r in results):
            known = _Known(max(1, known.window // 2), proven=True)
        elif worst is None:
            known = _Known(min(known.window + 1, self._largest), proven=True)
        elif all(r.outcome is Outcome.TEMPORARY and r.status in _UNREACHED for r in results):
            known = _Known(1, self._clock.monotonic() + self._outage, worst)
        else:
            known = _Known(1)
        self._known[destination] = known
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def _is_trouble(result: DeliveryResult) -> bool:
    return result.outcome is Outcome.TEMPORARY and result.status.startswith(_TROUBLE)
