"""Mail that leaves later: what may be asked for, what waits, what becomes of it, and taking it back."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from postier.bus.memory import MemoryBus
from postier.queue import manage
from postier.queue.api import DeliveryResult, Outcome
from postier.queue.worker import QueueServices, QueueWorker, WorkerSettings
from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.session import inbound_session
from postier.store.api import StepKind
from postier.testing.connection import MemoryConnection
from postier.testing.store_helpers import SettableClock

NOW = 1_794_312_000
DAY = 86_400
LOGIN = b"EHLO a.example\r\n", b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
TEXT = b"From: bob@b.example\r\nTo: x@else.example\r\nSubject: Hi\r\n\r\nHello\r\n.\r\n"


class Transport:
    def __init__(self) -> None:
        self.paths: list[str] = []

    async def deliver(self, envelope, message):
        self.paths += envelope.forward_paths
        return tuple(
            DeliveryResult(path, Outcome.DELIVERED, "2.0.0", "250 ok", remote="mx [192.0.2.7]:25")
            for path in envelope.forward_paths
        )


def talk(world, script, *, role=Role.SUBMISSION, **settings):
    """`script(services, say)`; `say` gives the last line that is answered."""

    async def go():
        async with world.opened(**settings) as (found, services):
            connection = MemoryConnection(tls=True)
            connection.start(inbound_session(found, services, role))

            async def say(packet: bytes) -> str:
                await connection.quiet()
                connection.output()
                connection.feed(packet)
                await connection.quiet()
                return connection.output().decode().splitlines()[-1]

            for packet in LOGIN:
                await say(packet)
            await script(services, say)
            await connection.finish()

    asyncio.run(go())


async def send(say, *to: str, asked: str = "", rcpt: str = "") -> str:
    recipients = "".join(f"RCPT TO:<{path}>{rcpt}\r\n" for path in to)
    await say(f"MAIL FROM:<bob@b.example>{asked}\r\n{recipients}DATA\r\n".encode())
    return await say(TEXT)


async def mailboxes(services) -> dict[str, int]:
    """Messages in each INBOX."""
    reader = services.store.reader
    return {
        account.name: box.messages
        for account in await reader.accounts()
        for box in await reader.mailboxes(account.account_id)
        if box.name == "INBOX" and box.messages and account.name != "full@b.example"
    }


async def work_queue(services, seconds: int) -> list[str]:
    """Whom the queue's worker wrote to at that moment."""
    clock, transport = SettableClock(float(seconds)), Transport()
    queue = QueueServices(services.store, services.blobs, MemoryBus(), services.directory, transport, clock)
    worker = QueueWorker(queue, WorkerSettings("h/w0", "mx.b.example"), rng=random.Random(1))
    await worker.run_due()
    return transport.paths


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("HOLDFOR=1", "250 "),
        (f"HOLDFOR={DAY}", "250 "),
        (f"HOLDFOR={DAY + 1}", "501 5.5.4 Messages are held for 86400 seconds at most"),
        ("HOLDFOR=999999999", "501 5.5.4 Messages are held"),
        ("HOLDUNTIL=2026-11-10T12:00:01Z", "250 "),
        ("HOLDUNTIL=2026-11-11T12:00:00Z", "250 "),
        ("HOLDUNTIL=2026-11-11t14:00:00.5+02:00", "501 5.5.4 Messages are held"),
        ("HOLDUNTIL=2026-11-11T12:00:01Z", "501 5.5.4 Messages are held"),
        ("HOLDUNTIL=9999-12-31T23:59:59Z", "501 5.5.4 Messages are held"),
        ("HOLDUNTIL=2026-11-10T12:00:00Z", "501 5.5.4 HOLDUNTIL is not in the future"),
        ("HOLDUNTIL=0001-01-01T00:00:00+23:59", "501 5.5.4 HOLDUNTIL is not"),
        ("HOLDUNTIL=2026-11-31T12:00:00Z", "501 5.5.4 HOLDUNTIL is not a moment of the calendar"),
    ],
)
def test_what_can_be_asked_for(world, asked, answer):
    async def script(services, say):
        assert (await say(f"MAIL FROM:<bob@b.example> {asked}\r\n".encode())).startswith(answer)

    talk(world, script, future_release=DAY)


