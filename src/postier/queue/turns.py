"""Whose turn it is: the due entries that this process has in view, by site, and nothing that waits.

The store is read a page at a time. Of each site only as many entries are kept as it can use soon; a site that
has more is remembered, and asked again when it runs out. So 100,000 entries cost no more memory than some
thousands, and those of one dead destination hide no other.

Sites take turns, one entry each. Those that are not known to take mail share a part of the places: a hundred
silent hosts wait for their time-outs beside the living, not in front of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from postier.queue.destinations import Standing
from postier.store.api import Due

__all__ = ["KEPT", "Turn", "Turns"]

KEPT = {Standing.PROVEN: 40, Standing.NEW: 20, Standing.FAILED: 4}
"""Entries in view of one site; when a quarter is left, more are looked for."""
DESTINATIONS_KEPT = 100
"""Destinations of one site that are known to have more."""


class Turn(NamedTuple):
    site: str
    due: Due


class Turns:
    """`standing`: of a site, now. An entry is known from `add` to `forget`."""

    def __init__(self, standing: Callable[[str], Standing]) -> None:
        self._standing = standing
        self._waiting: dict[str, deque[Due]] = {}
        self._more: dict[str, dict[str, None]] = {}
        self._known: set[int] = set()
        # sites with entries, in the order of their turns
        self._ready: dict[Standing, dict[str, None]] = {standing: {} for standing in Standing}
        self._short: dict[str, None] = {}
        self._count = 0
        self.overlooked = False
        """Some site had more than is remembered: the store must be read from its beginning."""

    def __len__(self) -> int:
        return self._count

    def add(self, site: str, due: Due) -> None:
        """An entry that is due. One that is known already, or has no place, is left in the store."""
        if due.entry_id in self._known:
            return
        waiting = self._waiting.setdefault(site, deque())
        if len(waiting) >= KEPT[self._standing(site)]:
            more = self._more.setdefault(site, {})
            if len(more) < DESTINATIONS_KEPT:
                more[due.destination] = None
            elif due.destination not in more:
                self.overlooked = True
            return
        waiting.append(due)
        self._known.add(due.entry_id)
        self._count += 1
        self.freed(site)

    def freed(self, site: str) -> None:
        """The site may have room for another entry, or what is known of it may have changed."""
        if not self._waiting.get(site):
            return
        standing = self._standing(site)
        for other, ready in self._ready.items():
            if other is not standing:
                ready.pop(site, None)
        self._ready[standing].setdefault(site)

    def forget(self, entry_id: int) -> None:
        """Its attempt is over, or another worker has it."""
        self._known.discard(entry_id)

    def take(self, limit: int, places: Mapping[Standing, int], claim: Callable[[str], bool]) -> list[Turn]:
        """Up to `limit` entries, of sites of each standing at most so many as `places` says. `claim` takes a
        place of a site; one that has none is not asked again until it is `freed`."""
        taken: list[Turn] = []
        for standing, ready in self._ready.items():
            self._take(taken, ready, min(limit, len(taken) + places[standing]), claim)
        return taken

    def _take(
        self, taken: list[Turn], ready: dict[str, None], limit: int, claim: Callable[[str], bool]
    ) -> None:
        while ready and len(taken) < limit:
            site = next(iter(ready))
            del ready[site]
            waiting = self._waiting.get(site)
            if not waiting or not claim(site):
                continue
            taken.append(Turn(site, waiting.popleft()))
            self._count -= 1
            if site in self._more and len(waiting) <= KEPT[self._standing(site)] // 4:
                self._short[site] = None
            if waiting:
                ready[site] = None
            else:
                del self._waiting[site]

    def short(self) -> list[tuple[str, str]]:
        """(site, destination) to look for more of: one of each site that has few left. Told once."""
        found = [(site, next(iter(self._more[site]))) for site in self._short if site in self._more]
        self._short.clear()
        return found

    def exhausted(self, site: str, destination: str) -> None:
        """All that is due for it is in view."""
        more = self._more.get(site, {})
        more.pop(destination, None)
        if not more:
            self._more.pop(site, None)
