"""A small server around the queue: a real store in a folder, a clock that stands, a scripted transport."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.directory import POSTMASTER_META, Directory
from postier.accounts.people import add_person
from postier.base.address import Address
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.queue.api import DeliveryResult, Envelope, Outcome, OutgoingMessage
from postier.queue.worker import QueueServices, QueueWorker, WorkerSettings
from postier.store.api import AccountId, Domain, QueueRecipient, RecipientState, Tx
from postier.store.sqlite import SqliteStore, open_sqlite

START = 1_750_000_000
MESSAGE = (
    b"Received: from client by mail.orchard.example; Mon, 2 Jun 2025 10:00:00 +0000\r\n"
    b"From: Alice <alice@orchard.example>\r\nTo: bob@far.example\r\nSubject: =?utf-8?q?Apples_=26_pears?=\r\n"
    b"Date: Mon, 2 Jun 2025 10:00:00 +0000\r\nMessage-ID: <1@orchard.example>\r\n\r\nHello Bob\r\n"
)


@dataclass
class StandingClock:
    seconds: float = START

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


Answer = Callable[[str], tuple[Outcome, str, str]]


@dataclass
class ScriptedTransport:
    """Answers each forward-path as `answer` says, and keeps what it was given."""

    answer: Answer = lambda _: (Outcome.DELIVERED, "2.0.0", "250 ok")
    facts: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    async def deliver(self, envelope: Envelope, message: OutgoingMessage) -> tuple[DeliveryResult, ...]:
        self.envelopes.append(envelope)
        self.messages.append(b"".join([chunk async for chunk in message.chunks()]))
        return tuple(
            DeliveryResult(path, *self.answer(path), remote="mx.far.example [192.0.2.7]:25", facts=self.facts)
            for path in envelope.forward_paths
        )


@dataclass
class World:
    store: SqliteStore
    blobs: LocalBlobs
    bus: MemoryBus
    clock: StandingClock
    transport: ScriptedTransport
    worker: QueueWorker
    worker_services: QueueServices
    folder: Path
    alice: AccountId
    postmaster: AccountId

    async def enqueue(
        self,
        *to: str,
        sender: str = "alice@orchard.example",
        message: bytes = MESSAGE,
        prefix: bytes = b"",
        notify: str = "",
        orcpt: str = "",
        envid: str = "",
        ret: str = "",
        account: AccountId | None = None,
        **more: Any,
    ) -> int:
        recipients = [
            QueueRecipient(i, path, RecipientState.PENDING, notify=notify, orcpt=orcpt)
            for i, path in enumerate(to or ("bob@far.example",))
        ]

        async def work(tx: Tx) -> int:
            blob_id, _ = await tx.add_blob(prefix, message)
            return await tx.add_queue_entry(
                trace_id="trace1",
                account_id=account,
                reverse_path=sender,
                destination=recipients[0].forward_path.rpartition("@")[2],
                blob_id=blob_id,
                recipients=recipients,
                arrived=int(self.clock.now()),
                next_attempt=int(self.clock.now()),
                envid=envid,
                ret=ret,
                **more,
            )

        return await self.store.transact(work)

    async def inbox(self, account: AccountId) -> list[bytes]:
        """Every message in the account's INBOX, as clients see it."""
        mailbox = await self.store.reader.mailbox_named(account, "INBOX")
        if mailbox is None:
            return []
        uids = list(await self.store.reader.uids(account, mailbox.mailbox_id))
        refs = await self.store.reader.blob_refs(account, mailbox.mailbox_id, uids)
        return [await self.blobs.read(refs[uid]) for uid in uids]


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    clock, bus, transport = StandingClock(), MemoryBus(), ScriptedTransport()
    blobs = LocalBlobs(folder, "w0")
    store = await open_sqlite(folder / "mail.db", blobs=blobs, bus=bus, clock=clock, owner="w0")

    async def found(tx: Tx) -> None:
        await tx.add_domain(Domain("orchard.example", None))

    await store.transact(found)
    alice = await add_person(store, Address.parse("alice@orchard.example"), "")
    boss = await add_person(store, Address.parse("boss@orchard.example"), "")

    async def appoint(tx: Tx) -> None:
        await tx.set_meta(POSTMASTER_META, str(boss))

    await store.transact(appoint)
    services = QueueServices(store, blobs, bus, Directory(store), transport, clock)
    settings = WorkerSettings("host/w0", "mail.orchard.example", drain_time=0.5)
    worker = QueueWorker(services, settings, rng=random.Random(1))
    try:
        yield World(store, blobs, bus, clock, transport, worker, services, folder, alice, boss)
    finally:
        await store.close()


@pytest.fixture
def world(tmp_path: Path) -> Callable[[], object]:
    return lambda: open_world(tmp_path)
