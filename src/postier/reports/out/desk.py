"""One report to one domain: where it may go, and handing it over.

A report by mail, the note that it was sent, and the end of what it tells are ONE transaction: it goes out
once or not at all, whoever else tries at the same time. One by HTTPS may go out twice, if we die in between,
with the same Report-ID.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from postier.accounts.report_returns import report_return_path
from postier.base.clock import Clock
from postier.base.ids import new_id
from postier.base.log import Log
from postier.dns.api import NotFound, Resolver
from postier.mailauth.dmarc_record import parse_dmarc_record, size_limits
from postier.reports.out.consent import with_consent
from postier.reports.out.destinations import Destination, destinations_of, tlsrpt_uris
from postier.reports.out.https import HttpsPost, PostError
from postier.reports.out.identity import Identity
from postier.reports.out.mail import MEDIA_TYPES, Report, report_mail
from postier.store.api import (
    QueueRecipient,
    RecipientState,
    ReportOutcome,
    ReportTarget,
    Step,
    StepKind,
    Store,
    Tx,
)

__all__ = ["Mail", "Plan", "ReportDesk", "ReportLimits", "report_id"]

log = Log("reports")


@dataclass(frozen=True, slots=True)
class ReportLimits:
    """`size`: octets of a packed report. `destinations`: of one domain. `per_day`: destinations of all."""

    size: int = 10_000_000
    destinations: int = 3
    per_day: int = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a report is to go. `left_out`: names with the reason why not."""

    destinations: tuple[Destination, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def reasons(self) -> str:
        return "; ".join(f"{name}: {why}" for name, why in self.left_out)


@dataclass(slots=True)
class _Posted:
    """What HTTPS came to."""

    taken: list[Destination] = field(default_factory=list)
    faults: list[tuple[Destination, PostError]] = field(default_factory=list)


class Mail(NamedTuple):
    """One message for one place, signed."""

    to: Destination
    trace_id: str
    data: bytes


def _mails(
    identity: Identity, reports: Sequence[Report], by_mail: Sequence[Destination], now: float
) -> list[Mail]:
    """Each report for each place; signing long ones takes a while."""
    found = []
    for one in by_mail:
        for report in reports:
            trace_id = new_id()
            assert one.address is not None
            found.append(Mail(one, trace_id, report_mail(report, identity, one.address, now, trace_id)))
    return found


def report_id(kind: str, domain: str, day: int, hostname: str, number: int = 0) -> str:
    """The same for the same report, whenever it is sent. That of a DMARC report is the one in its file name,
    letters and digits (RFC 9990 3.1.4); that of a TLS report is as in a Message-ID (RFC 8460 5.3)."""
    digest = hashlib.blake2b(
        f"{kind} {domain} {day} {number} {hostname}".encode(), digest_size=10
    ).hexdigest()
    return f"{day}.{digest}@{hostname}" if kind == "tls" else f"{day}x{digest}"


class ReportDesk:
    """`poster`: for reports by HTTPS."""

    def __init__(
        self, store: Store, resolver: Resolver, clock: Clock, poster: HttpsPost, limits: ReportLimits
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._clock = clock
        self._poster = poster
        self._limits = limits

    async def plan(self, kind: str, domain: str) -> Plan:
        """Who asks for reports about `domain` now, and may get them. Raises TemporaryFailure, StoreError."""
        reader = self._store.reader
        stopped = await reader.report_target(domain)
        if stopped is not None and stopped.stopped:
            return Plan((), ((domain, f"stopped: {stopped.reason}"),))
        asked, refused = await self._asked(kind, domain)
        left_out = [(name, "it did not agree to reports about others") for name in refused]
        found: list[Destination] = []
        for one in asked:
            why = await self._objection(one)
            if not why and len(found) == self._limits.destinations:
                why = f"past {self._limits.destinations} destinations"
            if why:
                left_out.append((one.name, why))
            else:
                found.append(one)
        return Plan(tuple(found), tuple(left_out))

    async def _asked(self, kind: str, domain: str) -> tuple[list[Destination], list[str]]:
        """Who is named in the record, and who of them did not agree. Raises TemporaryFailure."""
        name = f"_smtp._tls.{domain}" if kind == "tls" else f"_dmarc.{domain}"
        try:
            texts = (await self._resolver.txt(name)).records
        except NotFound:
            return [], []
        if kind == "tls":
            return destinations_of(tlsrpt_uris(texts), ("mailto", "https")), []
        records = [record for record in map(parse_dmarc_record, texts) if record is not None]
        if len(records) != 1:
            return [], []
        record = records[0]
        if kind == "failure" and record.psd == "y":  # it would hear of everybody's mail (RFC 9991 5)
            return [], []
        limits = size_limits(record)
        asked = [
            one._replace(limit=limits.get(uri, 0))
            for uri in (record.ruf if kind == "failure" else record.rua)
            for one in destinations_of([uri], ("mailto",))
        ]
        places = list({one.name: one for one in asked}.values())
        return await with_consent(self._resolver, domain, places, failures=kind == "failure")

    async def _objection(self, one: Destination) -> str:
        """Why nothing goes there, "" for nothing."""
        reader = self._store.reader
        if one.address is not None and await reader.domain(one.domain) is not None:
            return "an address of this server"
        target = await reader.report_target(one.name)
        if target is not None and target.stopped:
            return f"stopped: {target.reason}"
        return ""

    async def send(self, identity: Identity, reports: Sequence[Report], plan: Plan) -> ReportOutcome | None:
        """Hand over the reports, at least one, all of one kind, domain and day. None: nothing was done yet.

        Raises StoreError.
        """
        first = reports[0]
        fitting = [report for report in reports if len(report.packed) <= self._limits.size]
        if not fitting:
            return await self.close(first, "failed", f"larger than {self._limits.size} octets")
        if not plan.destinations:
            return await self.close(first, "nothing", plan.reasons or "no record asks for reports")
        posted = await self._post_all(fitting, plan.destinations)
        by_mail = [one for one in plan.destinations if one.address is not None and _fits(fitting, one)]
        permanent = all(fault.permanent for _, fault in posted.faults)
        if not by_mail and not posted.taken and not posted.faults:
            return await self.close(first, "failed", "larger than its record lets it be")
        if not by_mail and not posted.taken and not permanent:
            return None
        return await self._write(identity, fitting, posted, by_mail, plan)

    async def _post_all(self, reports: Sequence[Report], destinations: Sequence[Destination]) -> _Posted:
        posted = _Posted()
        for one in destinations:
            if one.address is not None:
                continue
            try:
                for report in reports:
                    await self._poster.post(one, report.packed, MEDIA_TYPES[report.kind])
                posted.taken.append(one)
            except PostError as error:
                log.warning("report not taken", domain=reports[0].domain, to=one.name, why=error)
                posted.faults.append((one, error))
        return posted

    async def _write(
        self,
        identity: Identity,
        reports: Sequence[Report],
        posted: _Posted,
        by_mail: Sequence[Destination],
        plan: Plan,
    ) -> ReportOutcome:
        now = self._clock.now()
        names = [one.name for one in (*by_mail, *posted.taken)]
        mails = await asyncio.to_thread(_mails, identity, reports, by_mail, now)
        faults = [f"{one.name}: {fault}" for one, fault in posted.faults]
        detail = "; ".join([*faults, plan.reasons] if plan.reasons else faults)
        outcome = _outcome(reports[0], "sent" if names else "failed", len(names), detail, now)

        async def work(tx: Tx) -> ReportOutcome:
            ended = await tx.report_outcome(outcome.kind, outcome.domain, outcome.day)
            if ended is not None:  # somebody else was quicker
                return ended
            tags = {name: await _note_sent(tx, name, now) for name in names}
            for mail in mails:
                await _queue(tx, identity, mail, tags[mail.to.name], now)
            for one, fault in posted.faults:
                if fault.permanent:
                    refused = await tx.report_target(one.name) or ReportTarget(one.name, new_id(), 0, 0)
                    await tx.set_report_target(refused._replace(stopped=int(now), reason=str(fault)))
            await _end(tx, outcome)
            return outcome

        written = await self._store.transact(work)
        if written is outcome:
            _log_queued(outcome.kind, outcome.domain, mails)
        return written

    async def hand_over(self, identity: Identity, domain: str, mails: Sequence[Mail]) -> None:
        """Failure reports about `domain`; nothing is noted of them but that they were sent.

        Raises StoreError.
        """
        now = self._clock.now()

        async def work(tx: Tx) -> None:
            for mail in mails:
                await _queue(tx, identity, mail, await _note_sent(tx, mail.to.name, now), now)

        await self._store.transact(work)
        _log_queued("failure", domain, mails)

    async def close(self, report: Report, word: str, detail: str) -> ReportOutcome:
        """Nothing is sent, and what it would have told is forgotten. Raises StoreError."""
        outcome = _outcome(report, word, 0, detail, self._clock.now())
        await self._store.transact(lambda tx: _end(tx, outcome))
        return outcome


def _fits(reports: Sequence[Report], to: Destination) -> bool:
    """Within what the record allows for a mail, by a fair guess: base64, header, text (RFC 7489 6.4)."""
    return not to.limit or max(len(report.packed) for report in reports) * 1.4 + 4096 <= to.limit


def _outcome(report: Report, word: str, destinations: int, detail: str, now: float) -> ReportOutcome:
    return ReportOutcome(
        report.kind, report.domain, report.day, report.report_id, word, destinations, detail[:500], int(now)
    )


def _log_queued(kind: str, domain: str, mails: Sequence[Mail]) -> None:
    for mail in mails:
        log.info("report queued", kind=kind, domain=domain, to=mail.to.name, trace=mail.trace_id)


async def _note_sent(tx: Tx, name: str, now: float) -> str:
    """The tag of the place."""
    known = await tx.report_target(name) or ReportTarget(name, new_id(), 0, 0)
    await tx.set_report_target(known._replace(sent=known.sent + 1, last=int(now)))
    return known.tag


async def _end(tx: Tx, outcome: ReportOutcome) -> None:
    await tx.set_report_outcome(outcome)
    if outcome.kind == "dmarc":
        await tx.forget_dmarc_results(outcome.day, outcome.domain)


async def _queue(tx: Tx, identity: Identity, mail: Mail, tag: str, now: float) -> None:
    """An entry of its own: what comes back then says where from."""
    reverse_path = str(report_return_path(tag, identity.domain))
    blob_id, _ = await tx.add_blob(b"", mail.data)
    entry_id = await tx.add_queue_entry(
        trace_id=mail.trace_id,
        account_id=None,
        reverse_path=reverse_path,
        destination=mail.to.domain,
        blob_id=blob_id,
        recipients=[QueueRecipient(0, str(mail.to.address), RecipientState.PENDING, notify="FAILURE")],
        arrived=int(now),
        next_attempt=int(now),
        body="7BIT",
    )
    facts = {
        "sender": reverse_path,
        "recipient": str(mail.to.address),
        "message_id": f"{mail.trace_id}@{identity.hostname}",
        "entry": str(entry_id),
        "destination": mail.to.domain,
    }
    await tx.add_steps([Step(mail.trace_id, now, StepKind.QUEUED, facts)])
