"""What a long queue costs: the first attempt after a start, the time per message, and memory.

    python bench/queue_scale.py [--entries 1000 100000] [--attempts 2000]

Queues of these lengths, each in a temporary folder with a real store and worker in a process of its own, and
a transport that answers at once: for few destinations, for many, and behind a destination that never
answers. Printed are the seconds from the start of the worker to its first attempt (with the last kind: to
the first for another destination), microseconds of the clock and of the CPU per message that was delivered
and written down, and the process's memory. Then come the plans of the statements that find what is due.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from postier.accounts.directory import Directory
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.queue.api import DeliveryResult, Envelope, Outcome, OutgoingMessage
from postier.queue.attempt import QueueServices
from postier.queue.worker import QueueWorker, WorkerSettings
from postier.store.api import QueueRecipient, RecipientState, Tx
from postier.store.sql.queue import FINDING
from postier.store.sqlite import SqliteStore, open_sqlite

KINDS = ("few", "many", "behind a silent one")
FEW = 20
AT_ONCE = 500
MESSAGE = b"From: a@orchard.test\r\nSubject: scale\r\n\r\n" + b"line of a letter\r\n" * 100


class AtOnce:
    """Takes everything at once, but for the silent destination."""

    def __init__(self, enough: int) -> None:
        self.enough = enough
        self.made = 0
        self.first = 0.0
        self.done = asyncio.Event()

    async def deliver(self, envelope: Envelope, message: OutgoingMessage) -> tuple[DeliveryResult, ...]:
        if envelope.destination == "silent.test":
            await asyncio.sleep(3600)
        self.first = self.first or time.monotonic()
        self.made += 1
        if self.made == self.enough:
            self.done.set()
        return tuple(DeliveryResult(p, Outcome.DELIVERED, "2.0.0", "ok") for p in envelope.forward_paths)


def destination(kind: str, number: int, entries: int) -> str:
    if kind == KINDS[2] and number < entries * 9 // 10:
        return "silent.test"
    return f"d{number % (FEW if kind == KINDS[0] else max(FEW, entries // 4))}.test"


async def fill(store: SqliteStore, kind: str, entries: int) -> None:
    now = int(time.time())
    for start in range(0, entries, AT_ONCE):

        async def work(tx: Tx, start: int = start) -> None:
            blob_id, _ = await tx.add_blob(b"", MESSAGE)
            for number in range(start, min(start + AT_ONCE, entries)):
                to = destination(kind, number, entries)
                await tx.add_queue_entry(
                    trace_id=f"t{number}", account_id=None, reverse_path="a@orchard.test", destination=to,
                    blob_id=blob_id, arrived=now, next_attempt=now,
                    recipients=[QueueRecipient(0, f"u{number}@{to}", RecipientState.PENDING)],
                )  # fmt: skip

        await store.transact(work)


async def open_store(folder: Path) -> tuple[SqliteStore, LocalBlobs, MemoryBus]:
    blobs, bus = LocalBlobs(folder, "w0"), MemoryBus()
    store = await open_sqlite(folder / "mail.db", blobs=blobs, bus=bus, clock=SystemClock(), owner="w0")
    return store, blobs, bus


async def prepare(folder: Path, kind: str, entries: int) -> None:
    store, _, _ = await open_store(folder)
    await fill(store, kind, entries)
    await store.close()


async def measure(folder: Path, attempts: int) -> str:
    """In a fresh process: seconds to the first attempt, then microseconds per message, then megabytes."""
    store, blobs, bus = await open_store(folder)
    transport = AtOnce(attempts)
    services = QueueServices(store, blobs, bus, Directory(store), transport, SystemClock())
    worker = QueueWorker(services, WorkerSettings("host/w0", "mail.orchard.test", drain_time=0.1))
    began = time.monotonic()
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(transport.done.wait(), 120)
    wall, cpu = time.monotonic() - transport.first, time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    worker.stop()
    await running
    await store.close()
    return (
        f"{transport.first - began:8.2f} {wall / attempts * 1e6:10.0f} {cpu / attempts * 1e6:8.0f} {memory:6}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--attempts", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(asyncio.run(measure(options.folder, options.attempts)))
        return
    print(f"{'entries':>8} {'destinations':20} {'first s':>8} {'us/message':>10} {'CPU us':>8} {'MB':>6}")
    for kind in KINDS:
        for entries in options.entries:
            with tempfile.TemporaryDirectory() as folder:
                asyncio.run(prepare(Path(folder), kind, entries))
                attempts = min(options.attempts, entries // 10 if kind == KINDS[2] else entries * 9 // 10)
                ran = subprocess.run(
                    [sys.executable, __file__, "--folder", folder, "--attempts", str(attempts)],
                    capture_output=True, text=True, timeout=300, check=True,
                )  # fmt: skip
                print(f"{entries:8} {kind:20} {ran.stdout.rstrip()}", flush=True)
                if kind == KINDS[0] and entries == options.entries[-1]:
                    plans = explain(Path(folder))
    print(plans)


def explain(folder: Path) -> str:
    with sqlite3.connect(folder / "mail.db") as database:
        database.execute("ANALYZE")
        lines = []
        for name, statement in FINDING.items():
            values = (0,) * statement.count("?")
            steps = database.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            lines.append(f"{name}: " + "; ".join(step[3] for step in steps))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
