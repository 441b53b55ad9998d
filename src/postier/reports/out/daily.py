"""The role that sends reports: what is due of the day before, a little at a time, on one worker of all.

Each report has a moment of its own within the day after (RFC 8460 4.1 asks to spread them), drawn from its
domain, so that it is the same on every worker and after a restart. What can't be sent is tried again for
24 hours (RFC 8460 5.5), with longer and longer pauses.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from postier.base.clock import Clock
from postier.base.log import Log
from postier.dns.api import TemporaryFailure
from postier.reports.out.desk import ReportDesk, ReportLimits
from postier.reports.out.documents import Documents
from postier.reports.out.identity import DAY, Identity, NoIdentity, identity_of
from postier.reports.out.mail import Report
from postier.store.api import ReportOutcome, Store, StoreError, Tx
from postier.store.lease import take_lease

__all__ = ["DELAY", "OPEN_DAYS", "SPREAD", "ReportSettings", "Reporting", "due"]

KEEP_DAYS = 35
DELAY = 900
"""Seconds after the end of a day before its first report: every worker has written its figures by then."""
SPREAD = 16 * 3600
GIVE_UP = DAY
"""Seconds after it was due first."""
AT_ONCE = 20
"""Reports of one round."""
ROUND_SECONDS = 600.0
"""Of one round, so that it ends before the lease does, however slow hosts are."""
PAUSE = 300.0
LEASE = 1800
RETRY_FIRST = 900
RETRY_LONGEST = 4 * 3600

OPEN_DAYS = 2
"""Days whose reports may still be sent."""
NOTHING = {"tls": "there was no session with its hosts", "dmarc": "no mail of it was accepted"}

Key = tuple[str, str, int]
"""kind, domain, day"""

log = Log("reports")


class _Retry(NamedTuple):
    """`again`: in seconds since 1970."""

    again: float
    tries: int


_NEVER_TRIED = _Retry(0, 0)


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """`tls`, `dmarc`: which kinds are sent. `contact`: an address of ours, "" for a postmaster's."""

    hostname: str
    tls: bool = False
    dmarc: bool = False
    contact: str = ""
    limits: ReportLimits = field(default_factory=ReportLimits)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind, on in (("tls", self.tls), ("dmarc", self.dmarc)) if on)


def due(kind: str, domain: str, day: int) -> float:
    """When the report of `day` is sent, in seconds since 1970."""
    drawn = hashlib.blake2b(f"{kind} {domain} {day}".encode(), digest_size=4).digest()
    return (day + 1) * DAY + DELAY + SPREAD * int.from_bytes(drawn) / 2**32


class Reporting:
    """`run` it as a task on every worker."""

    def __init__(
        self, store: Store, clock: Clock, desk: ReportDesk, documents: Documents, settings: ReportSettings
    ) -> None:
        self._store = store
        self._clock = clock
        self.desk = desk
        self.documents = documents
        self.settings = settings
        self._retries: dict[Key, _Retry] = {}
        self._forgotten = 0

    async def run(self, owner: str, pause: float = PAUSE) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(pause)
            try:
                if await take_lease(self._store, self._clock, "reports", owner, LEASE):
                    await self.round()
            except StoreError as error:
                log.fault("no reports", why=error)
            except NoIdentity as error:
                log.warning("no reports", why=error)

    async def round(self) -> list[ReportOutcome]:
        """What is due now, AT_ONCE at most. Raises StoreError, NoIdentity."""
        now = self._clock.now()
        today = int(now) // DAY
        await self._forget(today)
        open_ = await self.waiting(today)
        wanted = [one for one in open_ if max(due(*one), self._retries.get(one, _NEVER_TRIED).again) <= now]
        if not wanted:
            return []
        identity = await identity_of(self._store.reader, self.settings.hostname, self.settings.contact)
        left = self.settings.limits.per_day - await self._store.reader.reports_written(today * DAY)
        done: list[ReportOutcome] = []
        until = self._clock.monotonic() + ROUND_SECONDS
        for kind, domain, day in wanted[:AT_ONCE]:
            if self._clock.monotonic() > until:
                break
            if left <= 0:
                log.warning("no more reports today", limit=self.settings.limits.per_day, waiting=len(wanted))
                break
            outcome = await self.send(identity, kind, domain, day)
            if outcome is not None:
                left -= outcome.destinations
                done.append(outcome)
        return done

    async def send(self, identity: Identity, kind: str, domain: str, day: int) -> ReportOutcome | None:
        """The report of a day, whether or not it is due; None: it is tried again. Raises StoreError."""
        key = (kind, domain, day)
        reports = await self.documents.of(identity, kind, domain, day)
        empty = Report(kind, domain, day, "")
        if not reports:
            outcome: ReportOutcome | None = await self.desk.close(empty, "nothing", NOTHING[kind])
        else:
            try:
                outcome = await self.desk.send(identity, reports, await self.desk.plan(kind, domain))
                why = "nobody took it"
            except TemporaryFailure as error:
                outcome, why = None, f"DNS: {error}"
            now = self._clock.now()
            if outcome is None and now >= due(*key) + GIVE_UP:
                outcome = await self.desk.close(reports[0], "failed", why)
            elif outcome is None:
                tries = self._retries.get(key, _NEVER_TRIED).tries
                wait = min(RETRY_FIRST << min(tries, 20), RETRY_LONGEST)
                self._retries[key] = _Retry(now + wait, tries + 1)
                log.info("report put off", kind=kind, domain=domain, why=why, seconds=wait)
                return None
        self._retries.pop(key, None)
        return outcome

    async def waiting(self, today: int) -> list[Key]:
        """Reports of the last days that were not sent, nor given up; the ones due first in front."""
        days = range(today - OPEN_DAYS, today)
        ended = {
            (one.kind, one.domain, one.day)
            for one in await self._store.reader.report_outcomes(days[0], days[-1])
        }
        found = [
            (kind, domain, day)
            for day in days
            for kind in self.settings.kinds
            for domain in await self.documents.domains(kind, day)
        ]
        return sorted((one for one in found if one not in ended), key=lambda one: due(*one))

    async def _forget(self, today: int) -> None:
        if today == self._forgotten:
            return

        async def work(tx: Tx) -> None:
            await tx.forget_report_outcomes(today - KEEP_DAYS)
            await tx.forget_old_dmarc_results(today - OPEN_DAYS)

        await self._store.transact(work, durable=False)
        self._forgotten = today
        self._retries = {key: retry for key, retry in self._retries.items() if key[2] >= today - OPEN_DAYS}
