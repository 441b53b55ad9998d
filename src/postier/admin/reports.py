"""What the stored reports say about a domain: its sources, what to do, what another policy would do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from postier.base.clock import Clock
from postier.dns.api import Resolver
from postier.mailauth.spf import Spf
from postier.reports.owners import MOST, Owner, WithRecord, owners_of, spf_of
from postier.reports.simulate import Scenario, Simulation, simulate
from postier.reports.sources import Source, find_sources, passes
from postier.store.api import (
    PublishedPolicy,
    Reader,
    ReportAlert,
    ReportHead,
    ReportRow,
    RowTotal,
    TlsReported,
)

__all__ = [
    "DAY",
    "EXPORTS",
    "POLICIES",
    "SPF_VERSION",
    "DomainView",
    "Overview",
    "domain_view",
    "exported",
    "overview",
    "simulation",
    "window",
]

DAY = 86400
EXPORTS = ("rows", "failures", "tls", "unreadable")
POLICIES = ("none", "quarantine", "reject")
SPF_VERSION = "v=spf1"
ALERTS_SHOWN = 10
ENOUGH_DAYS = 14
"""Of reports before a policy may rise: some senders write once in a fortnight."""


class DomainView(NamedTuple):
    """The last days of a domain, up to its newest report. `policy`: as the newest report found it."""

    domain: str
    policy: PublishedPolicy
    totals: Sequence[RowTotal]
    sources: Sequence[Source]
    alerts: Sequence[ReportAlert] = ()

    @property
    def days(self) -> int:
        """From the oldest report to the newest."""
        first = min((total.first for total in self.totals), default=0)
        return (max((total.last for total in self.totals), default=0) - first + 1) // DAY

    def advice(self) -> tuple[str, dict[str, object]]:
        """What the domain itself needs next, as a key of the words and its facts."""
        to_do = sum(source.is_open for source in self.sources)
        if to_do:
            return "advice.mend", {"count": to_do}
        if self.policy.p == "reject":
            return "advice.done", {}
        if self.days < ENOUGH_DAYS:
            return "advice.wait", {"days": self.days, "enough": ENOUGH_DAYS}
        policy = "reject" if self.policy.p == "quarantine" else "quarantine"
        return "advice.raise", {"policy": policy, "domain": self.domain}

    def source_of(self) -> dict[str, Source]:
        """By address."""
        return {address: source for source in self.sources for address in source.addresses}


class Overview(NamedTuple):
    """A domain in one line."""

    domain: str
    policy: PublishedPolicy
    reports: int
    reporters: int
    messages: int
    passed: int
    sources: int
    to_do: int


def window(newest: int, clock: Clock, days: int) -> int:
    """When the last days began: those before the newest report, so that an archive tells its story, too."""
    return min(newest, int(clock.now())) - days * DAY


async def domain_view(
    reader: Reader, resolver: Resolver | None, clock: Clock, domain: str, days: int
) -> DomainView:
    """Without a resolver sources are told apart by what the reports say alone. Raises StoreError."""
    heads = await reader.report_heads(domain, 0, 1)
    since = window(heads[0].end if heads else 0, clock, days)
    totals = await reader.row_totals(domain, since)
    policy = heads[0].policy if heads else PublishedPolicy(domain)
    owners: Mapping[str, Owner] = {}
    if resolver is not None:
        owners = await owners_of(resolver, clock, domain, (total.row.source for total in totals))
    sources = find_sources(domain, totals, owners, policy.p)
    return DomainView(
        domain, policy, totals, sources, await reader.report_alerts(domain, since, ALERTS_SHOWN)
    )


async def overview(reader: Reader, clock: Clock, days: int) -> list[Overview]:
    """By domain; the DNS is not asked. Raises StoreError."""
    heads = await reader.report_heads("", 0)
    by_domain: dict[str, list[ReportHead]] = {}
    for head in heads:
        by_domain.setdefault(head.domain, []).append(head)
    return [
        _line(
            await domain_view(reader, None, clock, domain, days),
            [head for head in found if head.end >= window(found[0].end, clock, days)],
        )
        for domain, found in sorted(by_domain.items())
    ]


def _line(view: DomainView, heads: Sequence[ReportHead]) -> Overview:
    return Overview(
        view.domain,
        view.policy,
        len(heads),
        len({head.org for head in heads}),
        sum(total.row.messages for total in view.totals),
        sum(total.row.messages for total in view.totals if passes(total.row)),
        len(view.sources),
        sum(source.is_open for source in view.sources),
    )


async def simulation(
    view: DomainView,
    resolver: Resolver,
    clock: Clock,
    policy: str,
    strict: bool,
    record: str,
    *,
    below: str = "",
    strict_dkim: bool = False,
    strict_spf: bool = False,
) -> Simulation:
    """`record`: an SPF record in place of the domain's, "" for its own. `strict`: both alignments; the rest
    as in Scenario."""
    results: dict[str, Spf] | None = None
    if record:
        changed = WithRecord(resolver, view.domain, record)
        addresses = list(dict.fromkeys(total.row.source for total in view.totals))[:MOST]
        results = {}
        for address in addresses:
            try:
                results[address], _ = await spf_of(changed, clock, view.domain, address)
            except ValueError:
                results[address] = Spf.NONE
    scenario = Scenario(view.domain, policy, below, strict or strict_dkim, strict or strict_spf, results)
    return simulate(scenario, view.totals, view.source_of())


async def exported(reader: Reader, what: str, domain: str, since: int) -> AsyncIterator[dict[str, object]]:
    """What is stored, as plain values, report by report: `what` is one of EXPORTS. Raises StoreError."""
    if what == "unreadable":
        for unreadable in await reader.unreadable_reports():
            yield unreadable._asdict()
    elif what == "failures":
        for failure in await reader.failure_reports(domain, since):
            yield {**failure._asdict(), "fields": dict(failure.fields)}
    elif what == "tls":
        for reported in await reader.tls_reported(domain, since):
            yield _tls_row(reported)
    else:
        for head in reversed(await reader.report_heads(domain, since)):
            for row in await reader.report_rows(head.report):
                yield _row(head, row)


def _row(head: ReportHead, row: ReportRow) -> dict[str, object]:
    return {
        "org": head.org,
        "report_id": head.report_id,
        "domain": head.domain,
        "begin": head.begin,
        "end": head.end,
        "policy": head.policy.p,
        **row._asdict(),
        "overrides": [one._asdict() for one in row.overrides],
        "auth_dkim": [one._asdict() for one in row.auth_dkim],
        "auth_spf": [one._asdict() for one in row.auth_spf],
    }


def _tls_row(one: TlsReported) -> dict[str, object]:
    policy = one.policy
    return {
        "org": one.org,
        "begin": one.begin,
        "end": one.end,
        **policy._asdict(),
        "failures": [failure._asdict() for failure in policy.failures],
    }
