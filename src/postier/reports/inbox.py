"""Mail with reports, read soon after it was accepted, on one worker of all.

It was stored before its sender read 250, so nothing is lost whatever happens here; and nothing is ever sent
back. What a mail holds is stored in the transaction that takes the mail off the list: once, after any crash.
A mail that ends the program three times is given up as unreadable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from postier.base.clock import Clock
from postier.base.log import Log
from postier.blobs.api import Blobs, BlobUnreadable
from postier.dns.api import Resolver
from postier.reports.intake import UNREADABLE_KEPT, Arrival, Taken, read_arrival, store_arrivals
from postier.reports.limits import LIMITS
from postier.reports.read import Report
from postier.reports.sources import is_within
from postier.reports.watch import look_at_all
from postier.store.api import AggregateReport, FailureReport, ReportMail, Store, StoreError, Tx
from postier.store.lease import take_lease

__all__ = ["ATTEMPTS", "keep_reading", "only_ours", "read_mails"]

PAUSE = 10.0
LEASE = 300
LOOK_EVERY = 600
AT_ONCE = 20
ATTEMPTS = 3
UNREADABLE_MOST = 1000
"""Unreadable mails that are kept: anybody can send more."""

DAY = 86400
ROWS_A_DAY = 1_000_000
"""Rows of aggregate reports that are taken in by mail within a day (250 MB): one mail may hold 100,000."""

log = Log("reports")


async def keep_reading(
    store: Store, blobs: Blobs, clock: Clock, resolver: Resolver, owner: str, pause: float = PAUSE
) -> None:
    """For ever: mails, and now and then what all reports show that is new."""
    look_at = clock.now() + LOOK_EVERY
    while True:
        await asyncio.sleep(pause)
        try:
            waiting, is_due = await store.reader.report_mails(1), clock.now() >= look_at
            if not waiting and not is_due:
                continue
            if is_due:
                look_at = clock.now() + LOOK_EVERY
            if await take_lease(store, clock, "reports-in", owner, LEASE):
                await read_mails(store, blobs, clock)
                if is_due:
                    await look_at_all(store, resolver, clock)
        except StoreError as error:
            log.fault("reports wait", why=error)


async def read_mails(store: Store, blobs: Blobs, clock: Clock) -> Taken:
    """Some of those that wait. Raises StoreError."""
    taken = Taken()
    domains = [domain.name for domain in await store.reader.domains()]
    for mail in await store.reader.report_mails(AT_ONCE):
        taken = taken.plus(await _read(store, blobs, clock, mail, domains))
    return taken


async def _read(store: Store, blobs: Blobs, clock: Clock, mail: ReportMail, domains: Sequence[str]) -> Taken:
    await store.transact(lambda tx: tx.begin_report_mail(mail.mail))
    origin = f"mail from {mail.sender or '<>'}"
    try:
        content = await _content(blobs, mail)
        if mail.attempts >= ATTEMPTS:
            arrival = Arrival(origin, (), "reading it ended the program", content[:UNREADABLE_KEPT])
        else:
            arrival = only_ours(await asyncio.to_thread(read_arrival, origin, content), domains, content)
    except BlobUnreadable as error:
        log.fault("report not read", why=error, sender=mail.sender)
        arrival = Arrival(origin, (), "the stored mail is damaged", origin.encode())
    received = int(clock.now())

    async def work(tx: Tx) -> Taken:
        if not await tx.remove_report_mail(mail.mail):
            return Taken()
        await tx.limit_unreadable_reports(UNREADABLE_MOST)
        taking = arrival
        if arrival.rows and arrival.rows + await tx.rows_received(received - DAY) > ROWS_A_DAY:
            reason = f"more than {ROWS_A_DAY} rows came within a day"
            taking = Arrival(origin, (), reason, content[:UNREADABLE_KEPT])
            log.fault("report not taken in", why=reason, sender=mail.sender)
        return await store_arrivals(tx, [taking], received)

    taken = await store.transact(work)
    log.info("report taken in", sender=mail.sender or "<>", reason=arrival.reason, **taken._asdict())
    return taken


async def _content(blobs: Blobs, mail: ReportMail) -> bytes:
    """Up to one octet past the limit, which is what makes it unreadable."""
    most = LIMITS.octets + 1
    if mail.blob.size <= most:
        return await blobs.read(mail.blob)
    return await blobs.read(mail.blob, 0, most)


def only_ours(arrival: Arrival, domains: Iterable[str], content: bytes) -> Arrival:
    """Anybody may write to the address: what is about other domains says nothing to us."""
    ours = tuple(domains)
    kept = [report for report in arrival.reports if _is_about(report, ours)]
    if kept or not arrival.reports:
        return arrival._replace(reports=kept)
    return Arrival(arrival.origin, (), "it is about no domain of ours", content[:UNREADABLE_KEPT])


def _is_about(report: Report, domains: Sequence[str]) -> bool:
    match report:
        case AggregateReport():
            names = [report.domain]
        case FailureReport():
            names = [report.domain] if report.domain else list(domains)
        case _:
            names = [policy.domain for policy in report.policies]
    return any(is_within(name, domain) for name in names for domain in domains)
