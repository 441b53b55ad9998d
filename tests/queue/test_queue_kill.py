"""SIGKILL at any moment: everything acknowledged reaches its host, every failure is told exactly once.

The worker runs in a process of its own (this file as a program) against a host in the test's process, which
kills it in the middle of a dialogue, again and again, until the queue is empty.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from postier.accounts.directory import Directory
from postier.accounts.people import add_person
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.queue.attempt import QueueServices
from postier.queue.worker import QueueWorker, WorkerSettings
from postier.smtp.outbound.routes import Routes, RouteSettings
from postier.smtp.outbound.tls_policy import OpportunisticTls
from postier.smtp.outbound.transport import OutboundSettings, SmtpTransport
from postier.store.api import AccountId, Domain, QueueRecipient, RecipientState, Tx
from postier.store.sqlite import SqliteStore, open_sqlite
from postier.testing.dns import ZoneResolver

ENTRIES = 60
PERMANENTLY_REFUSED = frozenset(range(0, ENTRIES, 3))
MAX_KILLS = 25


async def open_store(folder: Path) -> tuple[SqliteStore, LocalBlobs, MemoryBus]:
    blobs, bus = LocalBlobs(folder, "w0"), MemoryBus()
    store = await open_sqlite(folder / "mail.db", blobs=blobs, bus=bus, clock=SystemClock(), owner="w0")
    return store, blobs, bus


async def work(folder: Path, port: int) -> None:
    """One life of the worker: until nothing waits any more."""
    store, blobs, bus = await open_store(folder)
    zone = {"far.example": [("A", "127.0.0.1")]}
    routes = Routes(ZoneResolver(zone), RouteSettings(port=port, allow_loopback=True))
    transport = SmtpTransport(routes, OpportunisticTls(), OutboundSettings("mail.orchard.example"))
    services = QueueServices(store, blobs, bus, Directory(store), transport, SystemClock())
    worker = QueueWorker(services, WorkerSettings("host/w0", "mail.orchard.example"))
    running = asyncio.create_task(worker.run())
    while await store.reader.queue_entries(1):
        await asyncio.sleep(0.01)
    worker.stop()
    await running
    transport.close()
    await store.close()


class Sink:
    """A host that refuses some recipients for good, and kills its client after so many commands."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.received: Counter[str] = Counter()
        self.client: asyncio.subprocess.Process | None = None
        self.fuse = 0
        self.kills = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it was killed
        finally:
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 far.example\r\n")
        recipient = ""
        while line := (await reader.readline()).decode().strip():
            self.burn()
            answer = b"250 ok\r\n"
            if line.startswith("EHLO"):
                answer = b"250-far.example\r\n250 PIPELINING\r\n"
            elif line.startswith("RCPT"):
                recipient = line.partition("<")[2].partition("@")[0]
                if int(recipient) in PERMANENTLY_REFUSED:
                    answer, recipient = b"550 5.1.1 unknown\r\n", ""
            elif line == "DATA" and not recipient:
                answer = b"554 5.5.1 no recipients\r\n"
            elif line == "DATA":
                writer.write(b"354 go\r\n")
                while await reader.readuntil(b"\r\n") != b".\r\n":
                    self.burn()
                self.received[recipient] += 1
                recipient = ""
                self.burn()
            writer.write(answer)
            self.burn()

    def burn(self) -> None:
        self.fuse -= 1
        client = self.client
        if self.fuse == 0 and self.kills < MAX_KILLS and client is not None and client.returncode is None:
            client.kill()
            self.kills += 1


async def fill(folder: Path) -> AccountId:
    store, _, _ = await open_store(folder)

    async def found(tx: Tx) -> None:
        await tx.add_domain(Domain("orchard.example", None))

    await store.transact(found)
    alice = await add_person(store, Address.parse("alice@orchard.example"), "")
    now = int(SystemClock().now())

    async def enqueue(tx: Tx) -> None:
        for i in range(ENTRIES):
            blob_id, _ = await tx.add_blob(b"", b"Subject: %d\r\n\r\nline\r\nline\r\n" % i)
            await tx.add_queue_entry(
                trace_id=f"t{i}", account_id=alice, reverse_path="alice@orchard.example",
                destination="far.example", blob_id=blob_id, arrived=now, next_attempt=now,
                recipients=[QueueRecipient(0, f"{i}@far.example", RecipientState.PENDING)],
            )  # fmt: skip

    await store.transact(enqueue)
    await store.close()
    return alice


async def reports(folder: Path, alice: AccountId) -> Counter[str]:
    """How often alice was told of each failed recipient."""
    store, blobs, _ = await open_store(folder)
    inbox = await store.reader.mailbox_named(alice, "INBOX")
    assert inbox is not None
    uids = list(await store.reader.uids(alice, inbox.mailbox_id))
    refs = await store.reader.blob_refs(alice, inbox.mailbox_id, uids)
    bodies = [(await blobs.read(refs[uid])).decode() for uid in uids]
    await store.close()
    return Counter(body.partition("Final-Recipient: rfc822; ")[2].partition("@")[0] for body in bodies)


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_told_twice(tmp_path: Path) -> None:
    async def go() -> None:
        alice = await fill(tmp_path)
        sink = Sink(random.Random(1))
        server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            for _ in range(MAX_KILLS + 1):
                sink.fuse = sink.rng.randint(1, 40)
                sink.client = await asyncio.create_subprocess_exec(
                    sys.executable, __file__, str(tmp_path), str(port)
                )
                if await asyncio.wait_for(sink.client.wait(), 60) == 0:
                    break
        assert sink.client is not None
        assert sink.client.returncode == 0
        assert sink.kills >= 5
        taken = {str(i) for i in range(ENTRIES) if i not in PERMANENTLY_REFUSED}
        assert set(sink.received) == taken, "nothing acknowledged is lost"
        assert sum(sink.received.values()) - len(taken) <= sink.kills * 20, (
            "only what was in flight goes twice"
        )
        told = await reports(tmp_path, alice)
        assert told == Counter(str(i) for i in PERMANENTLY_REFUSED), "each failure is told exactly once"

    asyncio.run(go())


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