def test_the_whole_message_waits_and_leaves_at_its_time_to_everybody_once(world):
    async def script(services, say):
        to = ("x@else.example", "carol@b.example", "team@b.example", "away@b.example", "bob+tag@b.example")
        reply = await send(say, *to, "postmaster", asked=" HOLDFOR=600")
        assert re.fullmatch(r"250 2\.0\.0 accepted \w+, leaves at 2026-11-10T12:10:00Z", reply)
        assert await mailboxes(services) == {}
        entries = await services.store.reader.queue_entries()
        assert {
            (e.destination, e.release_at, tuple(r.forward_path for r in e.recipients)) for e in entries
        } == {
            ("else.example", NOW + 600, ("x@else.example", "bob@else.example")),
            ("b.example", NOW + 600, ("carol@b.example", "bob@b.example")),
        }
        steps = await services.store.reader.steps(entries[0].trace_id)
        assert [step.kind for step in steps] == [StepKind.ACCEPTED] + [StepKind.QUEUED] * 4
        assert {step.facts["until"] for step in steps[1:]} == {str(NOW + 600)}
        assert await work_queue(services, NOW + 599) == []
        assert await mailboxes(services) == {}
        assert sorted(await work_queue(services, NOW + 600)) == ["bob@else.example", "x@else.example"]
        assert await mailboxes(services) == {"bob@b.example": 1, "carol@b.example": 1}
        assert await services.store.reader.queue_entries() == []

    talk(world, script, future_release=DAY)


def test_who_asked_to_hear_of_success_hears_of_it_when_it_is_true(world):
    async def script(services, say):
        await send(say, "carol@b.example", asked=" HOLDFOR=600", rcpt=" NOTIFY=SUCCESS")
        assert await mailboxes(services) == {}
        await work_queue(services, NOW + 600)
        assert await mailboxes(services) == {"bob@b.example": 1, "carol@b.example": 1}

    talk(world, script, future_release=DAY)


@pytest.mark.parametrize(
    ("asked", "moment"), [("", NOW + 30), (" HOLDFOR=10", NOW + 30), (" HOLDFOR=31", NOW + 31)]
)
def test_time_to_change_ones_mind_is_given_to_every_message(world, asked, moment):
    async def script(services, say):
        await send(say, "carol@b.example", "x@else.example", asked=asked)
        entries = await services.store.reader.queue_entries()
        assert [entry.release_at for entry in entries] == [moment, moment]

    talk(world, script, future_release=DAY, undo_send=30)


def test_mail_from_outside_is_not_held(world):
    async def script(services, say):
        await say(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<carol@b.example>\r\nDATA\r\n")
        await say(TEXT)
        assert await mailboxes(services) == {"carol@b.example": 1}

    talk(world, script, role=Role.MX, undo_send=30, trust_loopback=True)


def test_ones_own_message_is_taken_back_until_it_leaves(world):
    async def script(services, say):
        traces = [
            (await send(say, "carol@b.example", "x@else.example")).split()[3].rstrip(",") for _ in range(2)
        ]
        bob = await services.store.reader.account_named("bob@b.example")
        carol = await services.store.reader.account_named("carol@b.example")

        async def take_back(trace, account, seconds):
            clock = SettableClock(float(seconds))
            return await manage.cancel_message(
                services.store, clock, trace, by=account.name, sender=account.account_id
            )

        assert not await take_back(traces[0], carol, NOW)
        assert await take_back(traces[0], bob, NOW + 29)
        assert not await take_back(traces[1], bob, NOW + 30)
        assert (await services.store.reader.steps(traces[0]))[-1].kind is StepKind.CANCELLED
        assert await work_queue(services, NOW + 30) == ["x@else.example"]
        assert await mailboxes(services) == {"carol@b.example": 1}

    talk(world, script, undo_send=30)


def test_who_left_while_mail_waited_is_reported(world):
    async def script(services, say):
        await send(say, "carol@b.example", asked=" HOLDFOR=600")
        carol = await services.store.reader.account_named("carol@b.example")
        await services.store.transact(lambda tx: tx.remove_account(carol.account_id))
        await work_queue(services, NOW + 600)
        assert await mailboxes(services) == {"bob@b.example": 1}
        assert await services.store.reader.queue_entries() == []

    talk(world, script, future_release=DAY)
