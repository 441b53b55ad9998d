"""One attempt for one entry: deliver, judge, tell the sender, and write it all down.

The recipients' new states, the report to the sender, copies for mailboxes of ours, and the end of the entry
are ONE transaction: they happen together or not at all.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from postier.accounts.directory import Directory
from postier.accounts.report_returns import report_tag, stop_reports
from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.base.log import Log
from postier.base.metrics import ATTEMPTS, DELIVERY, OUTBOUND_TLS, REPORTS, tls_version
from postier.blobs.api import Blobs, BlobUnreadable
from postier.bus.api import Bus
from postier.message.dsn import Action
from postier.queue.api import DeliveryResult, EachItsOwn, Envelope, Outcome, Sites, Transport
from postier.queue.bounce import Reporter
from postier.queue.destinations import Destinations
from postier.queue.local import plan_local
from postier.queue.outgoing import StoredMessage, open_message
from postier.queue.post import Parcel, post
from postier.queue.schedule import Schedules
from postier.queue.sender import ReportDesk
from postier.queue.story import attempt_steps
from postier.queue.suppress import SuppressionRules, is_unknown_user, note_unknown
from postier.queue.verdict import Verdict, judge
from postier.store.api import (
    NoSuchAccount,
    OverQuota,
    QueueEntry,
    QueueRecipient,
    RecipientState,
    Step,
    StepKind,
    Store,
    StoreError,
    StoreUnavailable,
    Tx,
)

__all__ = ["Attempts", "QueueServices"]

PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)
"""Seconds between tries to write a result down: until then the other side has a message we don't know of."""

UNHURRIED = 0.04
"""Seconds that an entry spends on hearing that its host is gone, so that many of them leave the machine to
what can be delivered."""
FAULT = "an internal fault; see the log"
FAULT_FIRST = 60
FAULT_LONGEST = 14_400
"""Seconds until an entry is tried again whose attempt ended by a fault of ours: the first, the longest."""

log = Log("queue")


