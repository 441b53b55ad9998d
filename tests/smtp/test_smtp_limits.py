"""Daily limits as people and their administrator meet them."""

from __future__ import annotations

import asyncio
import email
import email.policy

import pytest

from postier.accounts.sending import DailyLimits
from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.session import inbound_session
from postier.store.api import OverQuota, StepKind
from postier.testing.connection import MemoryConnection

LOGIN = b"EHLO a.example\r\n", b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
TEXT = b"From: bob@b.example\r\nTo: x@else.example\r\nSubject: Hi\r\n\r\nHello\r\n.\r\n"
PUT_OFF = (
    "451-4.7.1 You may write to {limit} {what} a day: {used} so far, and this message has {asked}.\r\n"
    "451 4.7.1 Try again after 00:00 UTC, or ask the postmaster for a higher limit [trace "
)


async def send(connection: MemoryConnection, *names: str) -> str:
    """The reply to a message for these names of else.example."""
    rcpt = "".join(f"RCPT TO:<{name}@else.example>\r\n" for name in names).encode()
    for packet in (b"MAIL FROM:<bob@b.example>\r\n" + rcpt + b"DATA\r\n", TEXT):
        await connection.quiet()
        connection.output()
        connection.feed(packet)
    await connection.quiet()
    return connection.output().decode()


def talk(world, script, **settings):
    async def go():
        async with world.opened(**settings) as (found, services):
            connection = MemoryConnection(tls=True)
            connection.start(inbound_session(found, services, Role.SUBMISSION))
            for packet in LOGIN:
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            connection.output()
            await script(services, connection)
            await connection.finish()

    asyncio.run(go())


async def notices(services) -> list[str]:
    """Bob is the postmaster here."""
    reader = services.store.reader
    bob = await reader.account_named("bob@b.example")
    [inbox] = [box for box in await reader.mailboxes(bob.account_id) if box.name == "INBOX"]
    uids = list(await reader.uids(bob.account_id, inbox.mailbox_id))
    refs = await reader.blob_refs(bob.account_id, inbox.mailbox_id, uids)
    return [_read(await services.blobs.read(refs[uid])) for uid in uids]


def _read(message: bytes) -> str:
    found = email.message_from_bytes(message, policy=email.policy.default)
    return f"{found['Subject']}\n{found.get_content()}".replace("\r\n", "\n")


def test_past_the_limit_mail_is_put_off_and_the_administrator_told_once(world):
    async def script(services, connection):
        for _ in range(7):
            assert (await send(connection, "x")).startswith("250 ")
        assert await notices(services) == []
        assert (await send(connection, "x")).startswith("250 ")
        [first] = await notices(services)
        assert first.startswith("bob@b.example has sent 80 % of a day's limit\n")
        assert "    Recipients today: 8 of 10\n    Of them never written to before: 1 of 5\n" in first
        for used, asked in ((8, 3), (8, 100)):
            text = PUT_OFF.format(limit=10, what="recipients", used=used, asked=asked)
            assert (await send(connection, *(f"x{n}" for n in range(asked)))).startswith(text)
        assert (await send(connection, "x", "y")).startswith("250 ")
        assert (await send(connection, "x")).startswith("451-4.7.1 ")
        [_, second] = await notices(services)
        assert "100 %" in second
        assert len(await services.store.reader.queue_entries()) == 9

    talk(world, script, daily_limits=DailyLimits(10, 5))


def test_new_recipients_have_a_limit_of_their_own(world):
    async def script(services, connection):
        assert (await send(connection, "a", "b")).startswith("250 ")
        text = PUT_OFF.format(limit=3, what="recipients you never wrote to before", used=2, asked=2)
        assert (await send(connection, "a", "c", "d")).startswith(text)
        assert (await send(connection, "b", "c")).startswith("250 ")
        assert (await send(connection, "d")).startswith("451-4.7.1 ")
        assert (await send(connection, "a", "b", "c")).startswith("250 ")

    talk(world, script, daily_limits=DailyLimits(0, 3))


def test_the_story_says_how_much_is_used_and_what_the_notice_is_about(world):
    async def script(services, connection):
        await send(connection, "x")
        accepted = (await send(connection, "x", "y", "z")).split()[3]
        reader = services.store.reader
        [step, *_] = await reader.steps(accepted)
        assert step.facts["used"] == "80 %"
        told = [await reader.steps(trace) for trace in await reader.traces(None, "")]
        [delivered] = [step for steps in told for step in steps if step.facts.get("about") == accepted]
        assert delivered.kind is StepKind.DELIVERED

    talk(world, script, daily_limits=DailyLimits(5, 0))


def test_the_notice_is_in_the_language_of_its_reader(world):
    async def script(services, connection):
        bob = await services.store.reader.account_named("bob@b.example")
        await services.store.transact(lambda tx: tx.set_language(bob.account_id, "fr"))
        await send(connection, "x")
        [notice] = await notices(services)
        assert notice.startswith("bob@b.example a atteint 100 % de sa limite du jour\n")
        assert "Destinataires aujourd’hui : 1 sur 1" in notice

    talk(world, script, daily_limits=DailyLimits(1, 0))


def test_a_notice_that_finds_no_room_stops_nothing(world):
    async def script(services, connection):
        bob = await services.store.reader.account_named("bob@b.example")
        await services.store.transact(
            lambda tx: tx.set_quota(bob.account_id, octets=1, messages=0, mailboxes=0)
        )
        assert (await send(connection, "x")).startswith("250 ")
        assert (await send(connection, "x")).startswith("451-4.7.1 ")
        assert await notices(services) == []

    talk(world, script, daily_limits=DailyLimits(1, 0))


def test_what_is_not_accepted_for_other_reasons_counts_nothing(world, monkeypatch):
    async def script(services, connection):
        async def full(*args, **kwargs):
            raise OverQuota("x")

        with monkeypatch.context() as patch:
            patch.setattr("postier.store.sql.queue.QueueTx.add_queue_entry", full)
            assert (await send(connection, "x")).startswith("452 ")
        bob = await services.store.reader.account_named("bob@b.example")
        assert (await services.store.reader.sent(bob.account_id)).recipients == 0

    talk(world, script)


@pytest.mark.parametrize(
    "settings",
    [{"trust_loopback": True, "daily_limits": DailyLimits(1, 1)}, {"daily_limits": DailyLimits(0, 0)}],
)
def test_no_limits_where_they_are_off(world, settings):
    async def script(services, connection):
        for _ in range(3):
            assert (await send(connection, "x", "y")).startswith("250 ")
        bob = await services.store.reader.account_named("bob@b.example")
        assert (await services.store.reader.sent(bob.account_id)).recipients == 0

    talk(world, script, **settings)
