"""Processes that are killed at any point: what they acknowledged is there, once, and whole."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from postier.base.clock import SystemClock
from postier.blobs.api import Spool
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import AccountKind, Step, StepKey, StepKind, Tx
from postier.store.sqlite import SqliteStore, open_sqlite
from postier.store.step_index import index_steps
from postier.testing.store_contract import ALL
from postier.testing.store_helpers import letter

ROUNDS = 6
WORKERS = 2


async def opened(folder: Path, name: str) -> tuple[SqliteStore, LocalBlobs]:
    blobs = LocalBlobs(folder, name)
    store = await open_sqlite(
        folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner=name
    )
    return store, blobs


def body_of(number: int) -> bytes:
    """Every tenth message is long enough for a pack of its own."""
    size = 1_500_000 if number % 10 == 0 else 2000 + number % 5000
    return b"%d " % number + random.Random(number).randbytes(1000) * (size // 1000)


async def deliver_for_ever(folder: Path, name: str, first: int) -> None:
    """Deliver numbered messages, eight at a time, and print each number after its commit."""
    store, blobs = await opened(folder, name)
    account = await store.reader.account_named("alice@a.test")
    assert account is not None
    inbox = (await store.reader.mailboxes(account.account_id))[0].mailbox_id

    async def client(number: int) -> None:
        while True:
            spool = blobs.spool()
            await spool.write(body_of(number))
            await spool.seal()

            async def work(tx: Tx, number: int = number, spool: Spool = spool) -> None:
                blob_id, _ = await tx.add_blob(b"Received: x\r\n", spool)
                await tx.append(account.account_id, inbox, [letter(blob_id, sent_date=number)])
                facts = {"sender": f"{number}@a.test"}
                await tx.add_steps([Step(f"trace-{number}", 0.0, StepKind.ACCEPTED, facts)])

            await store.transact(work)
            os.write(1, b"%d\n" % number)
            number += 8

    async def keep_keys() -> None:
        while True:
            await index_steps(store)
            await asyncio.sleep(0.005)

    await asyncio.gather(keep_keys(), *(client(first + place) for place in range(8)))


async def make(folder: Path) -> None:
    store, blobs = await opened(folder, "make")

    async def work(tx: Tx) -> None:
        alice = await tx.add_account("alice@a.test", AccountKind.PERSON, "")
        await tx.create_mailbox(alice, "INBOX")

    await store.transact(work)
    await store.close()
    blobs.close()


def start(folder: Path, name: str, first: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, str(folder), name, str(first)], stdout=subprocess.PIPE)


def kill(worker: subprocess.Popen[bytes], after: int) -> set[int]:
    """Kill the worker once it acknowledged so many; returns the numbers of all it acknowledged."""
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(after)]
    worker.send_signal(signal.SIGKILL)
    lines += worker.stdout.readlines()
    worker.stdout.close()
    worker.wait()
    return {int(line) for line in lines if line.endswith(b"\n")}


async def check(folder: Path, acknowledged: set[int]) -> None:
    """Each acknowledged message once; each message that is there whole; counters true; no orphans."""
    store, blobs = await opened(folder, "check")
    account = await store.reader.account_named("alice@a.test")
    assert account is not None
    (mailbox,) = await store.reader.mailboxes(account.account_id)
    where = (account.account_id, mailbox.mailbox_id)
    rows = await store.reader.facts(*where, ALL, ("sent_date",))
    numbers = [row[1] for row in rows]
    assert len(numbers) == len(set(numbers)) == mailbox.messages == account.messages
    assert acknowledged <= set(numbers)
    refs = await store.reader.blob_refs(*where, [row[0] for row in rows])  # type: ignore[misc]
    for uid, number in rows:
        assert isinstance(number, int)
        assert await blobs.read(refs[uid]) == b"Received: x\r\n" + body_of(number)  # type: ignore[index]
    assert not list((folder / "packs" / "incoming").glob("*.pack"))
    assert [uid for uid, _ in rows] == list(range(1, mailbox.uidnext))
    await check_stories(store, {f"{number}" for number in numbers})
    await store.close()
    blobs.close()


async def check_stories(store: SqliteStore, numbers: set[str]) -> None:
    """Each message that is there has its one step, and is found by it, whether keys were filled or not."""
    reader = store.reader
    assert set(await reader.traces(None, "", limit=10**6)) == {f"trace-{number}" for number in numbers}
    for number in numbers:
        assert len(await reader.steps(f"trace-{number}")) == 1
        assert await reader.traces(StepKey.SENDER, f"{number}@a.test") == [f"trace-{number}"]


@pytest.mark.slow
def test_killed_workers_lose_nothing(tmp_path: Path) -> None:
    asyncio.run(make(tmp_path))
    acknowledged: set[int] = set()
    chance = random.Random(7)
    for round_number in range(ROUNDS):
        firsts = [(round_number * WORKERS + place) * 1_000_000 for place in range(WORKERS)]
        workers = [start(tmp_path, f"w{place}", first) for place, first in enumerate(firsts)]
        for worker in workers:
            acknowledged |= kill(worker, chance.randrange(1, 60))
        asyncio.run(check(tmp_path, acknowledged))
    assert len(acknowledged) > 20


if __name__ == "__main__":
    asyncio.run(deliver_for_ever(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
