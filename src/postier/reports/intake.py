"""Taking reports in: read, stored once, and what can't be read kept beside its reason. Nothing is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from postier.base.clock import Clock
from postier.base.log import Log
from postier.reports.limits import LIMITS, Budget, Unreadable
from postier.reports.read import Report, read_report
from postier.reports.words import clean
from postier.store.api import AggregateReport, FailureReport, Store, TlsReport, Tx

__all__ = ["UNREADABLE_KEPT", "Arrival", "Taken", "read_arrival", "store_arrivals", "take_reports"]

DAY = 86400
UNREADABLE_KEPT = 1024 * 1024
"""Octets of an unreadable file that are kept."""


log = Log("reports")


class Arrival(NamedTuple):
    """A file or mail that was read. `origin`: its name, or who sent it. `reason` is "" where it holds
    `reports`, else says why it holds none; `content` is kept then."""

    origin: str
    reports: Sequence[Report] = ()
    reason: str = ""
    content: bytes = b""

    @property
    def rows(self) -> int:
        return sum(len(one.rows) for one in self.reports if isinstance(one, AggregateReport))


class Taken(NamedTuple):
    """What became of reports: how many of each kind are new, were there already, can't be read; `rows` of the
    new ones."""

    aggregate: int = 0
    failure: int = 0
    tls: int = 0
    known: int = 0
    unreadable: int = 0
    rows: int = 0

    def plus(self, other: Taken) -> Taken:
        return Taken(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def read_arrival(origin: str, data: bytes) -> Arrival:
    """Pure, and bounded in time and memory by LIMITS."""
    origin = clean(origin)
    try:
        if len(data) > LIMITS.octets:
            raise Unreadable(f"it is longer than {LIMITS.octets} octets")
        return Arrival(origin, read_report(data, Budget()))
    except Unreadable as error:
        return Arrival(origin, (), clean(str(error)), data[:UNREADABLE_KEPT])
    except Exception as error:  # of ours: one report shall not keep the others from being read
        log.fault("report not read", why=error, origin=origin)
        return Arrival(origin, (), "reading it failed", data[:UNREADABLE_KEPT])


async def store_arrivals(tx: Tx, arrivals: Sequence[Arrival], received: int) -> Taken:
    """Within a transaction."""
    taken = Taken()
    for arrival in arrivals:
        if arrival.reason:
            new = await tx.add_unreadable_report(arrival.origin, arrival.reason, arrival.content, received)
            taken = taken.plus(Taken(unreadable=1) if new else Taken(known=1))
        for report in arrival.reports:
            taken = taken.plus(await _store(tx, report, received))
    return taken


async def take_reports(store: Store, clock: Clock, arrivals: Sequence[Arrival]) -> Taken:
    """In one transaction, durable when it returns. Raises StoreError."""
    received = int(clock.now())
    return await store.transact(lambda tx: store_arrivals(tx, arrivals, received))


def _in_time(report: Report, latest: int) -> Report:
    """None tells of the future: it would be the newest for ever, and never be forgotten."""
    match report:
        case FailureReport():
            return report._replace(arrived=min(report.arrived, latest))
        case _:
            return report._replace(begin=min(report.begin, latest), end=min(report.end, latest))


async def _store(tx: Tx, report: Report, received: int) -> Taken:
    report = _in_time(report, received + DAY)
    match report:
        case AggregateReport():
            new = await tx.add_aggregate_report(report, received)
            return Taken(aggregate=1, rows=len(report.rows)) if new else Taken(known=1)
        case FailureReport():
            return Taken(failure=1) if await tx.add_failure_report(report, received) else Taken(known=1)
        case TlsReport():
            return Taken(tls=1) if await tx.add_tls_report(report, received) else Taken(known=1)
