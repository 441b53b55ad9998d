"""Alerts on change only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from postier.admin.diagnosis import check_reports
from postier.admin.report_words import LANGUAGES, alert_words
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.reports.sources import Source, SourceState
from postier.reports.watch import FEW, NEW_AT_ONCE, Known, changes, look_at_all
from postier.store.api import (
    AggregateReport,
    AuthDkim,
    AuthSpf,
    Domain,
    PublishedPolicy,
    ReportAlert,
    ReportRow,
    Store,
    TlsPolicyResult,
    TlsReported,
)
from postier.store.sqlite import open_sqlite
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock

DAY = 86400


def source(key: str, state: SourceState, messages: int = 100, passed: int = 100, **more: Any) -> Source:
    return Source(key, key, "a.example", state, messages=messages, passed=passed, **more)


def failed(org: str) -> TlsReported:
    return TlsReported(org, 0, 1, TlsPolicyResult("a.example", "sts", 5, 2))


OURS = source("own", SourceState.OURS)


def test_the_first_look_tells_nothing() -> None:
    known, found = changes(None, [OURS, source("x", SourceState.UNKNOWN)], [failed("Org")])
    assert found == []
    assert known == Known(frozenset({"own", "x"}), frozenset(), 100, frozenset({"Org"}))


def test_each_change_is_told_once() -> None:
    known, _ = changes(None, [OURS], [])
    crm = source("site:crm.example", SourceState.UNKNOWN)
    broken = source("own", SourceState.OURS, 100, 50, facts={"selector": "s1"})
    broken.failing_keys["s1"] = 50
    known, found = changes(known, [broken, crm], [failed("Org")])
    assert [(one.kind, one.subject) for one in found] == [
        ("new source", "site:crm.example"),
        ("failing key", "s1"),
        ("drop", "alignment"),
        ("tls failures", "Org"),
    ]
    for language in LANGUAGES:
        for one in found:
            alert = ReportAlert("a.example", 0, one.kind, one.subject, tuple(one.facts.items()))
            assert alert_words(language, alert)
    assert changes(known, [broken, crm], [failed("Org")]) == (known, [])


def test_a_flood_of_sources_is_told_little_by_little() -> None:
    """Anybody can write a report of 100,000 networks."""
    known, _ = changes(None, [], [])
    flood = [source(f"net:{i}", SourceState.UNKNOWN) for i in range(NEW_AT_ONCE + 1)]
    known, told = changes(known, flood, [])
    assert len(told) == len(known.sources) == NEW_AT_ONCE
    known, told = changes(known, flood, [])
    assert [one.subject for one in told] == [flood[-1].name]
    assert changes(known, flood, [])[1] == []


def test_what_went_and_comes_again_is_told_again_but_no_source() -> None:
    crm = source("site:crm.example", SourceState.UNKNOWN)
    known, _ = changes(None, [OURS, crm], [failed("Org")])
    known, found = changes(known, [OURS], [])
    assert found == []
    _, found = changes(known, [OURS, crm], [failed("Org")])
    assert [one.kind for one in found] == ["tls failures"]


def test_abuse_and_little_mail_are_no_news() -> None:
    known, _ = changes(None, [OURS], [])
    quiet = [source("net:1", SourceState.ABUSE), source("x", SourceState.UNKNOWN, FEW - 1)]
    assert changes(known, [OURS, *quiet, source("f", SourceState.FORWARDER)], [])[1] == []


def test_stored_reports_are_looked_at_once(tmp_path: Path) -> None:
    clock = SettableClock()
    now = int(clock.now())

    async def add(store: Store, number: int, *sources: str) -> None:
        rows = tuple(
            ReportRow(
                one,
                50,
                "none",
                "pass",
                "pass",
                "a.example",
                auth_dkim=(AuthDkim("a.example", "s1", "pass"),),
                auth_spf=(AuthSpf("a.example", "mfrom", "pass"),),
            )
            for one in sources
        )
        report = AggregateReport("Org", str(number), PublishedPolicy("a.example"), now - DAY, now, rows)
        await store.transact(lambda tx: tx.add_aggregate_report(report, now))

    async def go() -> None:
        blobs = LocalBlobs(tmp_path, "w0")
        store = await open_sqlite(tmp_path / "s.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="w0")
        try:
            await store.transact(lambda tx: tx.add_domain(Domain("a.example", None)))
            resolver = ZoneResolver({})
            await add(store, 1, "192.0.2.1")
            assert await look_at_all(store, resolver, clock) == 0
            await add(store, 2, "192.0.2.1", "198.51.100.1")
            assert await look_at_all(store, resolver, clock) == 1
            assert await look_at_all(store, resolver, clock) == 0
            (alert,) = await store.reader.report_alerts("a.example", 0)
            assert (alert.kind, alert.subject) == ("new source", "198.51.100.0/24")
            (finding,) = await check_reports(store, clock.now())
            assert "new source 198.51.100.0/24 (ours), 50 messages" in finding.detail
            assert await check_reports(store, clock.now() + 8 * DAY) == []
        finally:
            await store.close()

    asyncio.run(go())
