"""What every engine promises of reports that we send; part of StoreContract."""

from __future__ import annotations

from postier.store.api import DmarcCount, DmarcDay, DmarcSeen, ReportOutcome, ReportTarget, Store
from postier.testing.store_helpers import Opened, on_store

__all__ = ["ReportSendingContract"]


async def aim(store: Store, target: ReportTarget) -> None:
    await store.transact(lambda tx: tx.set_report_target(target))


async def end(store: Store, outcome: ReportOutcome) -> None:
    await store.transact(lambda tx: tx.set_report_outcome(outcome))


class ReportSendingContract:
    @on_store
    async def test_dmarc_results_are_summed_read_and_forgotten(self, opened: Opened) -> None:
        store = opened.store
        one = DmarcSeen(10, "b.example", '{"p":"none"}', '{"ip":"192.0.2.1"}')
        other = one._replace(facts='{"ip":"192.0.2.2"}')
        changed, later = one._replace(policy='{"p":"reject"}'), one._replace(day=11, domain="a.example")
        first = {one: DmarcCount(2, 1), other: DmarcCount(9, 0), changed: DmarcCount(1, 1)}
        await store.transact(lambda tx: tx.add_dmarc_results(first))
        await store.transact(
            lambda tx: tx.add_dmarc_results({one: DmarcCount(1, 1), later: DmarcCount(1, 0)})
        )
        assert await store.reader.dmarc_days(10, 11) == [
            DmarcDay(10, "b.example", 13, 3),
            DmarcDay(11, "a.example", 1, 0),
        ]
        found = await store.reader.dmarc_results(10, "b.example", 10)
        assert found == [(other, DmarcCount(9, 0)), (one, DmarcCount(3, 2)), (changed, DmarcCount(1, 1))]
        assert await store.reader.dmarc_results(10, "b.example", 1) == found[:1]
        assert await store.transact(lambda tx: tx.forget_dmarc_results(10, "a.example")) == 0
        assert await store.transact(lambda tx: tx.forget_dmarc_results(10, "b.example")) == 3
        assert await store.transact(lambda tx: tx.forget_old_dmarc_results(11)) == 0
        assert await store.transact(lambda tx: tx.forget_old_dmarc_results(12)) == 1
        assert await store.reader.dmarc_days(0, 99) == []

    @on_store
    async def test_outcomes_of_reports_are_replaced_counted_and_forgotten(self, opened: Opened) -> None:
        store = opened.store
        one = ReportOutcome("tls", "b.example", 10, "a@us.example", "failed", 0, "no answer", 100)
        sent = one._replace(outcome="sent", destinations=2, detail="", written=200)
        other = ReportOutcome("dmarc", "b.example", 10, "b@us.example", "sent", 1, "", 300)
        later = other._replace(day=11, written=400)
        assert await store.reader.reports_written(0) == 0
        for outcome in (one, sent, later, other):
            await end(store, outcome)
        assert await store.reader.report_outcomes(10, 11) == [other, sent, later]
        assert await store.reader.report_outcomes(11, 12) == [later]
        assert await store.reader.report_outcome("tls", "b.example", 10) == sent
        assert await store.reader.report_outcome("tls", "b.example", 11) is None
        assert await store.reader.reports_written(300) == 2
        assert await store.reader.reports_written(200) == 4
        assert await store.transact(lambda tx: tx.forget_report_outcomes(11)) == 2
        assert await store.reader.report_outcomes(0, 99) == [later]

    @on_store
    async def test_targets_of_reports_are_found_by_name_and_by_tag(self, opened: Opened) -> None:
        store = opened.store
        one = ReportTarget("rua@b.example", "t1", 1, 100)
        stopped = one._replace(sent=2, last=200, stopped=300, reason="550 no")
        domain = ReportTarget("a.example", "t2", 0, 0, 50, "by hand")
        for target in (one, stopped, domain, ReportTarget("https://c.example/", "t3", 1, 1)):
            await aim(store, target)
        assert await store.reader.report_target("rua@b.example") == stopped
        assert await store.reader.report_target_of_tag("t1") == stopped
        assert await store.reader.report_target("t1") is None
        assert await store.reader.report_target_of_tag("t4") is None
        assert await store.reader.report_targets(stopped=True) == [domain, stopped]
        assert len(await store.reader.report_targets()) == 3
