"""The POP3 door on the real store: what UIDL promises, and what DELE really deletes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from postier.accounts import people
from postier.accounts.login import Login
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.net.api import Session
from postier.net.connection import WRITE_LIMIT
from postier.pop3.session import Pop3Services, Pop3Settings, pop3_session
from postier.store.api import Domain, NewMessage, Step, StepKind, Store, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.story.recorder import NoteStep, no_note
from postier.testing.connection import MemoryConnection

TIM = Address.parse("tim@a.example")
LONG = b"Subject: long\r\n\r\n" + b"..dots\r\n.\r\nno dot\r\n" * 100_000


@asynccontextmanager
async def pop3_on(folder: Path, note_step: NoteStep = no_note) -> AsyncIterator[tuple[Store, Session]]:
    """A store in `folder`, and the door to it."""
    clock, bus, blobs = SystemClock(), MemoryBus(), LocalBlobs(folder, "test")
    store = await open_sqlite(folder / "postier.db", blobs=blobs, bus=bus, clock=clock, owner="test")
    verifier = PasswordVerifier(ProofTable())
    services = Pop3Services(store, blobs, Login(store, clock, verifier, limited=False), note_step)

    try:
        yield store, pop3_session(services, Pop3Settings())
    finally:
        verifier.close()
        await store.close()


async def log_in(session: Session) -> MemoryConnection:
    connection = MemoryConnection(tls=True)
    connection.start(session)
    connection.feed(b"USER Tim@a.example\r\nPASS secret\r\n")
    await connection.quiet()
    return connection


async def talk(session: Session, said: bytes) -> bytes:
    """All that is answered to `said` on a new connection, after the login."""
    connection = await log_in(session)
    connection.output()
    connection.feed(said)
    return await connection.finish()


async def deliver(store: Store, body: bytes, trace: bytes = b"") -> Uid:
    async def work(tx: Tx) -> Uid:
        account = await tx.account_named(TIM.lookup_key)
        assert account is not None
        inbox = await tx.mailbox_named(account.account_id, "INBOX")
        assert inbox is not None
        blob_id, ref = await tx.add_blob(b"Return-Path: <>\r\n" + trace, body)
        new = NewMessage(blob_id, ref.size, 1_700_000_000, 1_700_000_000, b"", b"", b"", b"", "", "", "")
        (uid,) = await tx.append(account.account_id, inbox.mailbox_id, [new])
        return uid

    return await store.transact(work)


async def add_tim(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await tx.add_domain(Domain("a.example", None))

    await store.transact(work)
    await people.add_person(store, TIM, hash_password("secret"))


def test_a_message_fetched_whole_is_a_step_of_its_story(tmp_path: Path) -> None:
    async def main() -> None:
        noted: list[Step] = []
        async with pop3_on(tmp_path, noted.append) as (store, session):
            await add_tim(store)
            trace = (
                b"Received: from a ([192.0.2.1])\r\n\tby localhost with ESMTP id 0abcdefghjkmnpqr;\r\n\tx\r\n"
            )
            await deliver(store, LONG, trace)
            await deliver(store, LONG)
            await deliver(store, LONG, trace.replace(b"by l", b"by x.l"))
            await talk(session, b"TOP 1 0\r\nLIST\r\nRETR 2\r\nRETR 3\r\n")
            assert noted == []
            await talk(session, b"RETR 1\r\n")
            [step] = noted
            account = await store.reader.account_named(TIM.lookup_key)
            assert account is not None
            assert (step.trace_id, step.kind) == ("0abcdefghjkmnpqr", StepKind.READ)
            assert step.facts["account"] == str(account.account_id)
            assert step.facts["mailbox"] == "INBOX"
            assert step.facts["role"] == "pop3"

    asyncio.run(main())


def test_messages_come_whole_and_dele_lasts(tmp_path: Path) -> None:
    async def main() -> None:
        async with pop3_on(tmp_path) as (store, session):
            await add_tim(store)
            for body in (b"Subject: one\r\n\r\n.\r\n", LONG, b"Subject: three\r\n\r\nx"):
                await deliver(store, body)
            output = await talk(session, b"STAT\r\nRETR 1\r\nRETR 2\r\nDELE 2\r\nQUIT\r\n")
            size = len(LONG) + 17 + 36 + 36
            assert b"+OK 3 %d\r\n" % size in output
            assert b"octets\r\nReturn-Path: <>\r\nSubject: one\r\n\r\n..\r\n.\r\n" in output
            stuffed = LONG.replace(b"\r\n.", b"\r\n..")
            assert b"octets\r\nReturn-Path: <>\r\n" + stuffed + b".\r\n" in output
            assert output.endswith(b"+OK Goodbye\r\n")
            assert b"+OK 2 72\r\n" in await talk(session, b"STAT\r\n")

    asyncio.run(main())


def test_a_client_that_reads_nothing_costs_a_bounded_amount(tmp_path: Path) -> None:
    """A long message waits in the store, not in our memory."""

    async def main() -> None:
        async with pop3_on(tmp_path) as (store, session):
            await add_tim(store)
            await deliver(store, LONG * 3)
            connection = await log_in(session)
            connection.stall()
            connection.feed(b"RETR 1\r\n")
            await connection.quiet()
            assert WRITE_LIMIT < connection.wire.get_write_buffer_size() < WRITE_LIMIT + 600_000
            connection.flow()
            await connection.quiet()
            assert connection.output().count(b"no dot\r\n") == 300_000

    asyncio.run(main())


def test_uidl_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async def listing(prepare: bool) -> list[bytes]:
        async with pop3_on(tmp_path) as (store, session):
            if prepare:
                await add_tim(store)
                for number in range(3):
                    await deliver(store, b"Subject: %d\r\n\r\n" % number)
                await talk(session, b"DELE 2\r\nQUIT\r\n")
            return (await talk(session, b"UIDL\r\n")).split(b"\r\n")[1:-2]

    before = asyncio.run(listing(True))
    after = asyncio.run(listing(False))
    assert before == after
    assert len(before) == 2
    assert len({line.split()[1] for line in before}) == 2
    assert before[0].startswith(b"1 ")
