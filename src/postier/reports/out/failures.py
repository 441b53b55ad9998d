"""Telling domains of single messages that failed DMARC in their name: only those on the administrator's list.

What is to be told waits in memory, a little of it, and goes out beside the message: a crash loses it. Of one
domain a worker tells PER_DAY messages a day at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

from postier.base.clock import Clock
from postier.base.ids import new_id
from postier.base.log import Log
from postier.dns.api import DnsError
from postier.mailauth.evaluation import Evaluation
from postier.reports.out.desk import Mail, ReportDesk
from postier.reports.out.failure_report import failure_mail, is_failure, kept_header
from postier.reports.out.identity import DAY, NoIdentity, identity_of
from postier.reports.out.seen import is_report
from postier.store.api import Reader, StoreError

__all__ = ["PER_DAY", "FailureReports"]

PER_DAY = 50
WAITING = 100

log = Log("reports")


class _Failed(NamedTuple):
    evaluation: Evaluation
    reverse_path: str
    header: bytes
    arrived: float


class FailureReports:
    """`run` it as a task. `domains`: A-labels, those whose policies' failures are told."""

    def __init__(
        self,
        reader: Reader,
        clock: Clock,
        desk: ReportDesk,
        domains: Collection[str],
        *,
        hostname: str,
        contact: str = "",
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._desk = desk
        self._domains = frozenset(domains)
        self._hostname = hostname
        self._contact = contact
        self._day = 0
        self._told: dict[str, int] = {}
        self._waiting: asyncio.Queue[_Failed] = asyncio.Queue(WAITING)

    def note(self, evaluation: Evaluation, reverse_path: str, header: bytes) -> None:
        """Never waits and never fails: what finds no room is left out. Nothing that bounces is told."""
        policy = evaluation.policy
        if policy is None or policy.domain not in self._domains or not reverse_path:
            return
        now = self._clock.now()
        if int(now) // DAY != self._day:
            self._day, self._told = int(now) // DAY, {}
        told = self._told.get(policy.domain, 0)
        if told >= PER_DAY or self._waiting.full() or not is_failure(evaluation) or is_report(header):
            return
        self._told[policy.domain] = told + 1
        self._waiting.put_nowait(_Failed(evaluation, reverse_path, kept_header(header), now))

    async def run(self) -> None:
        """For ever."""
        while True:
            failed = await self._waiting.get()
            try:
                await self.send(failed)
            except (StoreError, DnsError, NoIdentity) as error:
                log.warning("no failure report", domain=failed.evaluation.header_from, why=error)

    async def send_waiting(self) -> None:
        """What waits now. Raises StoreError, DnsError, NoIdentity."""
        while not self._waiting.empty():
            await self.send(self._waiting.get_nowait())

    async def send(self, failed: _Failed) -> None:
        """Raises StoreError, DnsError, NoIdentity."""
        policy = failed.evaluation.policy
        assert policy is not None
        plan = await self._desk.plan("failure", policy.domain)
        identity = await identity_of(self._reader, self._hostname, self._contact)
        mails = []
        for one in plan.destinations:
            if one.address is not None:
                trace_id = new_id()
                data = failure_mail(
                    identity,
                    failed.evaluation,
                    failed.reverse_path,
                    failed.header,
                    one.address,
                    arrived=failed.arrived,
                    now=self._clock.now(),
                    message_id=trace_id,
                )
                mails.append(Mail(one, trace_id, data))
        if mails:
            await self._desk.hand_over(identity, policy.domain, mails)
