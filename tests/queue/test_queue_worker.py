"""The worker over a real store: results, reports, leases, crashes."""

from __future__ import annotations

import asyncio
import dataclasses
import email
import email.message
import email.policy
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

import postier.queue.worker as worker_module
from postier.accounts.people import add_person
from postier.base.address import Address
from postier.queue.api import DeliveryResult, Envelope, Outcome, OutgoingMessage
from postier.queue.worker import QueueServices, QueueWorker, WorkerSettings
from postier.store.api import AccountId, Domain, QueueState, RecipientState, StoreUnavailable, Tx

World = Any  # conftest's World
Open = Callable[[], AbstractAsyncContextManager[World]]
HOUR, DAY = 3600, 86400
NO_SUCH_USER = (Outcome.PERMANENT, "5.1.1", "550 5.1.1 no such user")
GREYLISTED = (Outcome.TEMPORARY, "4.2.0", "450 4.2.0 greylisted")


def parse(data: bytes) -> email.message.EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


async def entries(world: World) -> list[Any]:
    found: list[Any] = await world.store.reader.queue_entries()
    return found


def test_a_delivered_entry_is_gone_and_nobody_is_bothered(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue("bob@far.example", "eve@far.example", envid="e1", ret="HDRS", notify="FAILURE")
            await w.worker.run_due()
            assert await entries(w) == []
            assert await w.inbox(w.alice) == []
            (envelope,) = w.transport.envelopes
            assert envelope == Envelope(
                "trace1", "alice@orchard.example", ("bob@far.example", "eve@far.example"), "far.example",
                envid="e1", ret="HDRS", notify=("FAILURE", "FAILURE"), orcpt=("", ""),
                arrived=envelope.arrived,
            )  # fmt: skip

    asyncio.run(go())


@pytest.mark.parametrize(
    "prefix", [b"", b"Return-Path: <a@b>\r\n", b"return-path:\r\n <a@b>\r\nReceived: x\r\n"]
)
def test_the_return_path_stays_behind(world: Open, prefix: bytes) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue(prefix=prefix, message=b"Subject: x\r\n\r\ny\r\n")
            await w.worker.run_due()
            rest = b"Received: x\r\n" if b"Received" in prefix else b""
            assert w.transport.messages == [rest + b"Subject: x\r\n\r\ny\r\n"]

    asyncio.run(go())


@pytest.mark.parametrize("size", [300_000, 3_000_000])
def test_long_messages_stream(world: Open, size: int) -> None:
    async def go() -> None:
        async with world() as w:
            body = b"Subject: long\r\n\r\n" + b"0123456789abcdef\r\n" * (size // 18)
            await w.enqueue(prefix=b"Return-Path: <>\r\n", message=body)
            await w.worker.run_due()
            assert w.transport.messages == [body]

    asyncio.run(go())


def test_a_failure_comes_back_as_a_report_for_people_and_programs(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(envid="id+2B7", orcpt="rfc822;bob+40far.example")
            await w.worker.run_due()
            assert await entries(w) == []
            (data,) = await w.inbox(w.alice)
            report = parse(data)
            assert data.startswith(b"Return-Path: <>\r\n")
            assert report.get_content_type() == "multipart/report"
            assert report["Subject"] == "Not delivered: Apples & pears"
            assert report["To"] == "alice@orchard.example"
            assert report["From"].addresses[0].addr_spec == "mailer-daemon@mail.orchard.example"
            assert report["Auto-Submitted"] == "auto-replied"
            text, status, original = report.iter_parts()
            words = text.get_content()
            assert "bob@far.example" in words
            assert "This address does not exist there" in words
            assert "mx.far.example [192.0.2.7]:25 said: 550 5.1.1 no such user" in words
            assert "trace1" in words
            assert status.get_content_type() == "message/delivery-status"
            about_message, about_bob = status.get_payload()
            assert about_message["Reporting-MTA"] == "dns; mail.orchard.example"
            assert about_message["Original-Envelope-Id"] == "id+7"
            assert about_bob["Final-Recipient"] == "rfc822; bob@far.example"
            assert about_bob["Original-Recipient"] == "rfc822;bob@far.example"
            assert about_bob["Action"] == "failed"
            assert about_bob["Status"] == "5.1.1"
            assert about_bob["Remote-MTA"] == "dns; mx.far.example"
            assert about_bob["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
            assert original.get_content_type() == "text/rfc822-headers"
            assert "Message-ID: <1@orchard.example>" in original.get_content()

    asyncio.run(go())


@pytest.mark.parametrize(("ret", "whole"), [("", False), ("HDRS", False), ("FULL", True)])
def test_ret_decides_how_much_comes_back(world: Open, ret: str, whole: bool) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(ret=ret)
            await w.worker.run_due()
            (data,) = await w.inbox(w.alice)
            assert (b"Hello Bob" in data) == whole

    asyncio.run(go())


def test_a_temporary_failure_is_tried_again_when_it_is_due(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: GREYLISTED
            await w.enqueue()
            await w.worker.run_due()
            (entry,) = await entries(w)
            assert (entry.attempts, entry.reason, entry.lease_until) == (1, "450 4.2.0 greylisted", 0)
            assert w.clock.now() + 300 <= entry.next_attempt <= w.clock.now() + 330
            w.clock.seconds = entry.next_attempt - 1
            await w.worker.run_due()
            assert len(w.transport.envelopes) == 1
            w.clock.seconds = entry.next_attempt
            w.transport.answer = lambda _: (Outcome.DELIVERED, "2.0.0", "250 ok")
            await w.worker.run_due()
            assert len(w.transport.envelopes) == 2
            assert await entries(w) == []
            assert await w.inbox(w.alice) == []

    asyncio.run(go())


def test_a_long_life_has_one_delay_notice_and_one_end(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: GREYLISTED
            await w.enqueue()
            arrived = w.clock.now()
            while await entries(w):
                await w.worker.run_due()
                due = await w.store.reader.next_due()
                w.clock.seconds = due if due is not None else w.clock.seconds
            notice, end = [parse(data) for data in await w.inbox(w.alice)]
            assert notice["Subject"] == "Delayed: Apples & pears"
            assert end["Subject"] == "Not delivered: Apples & pears"
            assert notice["Date"].datetime.timestamp() == arrived + 4 * HOUR
            assert end["Date"].datetime.timestamp() == arrived + 5 * DAY
            _, status, _ = notice.iter_parts()
            assert status.get_payload()[1]["Action"] == "delayed"
            assert status.get_payload()[1]["Will-Retry-Until"]
            text, status, _ = end.iter_parts()
            assert status.get_payload()[1]["Status"] == "5.4.7"
            assert "given up" in text.get_content()

    asyncio.run(go())


def test_recipients_go_their_own_ways(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            answers = {"a": NO_SUCH_USER, "b": GREYLISTED, "c": (Outcome.DELIVERED, "2.0.0", "250 ok")}
            w.transport.answer = lambda path: answers[path[0]]
            await w.enqueue("a@far.example", "b@far.example", "c@far.example")
            await w.worker.run_due()
            (entry,) = await entries(w)
            assert [r.state for r in entry.recipients] == [
                RecipientState.FAILED, RecipientState.PENDING, RecipientState.DELIVERED,
            ]  # fmt: skip
            assert len(await w.inbox(w.alice)) == 1
            w.clock.seconds = entry.next_attempt
            await w.worker.run_due()
            assert w.transport.envelopes[1].forward_paths == ("b@far.example",)
            assert len(await w.inbox(w.alice)) == 1, "a failure is told once"

    asyncio.run(go())


def test_success_is_told_where_it_was_asked_for(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue(notify="SUCCESS")
            await w.worker.run_due()
            (data,) = await w.inbox(w.alice)
            report = parse(data)
            assert report["Subject"] == "Handed on: Apples & pears"
            _, status, _ = report.iter_parts()
            assert status.get_payload()[1]["Action"] == "relayed"
            assert status.get_payload()[1]["Status"] == "2.0.0"

    asyncio.run(go())


# ---------------------------------------------------------------------- whom a report reaches


def test_a_foreign_sender_gets_the_report_through_the_queue(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda path: (
                NO_SUCH_USER if path == "bob@far.example" else (Outcome.DELIVERED, "2.0.0", "250 ok")
            )
            await w.enqueue(sender="stranger@elsewhere.example")
            await w.worker.run_due()
            assert await entries(w) == []
            _, second = w.transport.envelopes
            assert (second.reverse_path, second.forward_paths) == ("", ("stranger@elsewhere.example",))
            assert second.destination == "elsewhere.example"
            assert w.transport.messages[1].startswith(b"From: Mail delivery")

    asyncio.run(go())


def test_a_report_is_never_answered_with_a_report(world: Open) -> None:
    """A bounce that bounces goes to the postmaster, once, and is gone."""

    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(sender="stranger@elsewhere.example")
            await w.worker.run_due()
            assert await entries(w) == []
            assert len(w.transport.envelopes) == 2
            (data,) = await w.inbox(w.postmaster)
            assert parse(data)["To"] == "postmaster@mail.orchard.example"

    asyncio.run(go())


def test_the_postmaster_is_not_flooded(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            for _ in range(30):
                await w.enqueue(sender="")
            await w.worker.run_due()
            assert await entries(w) == []
            assert len(await w.inbox(w.postmaster)) == 20

    asyncio.run(go())


def test_automatic_mail_is_not_reported_to_its_sender(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(message=b"Auto-Submitted: auto-replied\r\nSubject: away\r\n\r\n")
            await w.worker.run_due()
            assert await w.inbox(w.alice) == []
            assert len(await w.inbox(w.postmaster)) == 1

    asyncio.run(go())


def test_refused_spam_is_not_sent_back_to_a_stranger(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: (Outcome.PERMANENT, "5.7.1", "550 5.7.1 spam")
            await w.enqueue(sender="forged@elsewhere.example")
            await w.worker.run_due()
            assert await entries(w) == []
            assert len(w.transport.envelopes) == 1
            assert len(await w.inbox(w.postmaster)) == 1

    asyncio.run(go())


@pytest.mark.parametrize("owned", [True, False])
def test_a_senders_address_that_is_gone(world: Open, owned: bool) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(sender="old@orchard.example", account=w.alice if owned else None)
            await w.worker.run_due()
            assert len(await w.inbox(w.alice)) == (1 if owned else 0)
            assert len(await w.inbox(w.postmaster)) == (0 if owned else 1)

    asyncio.run(go())


def test_a_sender_who_was_removed_keeps_nothing_in_the_queue(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(sender="old@orchard.example", account=AccountId(999))
            await w.worker.run_due()
            assert await entries(w) == []
            assert len(await w.inbox(w.postmaster)) == 1

    asyncio.run(go())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\n",
        b"no header",
        b"Subject: \xff\x00\r\n\r\n",
        b"Subject: a\r\n b\r\n\tc\r\n\r\n",
        b"\0" * 100,
        b"a:\n\n",
    ],
)
def test_any_message_can_be_reported_on(world: Open, message: bytes) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: (Outcome.PERMANENT, "5.0.0", "550 \u202e\ud7ff no")
            await w.enqueue(message=message, ret="FULL")
            await w.worker.run_due()
            assert await entries(w) == []
            assert len(await w.inbox(w.alice)) == 1

    asyncio.run(go())


# ---------------------------------------------------------------------- domains that became ours


def test_a_domain_that_became_ours_is_delivered_here(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue("boss@orchard.example", "nobody@orchard.example")
            await w.worker.run_due()
            assert w.transport.envelopes == []
            assert await entries(w) == []
            (copy,) = await w.inbox(w.postmaster)
            assert b"Hello Bob" in copy
            (report,) = await w.inbox(w.alice)
            assert b"nobody@orchard.example" in report

    asyncio.run(go())


def test_a_report_that_waited_in_the_queue_is_read_as_one(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue("dmarc-reports@orchard.example")
            await w.worker.run_due()
            assert await entries(w) == []
            (mail,) = await w.store.reader.report_mails(10)
            assert b"Hello Bob" in await w.worker_services.blobs.read(mail.blob)

    asyncio.run(go())


def test_one_without_room_for_the_message_holds_up_nobody_else(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            small = await add_person(w.store, Address.parse("small@orchard.example"), "", quota=10)
            await w.enqueue("small@orchard.example", "boss@orchard.example")
            await w.worker.run_due()
            assert len(await w.inbox(w.postmaster)) == 1
            assert await w.inbox(small) == []
            (entry,) = await entries(w)
            assert [r.state for r in entry.recipients] == [RecipientState.PENDING, RecipientState.DELIVERED]

    asyncio.run(go())


# ---------------------------------------------------------------------- leases, crashes, many at once


class Blocking:
    """A transport that waits until it is told to go on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = 0
        self.most = 0
        self.by_destination: dict[str, int] = {}

    async def deliver(self, envelope: Envelope, message: OutgoingMessage) -> tuple[DeliveryResult, ...]:
        self.running += 1
        self.most = max(self.most, self.running)
        seen = self.by_destination
        seen[envelope.destination] = seen.get(envelope.destination, 0) + 1
        if envelope.destination.startswith("slow"):
            await self.go.wait()
        self.running -= 1
        return tuple(DeliveryResult(p, Outcome.DELIVERED, "2.0.0", "ok") for p in envelope.forward_paths)


def worker_with(w: World, transport: Any, name: str = "host/w1", **more: Any) -> QueueWorker:
    services = w.worker_services
    services = QueueServices(
        services.store, services.blobs, services.bus, services.directory, transport, services.clock
    )
    return QueueWorker(services, WorkerSettings(name, "mail.orchard.example", **more))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_slow_destination_does_not_hold_the_others(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            for i in range(60):
                await w.enqueue(f"u{i}@slow.example")
            for i in range(5):
                await w.enqueue(f"u{i}@fast.example")
            transport = Blocking()
            worker = worker_with(w, transport, concurrency=30, per_destination=4)
            running = asyncio.create_task(worker.run())
            await until(lambda: transport.by_destination.get("fast.example") == 5)
            assert transport.by_destination["slow.example"] == 4
            transport.go.set()
            await until(lambda: transport.by_destination["slow.example"] == 60)
            assert transport.most <= 30
            worker.stop()
            await running
            assert await entries(w) == []

    asyncio.run(go())


def test_who_waits_for_a_silent_host_steps_aside(world: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PATIENCE", 0.01)

    async def go() -> None:
        async with world() as w:
            for i in range(10):
                await w.enqueue(f"u@slow{i}.example")
            await w.enqueue("u@fast.example")
            transport = Blocking()
            worker = worker_with(w, transport, concurrency=4)
            running = asyncio.create_task(worker.run())
            await until(lambda: "fast.example" in transport.by_destination)
            for i in range(10, 20):
                await w.enqueue(f"u@slow{i}.example")
            # ASIDE times 4 places, and the 2 that those not tried yet may have
            await until(lambda: transport.running == 14)
            await asyncio.sleep(0.05)
            assert transport.most == 14
            transport.go.set()
            await until(lambda: len(transport.by_destination) == 21)
            worker.stop()
            await running
            assert await entries(w) == []

    asyncio.run(go())


def test_nothing_more_begins_for_a_host_that_is_waited_for(
    world: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PATIENCE", 0.01)

    async def go() -> None:
        async with world() as w:
            await w.enqueue("u@slow.example")
            transport = Blocking()
            worker = worker_with(w, transport, concurrency=4)
            running = asyncio.create_task(worker.run())
            await until(lambda: bool(worker._aside))
            for i in range(5):
                await w.enqueue(f"u{i}@slow.example")
            await w.enqueue("u@fast.example")
            await until(lambda: "fast.example" in transport.by_destination)
            await asyncio.sleep(0.05)
            assert transport.by_destination["slow.example"] == 1
            transport.go.set()
            await until(lambda: transport.by_destination["slow.example"] == 6)
            worker.stop()
            await running
            assert await entries(w) == []

    asyncio.run(go())


def test_the_worker_wakes_when_an_entry_arrives(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            running = asyncio.create_task(w.worker.run())
            await asyncio.sleep(0)
            await w.enqueue()
            await until(lambda: len(w.transport.envelopes) == 1)
            w.worker.stop()
            await running
            assert await entries(w) == []

    asyncio.run(go())


def test_stopping_cuts_off_what_does_not_end_and_gives_it_back(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue("u@slow.example")
            transport = Blocking()
            worker = worker_with(w, transport, drain_time=0.01)
            running = asyncio.create_task(worker.run())
            await until(lambda: transport.running == 1)
            (entry,) = await entries(w)
            assert entry.lease_until > w.clock.now()
            worker.stop()
            await running
            (entry,) = await entries(w)
            assert (entry.lease_until, entry.attempts) == (0, 0)

    asyncio.run(go())


def test_a_killed_worker_finds_its_entries_again(world: Open) -> None:
    """Leased, then killed: the next life of the same worker takes them up at once, others only later."""

    async def go() -> None:
        async with world() as w:
            await w.enqueue()

            async def die(tx: Tx) -> None:
                await tx.lease([1], int(w.clock.now()), "host/w1/oldlife", int(w.clock.now()) + HOUR)

            await w.store.transact(die)
            await w.worker.run_due()
            assert w.transport.envelopes == [], "another worker's lease is respected"
            other = worker_with(w, w.transport, "host/w")
            other.stop()
            await other.run()
            (entry,) = await entries(w)
            assert entry.lease_until > 0, "host/w is not host/w1"
            same = worker_with(w, w.transport, "host/w1")
            task = asyncio.create_task(same.run())
            await until(lambda: len(w.transport.envelopes) == 1)
            same.stop()
            await task
            assert await entries(w) == []

    asyncio.run(go())


def test_a_lease_that_ran_out_is_anybodys(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue()

            async def die(tx: Tx) -> None:
                await tx.lease([1], int(w.clock.now()), "elsewhere/w0/x", int(w.clock.now()) + HOUR)

            await w.store.transact(die)
            w.clock.seconds += HOUR + 1
            await w.worker.run_due()
            assert len(w.transport.envelopes) == 1

    asyncio.run(go())


def test_a_store_that_fails_for_a_moment_costs_no_second_delivery(
    world: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue()
            monkeypatch.setattr("postier.queue.attempt.PAUSES", (0.0, 0.0, 0.0))
            honest, failures = w.store.transact, 2

            async def transact(work: Any, *, durable: bool = True) -> Any:
                nonlocal failures
                if durable and failures and w.transport.envelopes:
                    failures -= 1
                    raise StoreUnavailable("disk full")
                return await honest(work, durable=durable)

            monkeypatch.setattr(w.store, "transact", transact)
            await w.worker.run_due()
            assert failures == 0
            assert len(w.transport.envelopes) == 1
            assert await entries(w) == []

    asyncio.run(go())


def test_an_unreadable_blob_waits(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue()
            for pack in w.folder.rglob("*.pack"):
                pack.write_bytes(b"\0" * pack.stat().st_size)
            await w.worker.run_due()
            (entry,) = await entries(w)
            assert entry.recipients[0].state is RecipientState.PENDING
            assert "can't be read" in entry.reason
            assert w.transport.envelopes == []

    asyncio.run(go())


def test_an_entry_dropped_during_its_attempt_stays_dropped(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()
            w.transport.answer = lambda _: GREYLISTED

            class Dropping:
                async def deliver(
                    self, envelope: Envelope, message: OutgoingMessage
                ) -> tuple[DeliveryResult, ...]:
                    async def drop(tx: Tx) -> None:
                        await tx.remove_queue_entry(entry_id)

                    await w.store.transact(drop)
                    results: tuple[DeliveryResult, ...] = await w.transport.deliver(envelope, message)
                    return results

            await worker_with(w, Dropping()).run_due()
            assert await entries(w) == []

    asyncio.run(go())


def test_held_entries_wait(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()

            async def hold(tx: Tx) -> None:
                entry = await tx.queue_entry(entry_id)
                assert entry is not None
                await tx.update_queue_entry(
                    entry_id, recipients=entry.recipients, next_attempt=0, attempts=0, delay_notified=False,
                    reason="", state=QueueState.HELD,
                )  # fmt: skip

            await w.store.transact(hold)
            await w.worker.run_due()
            assert w.transport.envelopes == []

    asyncio.run(go())


def test_a_domain_made_ours_while_an_entry_waits(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: GREYLISTED
            await w.enqueue("bob@far.example", notify="SUCCESS")
            await w.worker.run_due()

            async def adopt(tx: Tx) -> None:
                await tx.add_domain(Domain("far.example", w.postmaster))

            await w.store.transact(adopt)
            (entry,) = await entries(w)
            w.clock.seconds = entry.next_attempt
            await w.worker.run_due()
            assert await entries(w) == []
            assert len(await w.inbox(w.postmaster)) == 1
            (report,) = await w.inbox(w.alice)
            assert b"Action: delivered" in report

    asyncio.run(go())


def test_a_dead_destination_is_asked_once_a_minute(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: (Outcome.TEMPORARY, "4.4.1", "no connection")
            for i in range(20):
                await w.enqueue(f"u{i}@dead.example")
            await w.worker.run_due()
            assert len(w.transport.envelopes) <= 5, "no more than the first window"
            assert {e.reason for e in await entries(w)} == {"no connection"}
            assert {e.attempts for e in await entries(w)} == {1}
            tried = len(w.transport.envelopes)
            w.clock.seconds += 600
            await w.worker.run_due()
            assert len(w.transport.envelopes) == tried + 1

    asyncio.run(go())


# ---------------------------------------------------------------------- faults of ours


def test_a_fault_of_ours_brings_the_entry_back_later_each_time(
    world: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        async def deliver(self, envelope: Envelope, message: OutgoingMessage) -> tuple[DeliveryResult, ...]:
            raise RuntimeError("a bug")

    async def go() -> None:
        async with world() as w:
            await w.enqueue()
            worker = worker_with(w, Broken())
            for faults, wait in ((1, 60), (2, 120), (3, 240)):
                await worker.run_due()
                (entry,) = await entries(w)
                assert (entry.faults, entry.attempts, entry.lease_until) == (faults, 0, 0)
                assert entry.next_attempt == w.clock.now() + wait
                assert "internal fault" in entry.reason
                w.clock.seconds += wait
            await w.worker.run_due()
            assert await entries(w) == []

    asyncio.run(go())


def test_destinations_of_one_site_share_its_window(world: Open) -> None:
    class OneSite:
        async def site(self, destination: str) -> str:
            return "mx.example"

    async def go() -> None:
        async with world() as w:
            for i in range(60):
                await w.enqueue(f"u@slow{i}.example")
            transport = Blocking()
            services = dataclasses.replace(w.worker_services, transport=transport, sites=OneSite())
            settings = WorkerSettings("host/w1", "mail.orchard.example", per_destination=4)
            worker = QueueWorker(services, settings)
            running = asyncio.create_task(worker.run())
            await until(lambda: transport.running == 4)
            await asyncio.sleep(0.05)
            assert transport.most == 4
            transport.go.set()
            await until(lambda: len(transport.by_destination) == 60)
            worker.stop()
            await running
            assert await entries(w) == []

    asyncio.run(go())


def test_more_than_fits_into_view_of_one_destination(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            for i in range(150):
                await w.enqueue(f"u{i}@far.example")
            running = asyncio.create_task(w.worker.run())
            await until(lambda: len(w.transport.envelopes) == 150)
            w.worker.stop()
            await running
            assert await entries(w) == []

    asyncio.run(go())


def test_what_is_overdue_is_said_now_and_then(world: Open, capfd: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue()
            for seconds, said in ((599, 0), (1, 1), (599, 0), (1, 1)):
                w.clock.seconds += seconds
                worker = w.worker
                worker._told(0)
                await worker._look()
                assert capfd.readouterr().err.count("queue overdue") == said

    asyncio.run(go())