@dataclass(frozen=True, slots=True)
class QueueServices:
    """What the queue works with. `schedules`: None where one holds for all."""

    store: Store
    blobs: Blobs
    bus: Bus
    directory: Directory
    transport: Transport
    clock: Clock
    sites: Sites = field(default_factory=EachItsOwn)
    schedules: Schedules | None = None
    suppression: SuppressionRules = field(default_factory=SuppressionRules)


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt to write down, as made at `when`. `unknown`: the results that say so of a recipient."""

    verdict: Verdict
    steps: Callable[..., list[Step]]
    when: float
    unknown: tuple[DeliveryResult, ...] = ()


class Attempts:
    """Makes attempts. `destinations` learns from them; `rng`: for the jitter of retries."""

    def __init__(
        self,
        services: QueueServices,
        reporter: Reporter,
        destinations: Destinations,
        rng: random.Random,
    ) -> None:
        self._destinations = destinations
        self._services = services
        self._schedule = reporter.schedule
        self._rng = rng
        self._desk = ReportDesk(services.directory, reporter, services.clock)

    async def run(self, entry: QueueEntry, site: str) -> None:
        """The border of an attempt: whatever goes wrong inside, the entry stays and is tried again."""
        try:
            await self._run(entry, site)
        except StoreError as error:
            log.fault("attempt not written down", why=error, trace=entry.trace_id, entry=entry.entry_id)
            await self._put_off(entry)
        except Exception as error:
            log.error("attempt failed", exception=error, trace=entry.trace_id, entry=entry.entry_id)
            await self._put_off(entry)

    async def _put_off(self, entry: QueueEntry) -> None:
        """After a fault of ours: again in a time that grows with each in a row; the lease is given up."""
        again = int(self._services.clock.now()) + min(FAULT_FIRST << min(entry.faults, 20), FAULT_LONGEST)

        async def work(tx: Tx) -> None:
            current = await tx.queue_entry(entry.entry_id)
            if current is not None and current.lease_until == entry.lease_until:  # nothing was written yet
                await tx.update_queue_entry(
                    entry.entry_id,
                    recipients=entry.recipients,
                    next_attempt=again,
                    attempts=entry.attempts,
                    delay_notified=entry.delay_notified,
                    reason=FAULT,
                    state=current.state,
                    faults=entry.faults + 1,
                )

        try:
            await self._services.store.transact(work)
        except StoreError as error:
            log.fault("attempt not put off", why=error, trace=entry.trace_id, entry=entry.entry_id)

    async def _run(self, entry: QueueEntry, site: str) -> None:
        services = self._services
        pending = [r for r in entry.recipients if r.state is RecipientState.PENDING]
        message: StoredMessage | None = None
        parcels: tuple[Parcel, ...] = ()
        local = await self._is_local(entry.destination)
        outage = None if local else self._destinations.outage(site)
        try:
            if outage is not None:
                await asyncio.sleep(UNHURRIED)
                results = tuple(replace(outage, forward_path=r.forward_path) for r in pending)
            else:
                message = await open_message(services.blobs, entry.blob)
                if local:
                    results, parcels = await plan_local(entry, pending, services.directory, services.blobs)
                else:
                    results = await self._send(entry, site, pending, message)
        except BlobUnreadable as error:
            log.error("message unreadable", trace=entry.trace_id, entry=entry.entry_id, why=error)
            results = _unable(pending, "4.3.0", "the message can't be read for the moment")
        try:
            await self._settle(entry, results, parcels, message, final_hop=local)
        except (OverQuota, NoSuchAccount) as error:
            if not parcels:
                raise
            results = _unable(pending, "4.2.2", f"mailbox not available: {error}")
            await self._settle(entry, results, (), message, final_hop=local)

    async def _send(
        self, entry: QueueEntry, site: str, pending: Sequence[QueueRecipient], message: StoredMessage
    ) -> tuple[DeliveryResult, ...]:
        results = await self._services.transport.deliver(_envelope(entry, pending), message)
        self._destinations.note(site, results)
        return results

    async def _is_local(self, destination: str) -> bool:
        directory = self._services.directory
        return not destination.startswith("[") and await directory.is_local_domain(Domain(destination))

    async def _settle(
        self,
        entry: QueueEntry,
        results: Sequence[DeliveryResult],
        parcels: tuple[Parcel, ...],
        message: StoredMessage | None,
        *,
        final_hop: bool,
    ) -> None:
        """Raises OverQuota, NoSuchAccount for a mailbox of `parcels`: then nothing was written."""
        when = self._services.clock.now()
        now = int(when)
        schedule = self._schedule
        if self._services.schedules is not None:
            schedule = await self._services.schedules.schedule_for(entry.destination)
        verdict = judge(entry, results, now, schedule, jitter=self._rng.random(), final_hop=final_hop)
        told = bool(verdict.notices) and not _report_tag(entry)
        report = await self._report(entry, verdict, message) if told else None
        steps = functools.partial(attempt_steps, entry, results, verdict, when, in_mailbox=final_hop)
        unknown = () if final_hop else tuple(filter(is_unknown_user, results))
        ended = _Ended(verdict, steps, when, unknown)
        if report is None:
            await self._write(entry, ended, parcels)
        else:
            await self._write_with_report(entry, ended, parcels, report)
        _count(entry, steps(), now)
        if report is not None:
            REPORTS.add(verdict.notices[0].action.value)
        _log_results(entry, results, verdict, now)

    async def _report(
        self, entry: QueueEntry, verdict: Verdict, message: StoredMessage | None
    ) -> Parcel | None:
        """A border: a report that can't be written must not make the message go out once more."""
        try:
            try:
                message = message or await open_message(self._services.blobs, entry.blob)
                return await self._desk.report(entry, verdict.notices, message)
            except BlobUnreadable:
                return await self._desk.report(entry, verdict.notices, None)
        except Exception as error:
            log.error("report not written", exception=error, trace=entry.trace_id)
            return None

    async def _write_with_report(
        self, entry: QueueEntry, ended: _Ended, parcels: tuple[Parcel, ...], report: Parcel
    ) -> None:
        """The report goes to the sender, else to the postmaster, else nowhere."""
        try:
            return await self._write(entry, ended, (*parcels, report))
        except (OverQuota, NoSuchAccount) as error:
            log.warning("report not taken", trace=entry.trace_id, report=report.trace_id, why=error)
        instead = await self._desk.for_postmaster(report)
        if instead is not None:
            try:
                return await self._write(entry, ended, (*parcels, instead))
            except (OverQuota, NoSuchAccount) as error:
                log.warning("postmaster can't take it", trace=entry.trace_id, why=error)
        await self._write(entry, ended, parcels)

    async def _write(self, entry: QueueEntry, ended: _Ended, parcels: Sequence[Parcel]) -> None:
        """One transaction; while the store is unavailable, again: an attempt forgotten is one made twice."""
        verdict, steps, when = ended.verdict, ended.steps, ended.when

        async def work(tx: Tx) -> None:
            state = await tx.queue_state(entry.entry_id)
            if state is None:  # dropped by the administrator meanwhile
                await tx.add_steps(steps())
                return
            if ended.unknown:
                await note_unknown(
                    tx, ended.unknown, entry.reverse_path, int(when), self._services.suppression
                )
            await _stop_reports(tx, entry, verdict, when)
            report = next((parcel.trace_id for parcel in parcels if parcel.about), "")
            await tx.add_steps(steps(report=report))
            for parcel in parcels:
                await post(tx, parcel, when)
            if verdict.next_attempt is None:
                await tx.remove_queue_entry(entry.entry_id)
                return
            await tx.update_queue_entry(
                entry.entry_id,
                recipients=verdict.recipients,
                next_attempt=verdict.next_attempt,
                attempts=verdict.attempts,
                delay_notified=verdict.delay_notified,
                reason=verdict.reason,
                state=state,
            )

        for pause in PAUSES:
            try:
                return await self._services.store.transact(work)
            except StoreUnavailable as error:
                log.error("the queue can't be written", trace=entry.trace_id, why=error)
                await asyncio.sleep(pause)
        await self._services.store.transact(work)


