"""Counting how mail fares under the DMARC policies of others, for reports to them.

Mail that is accepted is counted in the transaction that stores it. What is refused has none: it is counted
here and written once a minute, so a crash loses a minute of it at most. Whoever sends from a million
addresses makes no million rows: past MAX_KINDS different ones of a domain and day, new ones are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from postier.base.clock import Clock
from postier.base.log import Log
from postier.mailauth.evaluation import Evaluation
from postier.reports.out.seen import is_report, seen_of
from postier.store.api import DmarcCount, DmarcSeen, Store, Tx
from postier.store.tally import MINUTE, Tally

__all__ = ["MAX_KINDS", "DmarcCounter"]

MAX_KINDS = 2000
"""Rows of one domain and day that a worker adds."""
MAX_ALL = 50_000
"""Rows of one day that a worker adds."""
_REFUSED = DmarcCount(1, 0)

log = Log("reports")


class DmarcCounter:
    """`run` it as a task; `stop` makes it write what waits, and end."""

    def __init__(self, store: Store, clock: Clock, *, pause: float = MINUTE) -> None:
        self._refused = Tally(store, log, _write, _plus, most=MAX_ALL, pause=pause)
        self._clock = clock
        self._day = 0
        self._known: dict[str, set[int]] = {}
        self._all = 0

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
        self._refused.add(seen, _REFUSED)

    async def run(self) -> None:
        await self._refused.run()

    def stop(self) -> None:
        self._refused.stop()

    async def write(self) -> None:
        await self._refused.write()


async def _write(tx: Tx, counts: Mapping[DmarcSeen, DmarcCount]) -> None:
    await tx.add_dmarc_results(counts)


def _plus(one: DmarcCount, other: DmarcCount) -> DmarcCount:
    return DmarcCount(one.messages + other.messages, one.accepted + other.accepted)
