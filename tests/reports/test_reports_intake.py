"""What strangers write into reports does no harm where these are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.reports import intake
from postier.reports.intake import Arrival, read_arrival, take_reports
from postier.store.api import AggregateReport, FailureReport, Store, TlsPolicyResult, TlsReport
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import SettableClock

DAY = 86400
FAR = 2**33
POLICY = "<policy_published><domain>a.example</domain></policy_published>"


def on_store(path: Path, clock: SettableClock, work: Callable[[Store], Awaitable[None]]) -> None:
    async def go() -> None:
        blobs = LocalBlobs(path, "w0")
        store = await open_sqlite(path / "s.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="w0")
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(go())


def aggregate(rows: int, count: int, end: int) -> AggregateReport:
    row = f"<record><row><source_ip>192.0.2.1</source_ip><count>{count}</count></row></record>"
    head = f"<report_metadata><date_range><begin>1</begin><end>{end}</end></date_range></report_metadata>"
    (report,) = read_arrival("a", f"<feedback>{head}{POLICY}{row * rows}</feedback>".encode()).reports
    assert isinstance(report, AggregateReport)
    return report


@pytest.mark.parametrize("count", [2**32, 2**53, 10**19])
def test_counts_of_any_size_are_added_up(tmp_path: Path, count: int) -> None:
    clock = SettableClock()

    async def work(store: Store) -> None:
        await take_reports(store, clock, [Arrival("a", [aggregate(5000, count, int(clock.now()))])])
        (total,) = await store.reader.row_totals("a.example", 0)
        assert total.row.messages == 5000 * 2**32

    on_store(tmp_path, clock, work)


def test_no_report_tells_of_the_future(tmp_path: Path) -> None:
    """It would be the newest for ever: no later one could show anything else, and it would never go."""
    clock = SettableClock()
    now = int(clock.now())
    failure = FailureReport("auth-failure", "a.example", "192.0.2.1", FAR, "dmarc", (), "")
    tls = TlsReport("Org", "1", FAR, FAR, "", (TlsPolicyResult("a.example", "sts", 1, 0, ()),))

    async def work(store: Store) -> None:
        await take_reports(store, clock, [Arrival("a", [aggregate(1, 1, FAR), failure, tls])])
        (head,) = await store.reader.report_heads("", 0)
        assert (head.begin, head.end) == (1, now + DAY)
        assert (await store.reader.failure_reports("", 0))[0].arrived == now + DAY
        assert await store.reader.tls_reported("a.example", now + DAY + 1) == []
        assert await store.transact(lambda tx: tx.forget_reports(now + DAY + 1)) == 2
        assert await store.reader.failure_reports("", 0) == []

    on_store(tmp_path, clock, work)


def test_a_fault_of_the_reader_costs_one_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(intake, "read_report", broken)
    assert read_arrival("a", b"<x/>") == Arrival("a", (), "reading it failed", b"<x/>")