def _report_tag(entry: QueueEntry) -> str:
    """Not "" where the entry is a report of ours to another domain: nobody wants to read that it failed."""
    return report_tag(entry.reverse_path.partition("@")[0])


async def _stop_reports(tx: Tx, entry: QueueEntry, verdict: Verdict, when: float) -> None:
    """Where a report of ours to another domain was refused, no more go there."""
    tag = _report_tag(entry)
    refused = next((one for one in verdict.notices if one.action is Action.FAILED), None) if tag else None
    if refused is not None:
        await stop_reports(tx, tag, refused.recipient.diagnostic or refused.status, when)


def _envelope(entry: QueueEntry, pending: Sequence[QueueRecipient]) -> Envelope:
    return Envelope(
        trace_id=entry.trace_id,
        reverse_path=entry.reverse_path,
        forward_paths=tuple(r.forward_path for r in pending),
        destination=entry.destination,
        body=entry.body,
        smtputf8=entry.smtputf8,
        requiretls=entry.requiretls,
        envid=entry.envid,
        ret=entry.ret,
        notify=tuple(r.notify for r in pending),
        orcpt=tuple(r.orcpt for r in pending),
        attempts=entry.attempts,
        arrived=entry.arrived,
    )


def _unable(pending: Sequence[QueueRecipient], status: str, text: str) -> tuple[DeliveryResult, ...]:
    return tuple(DeliveryResult(r.forward_path, Outcome.TEMPORARY, status, text) for r in pending)


_OUTCOMES = {
    StepKind.DELIVERED: "delivered",
    StepKind.ATTEMPTED: "temporary",
    StepKind.BOUNCED: "permanent",
    StepKind.EXPIRED: "expired",
}


def _count(entry: QueueEntry, steps: Sequence[Step], now: int) -> None:
    """Figures of attempts to send; copies for mailboxes of ours are none."""
    for step in steps:
        outcome = _OUTCOMES.get(step.kind)
        if outcome is None:
            continue
        ATTEMPTS.add(outcome)
        if "remote" in step.facts:
            OUTBOUND_TLS.add(tls_version(step.facts.get("tls", "")))
        if step.kind is StepKind.DELIVERED:
            DELIVERY.observe(now - entry.arrived)


def _log_results(entry: QueueEntry, results: Sequence[DeliveryResult], verdict: Verdict, now: int) -> None:
    for result in results:
        log.info(
            result.outcome.value,
            trace=entry.trace_id,
            to=result.forward_path,
            status=result.status,
            remote=result.remote,
            tls=result.tls or "none",
            said=result.diagnostic,
            age=now - entry.arrived,
            next=verdict.next_attempt or "",
        )
