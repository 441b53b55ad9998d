"""Alerts on change only: what the newest reports about a domain show that earlier ones did not.

What was known is one value a domain; it is compared with what the reports of the last days say now, and what
is new becomes alerts, once. The first look at a domain makes none: everything would be new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from postier.base.clock import Clock
from postier.base.log import Log
from postier.dns.api import Resolver
from postier.reports.owners import owners_of
from postier.reports.sources import Source, SourceState, find_sources
from postier.store.api import Reader, ReportAlert, Store, TlsReported, Tx

__all__ = ["AlertKind", "Known", "changes", "look_at_all"]

DAY = 86400
DAYS = 14
"""How far back a look goes."""
DROP = 10
"""Percentage points by which the share of passing mail must fall to be told."""
ENOUGH = 20
"""Messages below which a share says nothing."""
FEW = 5
"""Messages of a new source below which it is not told."""
ROWS = 10_000
"""Sums of rows that are looked at, those of most messages first: a report may have 100,000."""
NEW_AT_ONCE = 20
"""New sources that one look tells; the others wait for the next."""
_WATCHED = (SourceState.OURS, SourceState.SERVICE, SourceState.UNKNOWN)

log = Log("reports")


class AlertKind:
    """The kinds of alerts, as the store has them."""

    NEW_SOURCE = "new source"
    FAILING_KEY = "failing key"
    DROP = "drop"
    TLS = "tls failures"


class Known(msgspec.Struct, frozen=True):
    """What is known of a domain: keys of `sources`, selectors that fail, the `share` of mail of ours and of
    known services that passes (percent, -1 for too little), reporters whose TLS with us failed."""

    sources: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    share: int = -1
    tls: frozenset[str] = frozenset()


class Change(NamedTuple):
    """`subject`: what it is about; `facts` fill the words."""

    kind: str
    subject: str
    facts: dict[str, str]


def changes(
    before: Known | None, sources: Sequence[Source], tls: Iterable[TlsReported]
) -> tuple[Known, list[Change]]:
    """What is known now, and what is new in it."""
    watched = [one for one in sources if one.state in _WATCHED and one.messages >= FEW]
    unknown = [one for one in watched if one.key not in before.sources] if before else []
    new = unknown[:NEW_AT_ONCE]
    later = {one.key for one in unknown[NEW_AT_ONCE:]}
    mine = [one for one in watched if one.state is not SourceState.UNKNOWN]
    messages, passed = sum(one.messages for one in mine), sum(one.passed for one in mine)
    failing = {str(one.facts["selector"]): one for one in sources if "selector" in one.facts}
    failed = [one for one in tls if one.policy.failed]
    now = Known(
        (frozenset(one.key for one in watched) - later) | (before.sources if before else frozenset()),
        frozenset(failing),
        passed * 100 // messages if messages >= ENOUGH else -1,
        frozenset(one.org for one in failed),
    )
    if before is None:
        return now, []
    found = [
        Change(
            AlertKind.NEW_SOURCE,
            one.name,
            {"name": one.name, "state": one.state.value, "messages": str(one.messages)},
        )
        for one in new
    ]
    for selector in sorted(now.failing - before.failing):
        facts = {"selector": selector, "messages": str(failing[selector].failing_keys[selector])}
        found.append(Change(AlertKind.FAILING_KEY, selector, facts))
    if 0 <= now.share <= before.share - DROP:
        facts = {"before": str(before.share), "now": str(now.share)}
        found.append(Change(AlertKind.DROP, "alignment", facts))
    for org in sorted(now.tls - before.tls):
        sessions = sum(one.policy.failed for one in failed if one.org == org)
        found.append(Change(AlertKind.TLS, org, {"org": org, "sessions": str(sessions)}))
    return now, found


async def look_at_all(store: Store, resolver: Resolver, clock: Clock) -> int:
    """At each domain of ours with reports that nobody has looked at yet. Returns how many alerts there are.
    Raises StoreError."""
    reader = store.reader
    marks = await reader.report_marks()
    total = 0
    for domain in [one.name for one in await reader.domains()]:
        watch = await reader.report_watch(domain)
        mark = marks.get(domain, 0)
        if mark and (watch is None or watch[0] < mark):
            total += await _look(store, resolver, clock, domain, mark)
    return total


async def _look(store: Store, resolver: Resolver, clock: Clock, domain: str, mark: int) -> int:
    reader: Reader = store.reader
    now = int(clock.now())
    since = now - DAYS * DAY
    totals = await reader.row_totals(domain, since, ROWS)
    owners = await owners_of(resolver, clock, domain, (total.row.source for total in totals))
    sources = await asyncio.to_thread(find_sources, domain, totals, owners)
    tls = await reader.tls_reported(domain, since)

    async def work(tx: Tx) -> list[Change]:
        watch = await tx.report_watch(domain)
        before = None if watch is None else msgspec.json.decode(watch[1], type=Known)
        known, found = changes(before, sources, tls)
        await tx.set_report_watch(domain, mark, msgspec.json.encode(known).decode())
        for one in found:
            facts = tuple(one.facts.items())
            await tx.add_report_alert(ReportAlert(domain, now, one.kind, one.subject, facts))
        return found

    found = await store.transact(work)
    for one in found:
        log.warning("report alert", domain=domain, kind=one.kind, subject=one.subject)
    return len(found)
