"""Counting how mail fares under the DMARC policies of others, for reports to them.

Mail that is accepted is counted in the transaction that stores it. What is refused has none: it is counted
here and written once a minute, so a crash loses a minute of it at most. Whoever sends from a million
addresses makes no million rows: past MAX_KINDS different ones of a domain and day, new ones are left out.
"""

from __future__ import annotations

import asyncio

from postier.base.clock import Clock
from postier.base.log import Log
from postier.mailauth.evaluation import Evaluation
from postier.reports.out.seen import is_report, seen_of
from postier.store.api import DmarcCount, DmarcSeen, Store, StoreError, Tx

__all__ = ["MAX_KINDS", "DmarcCounter"]

MAX_KINDS = 2000
"""Rows of one domain and day that a worker adds."""
MAX_ALL = 50_000
"""Rows of one day that a worker adds."""
PAUSE = 60.0
_REFUSED = DmarcCount(1, 0)

log = Log("reports")


class DmarcCounter:
    """`run` it as a task; `stop` makes it write what waits, and end."""

    def __init__(self, store: Store, clock: Clock, *, pause: float = PAUSE) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause
        self._day = 0
        self._known: dict[str, set[int]] = {}
        self._all = 0
        self._counts: dict[DmarcSeen, DmarcCount] = {}
        self._stopping = asyncio.Event()

    def seen(self, evaluation: Evaluation | None, header: bytes) -> DmarcSeen | None:
        """What is to be counted of a message with this header section; None for nothing."""
        if evaluation is None or evaluation.policy is None or not evaluation.policy.rua or is_report(header):
            return None
        seen = seen_of(evaluation, self._clock.now())
        return seen if seen is not None and self._has_room(seen) else None

    def _has_room(self, seen: DmarcSeen) -> bool:
        if seen.day != self._day:
            self._day, self._known, self._all = seen.day, {}, 0
        known = (
            self._known.setdefault(seen.domain, set())
            if self._all < MAX_ALL
            else self._known.get(seen.domain)
        )
        name = hash((seen.policy, seen.facts))
        if known is None or name in known:
            return known is not None
        if len(known) >= MAX_KINDS or self._all >= MAX_ALL:
            return False
        known.add(name)
        self._all += 1
        return True

    def note_refused(self, seen: DmarcSeen) -> None:
        """Never waits and never fails."""
        known = self._counts.get(seen)
        self._counts[seen] = _REFUSED if known is None else DmarcCount(known.messages + 1, 0)

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._pause):
                    await self._stopping.wait()
            except TimeoutError:
                pass  # another minute is over
            await self.write()
        await self.write()

    def stop(self) -> None:
        self._stopping.set()

    async def write(self) -> None:
        """What was refused since the last time; where the store can't, it is lost."""
        counts, self._counts = self._counts, {}

        async def work(tx: Tx) -> None:
            await tx.add_dmarc_results(counts)

        try:
            if counts:
                await self._store.transact(work, durable=False)
        except StoreError as error:
            log.fault("figures not written", why=error)
