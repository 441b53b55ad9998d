"""What there is to know and to do about the reports that this server sends to other domains."""

from __future__ import annotations

from typing import NamedTuple

from postier.base.address import Address
from postier.base.domain import Domain
from postier.base.ids import new_id
from postier.dns.api import DnsError
from postier.reports.out.daily import Reporting, due
from postier.reports.out.destinations import destination_of
from postier.reports.out.identity import DAY, NoIdentity, identity_of
from postier.reports.out.mail import Report
from postier.store.api import ReportOutcome, ReportTarget, Store, Tx

__all__ = [
    "Preview",
    "SendingState",
    "Waiting",
    "look_ahead",
    "resume",
    "sending_state",
    "stop",
    "target_name",
]


class Waiting(NamedTuple):
    """A report that is to be sent. `due`: in seconds since 1970."""

    kind: str
    domain: str
    day: int
    due: float


class SendingState(NamedTuple):
    """`contact`: as whom reports are sent, "" where they can't be; `problem`: why not."""

    kinds: tuple[str, ...]
    contact: str
    problem: str
    outcomes: list[ReportOutcome]
    waiting: list[Waiting]
    stopped: list[ReportTarget]


class Preview(NamedTuple):
    """The reports of one kind and where they would go. `left_out`: names with the reason. `problem`: why
    that is not known."""

    kind: str
    reports: list[Report]
    destinations: list[str]
    left_out: list[tuple[str, str]]
    problem: str


async def sending_state(store: Store, reporting: Reporting, now: float, days: int) -> SendingState:
    """Of the last so many days and today."""
    today = int(now) // DAY
    settings = reporting.settings
    contact, problem = "", ""
    try:
        contact = str((await identity_of(store.reader, settings.hostname, settings.contact)).contact)
    except NoIdentity as error:
        problem = str(error)
    return SendingState(
        settings.kinds,
        contact,
        problem,
        await store.reader.report_outcomes(today - days, today),
        [Waiting(*key, due(*key)) for key in await reporting.waiting(today)],
        await store.reader.report_targets(stopped=True),
    )


async def look_ahead(store: Store, reporting: Reporting, domain: str, day: int) -> list[Preview]:
    """What would be sent of a day, whether or not it is switched on. Raises NoIdentity, StoreError."""
    settings = reporting.settings
    identity = await identity_of(store.reader, settings.hostname, settings.contact)
    found = []
    for kind in ("tls", "dmarc"):
        reports = await reporting.documents.of(identity, kind, domain, day)
        try:
            plan = await reporting.desk.plan(kind, domain)
        except DnsError as error:
            found.append(Preview(kind, reports, [], [], f"DNS: {error}"))
        else:
            names = [one.name for one in plan.destinations]
            found.append(Preview(kind, reports, names, list(plan.left_out), ""))
    return found


def target_name(text: str) -> str:
    """The name of what can be stopped: an address, a URL or a domain. Raises ValueError."""
    if "@" in text:
        return Address.parse(text).lookup_key
    if ":" in text:
        found = destination_of(text, ("https",))
        if found is None:
            raise ValueError(f"{text} is no place that reports go to")
        return found.name
    return Domain.parse(text).ascii


async def stop(store: Store, name: str, reason: str, now: float) -> ReportTarget:
    """Nothing is sent there any more, or about that domain. Raises StoreError."""

    async def work(tx: Tx) -> ReportTarget:
        known = await tx.report_target(name) or ReportTarget(name, new_id(), 0, 0)
        target = known._replace(stopped=int(now), reason=reason)
        await tx.set_report_target(target)
        return target

    return await store.transact(work)


async def resume(store: Store, name: str) -> bool:
    """False where it was not stopped. Raises StoreError."""

    async def work(tx: Tx) -> bool:
        known = await tx.report_target(name)
        if known is None or not known.stopped:
            return False
        await tx.set_report_target(known._replace(stopped=0, reason=""))
        return True

    return await store.transact(work)
