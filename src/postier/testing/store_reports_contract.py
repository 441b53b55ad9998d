"""What every engine promises of stored reports; part of StoreContract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postier.store.api import (
    AggregateReport,
    AuthDkim,
    AuthSpf,
    BlobId,
    FailureReport,
    Override,
    PublishedPolicy,
    ReportAlert,
    ReportRow,
    TlsFailure,
    TlsPolicyResult,
    TlsReport,
    Tx,
)
from postier.testing.store_helpers import Opened, on_store

__all__ = ["ReportsContract"]

ROW = ReportRow(
    "192.0.2.1",
    3,
    "none",
    "pass",
    "fail",
    "a.example",
    "bounce.a.example",
    "b.example",
    (Override("forwarded", "known \N{SNOWMAN}"),),
    (AuthDkim("a.example", "s1", "pass"),),
    (AuthSpf("bounce.a.example", "mfrom", "softfail", "why"),),
)
REPORT = AggregateReport("Org", "1", PublishedPolicy("a.example", "none"), 100, 200, (ROW, ROW))


def adding(report: AggregateReport) -> Callable[[Tx], Awaitable[bool]]:
    return lambda tx: tx.add_aggregate_report(report, 1)


class ReportsContract:
    @on_store
    async def test_a_report_comes_back_with_its_rows(self, opened: Opened) -> None:
        store = opened.store
        assert await store.transact(lambda tx: tx.add_aggregate_report(REPORT, 250))
        (head,) = await store.reader.report_heads("a.example", 200)
        assert head[1:7] == ("Org", "1", "a.example", 100, 200, 250)
        assert (head.policy, head.rows, head.messages) == (REPORT.policy, 2, 6)
        assert await store.reader.report_rows(head.report) == [ROW, ROW]
        assert await store.reader.report_heads("", 200) == [head]
        assert await store.reader.report_heads("", 201) == []
        assert await store.reader.report_heads("b.example", 0) == []

    @on_store
    async def test_a_report_counts_once(self, opened: Opened) -> None:
        store = opened.store
        for report, new in (
            (REPORT, True),
            (REPORT._replace(begin=1, rows=()), False),
            (REPORT._replace(report_id="2"), True),
            (REPORT._replace(org="Other"), True),
            (REPORT._replace(policy=PublishedPolicy("b.example")), True),
        ):
            assert await store.transact(adding(report)) is new
        assert len(await store.reader.report_heads("", 0)) == 4
        rows = len(REPORT.rows)
        received = (await store.reader.report_heads("", 0))[0].received
        assert await store.reader.rows_received(received) == 4 * rows
        assert await store.reader.rows_received(received + 1) == 0

    @on_store
    async def test_rows_that_say_the_same_are_summed(self, opened: Opened) -> None:
        store = opened.store
        other = ROW._replace(source="192.0.2.2", auth_dkim=())
        later = REPORT._replace(org="Other", begin=300, end=400, rows=(ROW._replace(messages=1), other))
        for report in (REPORT, later):
            await store.transact(adding(report))
        first, second = await store.reader.row_totals("a.example", 0)
        assert first.row == ROW._replace(messages=7, envelope_to="")
        assert first[1:] == (100, 400, 2)
        assert second.row == other._replace(envelope_to="")
        assert second[1:] == (300, 400, 1)
        assert [one.row.messages for one in await store.reader.row_totals("", 300)] == [3, 1]
        assert len(await store.reader.row_totals("", 0, 1)) == 1

    @on_store
    async def test_failure_reports_are_kept_once(self, opened: Opened) -> None:
        store = opened.store
        report = FailureReport(
            "auth-failure", "a.example", "192.0.2.1", 50, "dmarc", (("source-ip", "x"),), "H"
        )
        for new in (True, False):
            assert await store.transact(lambda tx: tx.add_failure_report(report, 60)) is new
        assert await store.transact(lambda tx: tx.add_failure_report(report._replace(headers=""), 70))
        assert await store.reader.failure_reports("a.example", 0) == [report._replace(headers=""), report]
        assert await store.reader.failure_reports("", 61, 1) == [report._replace(headers="")]

    @on_store
    async def test_tls_reports_are_kept_once(self, opened: Opened) -> None:
        store = opened.store
        failure = TlsFailure("certificate-expired", 2, "192.0.2.1", "mx.a.example")
        policies = (
            TlsPolicyResult("a.example", "sts", 5, 2, (failure,)),
            TlsPolicyResult("b.example", "tlsa", 1, 0),
        )
        report = TlsReport("Org", "1", 100, 200, "c@org.example", policies)
        for new in (True, False):
            assert await store.transact(lambda tx: tx.add_tls_report(report, 250)) is new
        found = await store.reader.tls_reported("", 200)
        assert [one.policy for one in found] == list(policies)
        (one,) = await store.reader.tls_reported("a.example", 0)
        assert one == ("Org", 100, 200, policies[0])
        assert await store.reader.tls_reported("", 201) == []

    @on_store
    async def test_what_could_not_be_read_is_kept_with_its_reason(self, opened: Opened) -> None:
        store = opened.store
        for new in (True, False):
            added = await store.transact(lambda tx: tx.add_unreadable_report("a.xml", "no XML", b"\0\xff", 9))
            assert added is new
        (one,) = await store.reader.unreadable_reports()
        assert one[1:] == ("a.xml", "no XML", 9, 2)
        assert await store.reader.unreadable_content(one.report) == b"\0\xff"
        assert await store.reader.unreadable_content(one.report + 1) is None

    @on_store
    async def test_mail_with_reports_keeps_its_blob_until_it_was_read(self, opened: Opened) -> None:
        store = opened.store

        async def arrive(tx: Tx) -> BlobId:
            blob_id, _ = await tx.add_blob(b"prefix", b"body")
            await tx.add_report_mail(blob_id, "r@org.example", 5)
            return blob_id

        blob_id = await store.transact(arrive)
        (mail,) = await store.reader.report_mails(10)
        assert (mail.sender, mail.received, mail.attempts) == ("r@org.example", 5, 0)
        assert mail.blob == await store.reader.blob_ref(blob_id)
        assert await opened.blobs.read(mail.blob) == b"prefixbody"
        await store.transact(lambda tx: tx.begin_report_mail(mail.mail))
        assert (await store.reader.report_mails(10))[0].attempts == 1
        for removed in (True, False):
            assert await store.transact(lambda tx: tx.remove_report_mail(mail.mail)) is removed
        assert await store.reader.report_mails(10) == []

    @on_store
    async def test_what_was_looked_at_and_what_was_told(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.report_marks() == {}
        assert await store.reader.report_watch("a.example") is None
        await store.transact(adding(REPORT))
        policies = (TlsPolicyResult("b.example", "sts", 1, 0),)
        await store.transact(lambda tx: tx.add_tls_report(TlsReport("O", "1", 1, 2, "", policies), 3))
        marks = await store.reader.report_marks()
        assert set(marks) == {"a.example", "b.example"}
        await store.transact(adding(REPORT._replace(report_id="2")))
        assert (await store.reader.report_marks())["a.example"] > marks["b.example"] > marks["a.example"]
        for mark in (5, 6):
            await store.transact(lambda tx, one=mark: tx.set_report_watch("a.example", one, "{}"))  # type: ignore[misc]
            assert await store.reader.report_watch("a.example") == (mark, "{}")
        alerts = [ReportAlert("a.example", at, "drop", "alignment", (("now", "3"),)) for at in (10, 20)]
        for alert in alerts:
            await store.transact(lambda tx, one=alert: tx.add_report_alert(one))  # type: ignore[misc]
        assert await store.reader.report_alerts("", 0) == alerts[::-1]
        assert await store.reader.report_alerts("a.example", 11) == alerts[1:]
        assert await store.reader.report_alerts("b.example", 0) == []

    @on_store
    async def test_only_so_many_unreadable_ones_are_kept(self, opened: Opened) -> None:
        store = opened.store

        async def add(tx: Tx) -> None:
            for number in range(5):
                await tx.add_unreadable_report(str(number), "why", b"%d" % number, 9)

        await store.transact(add)
        assert await store.transact(lambda tx: tx.limit_unreadable_reports(5)) == 0
        assert await store.transact(lambda tx: tx.limit_unreadable_reports(2)) == 3
        assert [one.origin for one in await store.reader.unreadable_reports()] == ["4", "3"]

    @on_store
    async def test_old_reports_are_forgotten(self, opened: Opened) -> None:
        store = opened.store
        for report in (REPORT, REPORT._replace(report_id="2", end=300)):
            await store.transact(adding(report))
        await store.transact(lambda tx: tx.add_unreadable_report("a", "b", b"c", 200))
        assert await store.transact(lambda tx: tx.forget_reports(201)) == 2
        await store.transact(lambda tx: tx.add_aggregate_report(REPORT._replace(report_id="3"), 201))
        assert await store.transact(lambda tx: tx.forget_reports(201)) == 0
        head, archived = await store.reader.report_heads("", 0)
        assert (head.report_id, archived.report_id) == ("2", "3")
        assert len(await store.reader.report_rows(head.report)) == 2
        assert await store.reader.unreadable_reports() == []
