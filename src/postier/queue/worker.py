"""The worker: takes what is due, hands it to the transport, and writes down what became of it.

One runs in every process. It leases entries in small batches, so that no two workers try the same; runs
up to `concurrency` deliveries at a time and at most `per_destination` of them to one destination
(destinations.py says how many), so that a slow one never holds the others. What happens to one entry is in
attempt.py; README.md beside this file lists the states and what each crash means.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, field

from postier.base.ids import new_id
from postier.base.log import Log
from postier.bus.api import QUEUE_TOPIC
from postier.queue.attempt import Attempts, QueueServices
from postier.queue.bounce import Reporter
from postier.queue.destinations import OUTAGE, Destinations
from postier.queue.schedule import Schedule
from postier.store.api import QueueEntry, StoreUnavailable, Tx

__all__ = ["QueueServices", "QueueWorker", "WorkerSettings"]

LEASE = 3600
"""Seconds; longer than any attempt. A lease that runs out belongs to a worker that died elsewhere."""

LEASE_NEEDED = 2100
"""Seconds that must be left of a lease when its attempt begins."""

BATCH = 50
LONGEST_WAIT = 60.0
BUSY_WAIT = 1.0

log = Log("queue")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`name`: of this worker, the same after a restart. `hostname`: for reports. `drain_time`: seconds."""

    name: str
    hostname: str
    schedule: Schedule = field(default_factory=Schedule)
    concurrency: int = 100
    per_destination: int = 20
    drain_time: float = 20.0


class QueueWorker:
    """`run` it as a task; `stop` makes it end within `drain_time`."""

    def __init__(
        self, services: QueueServices, settings: WorkerSettings, *, rng: random.Random | None = None
    ) -> None:
        self._services = services
        self._settings = settings
        reporter = Reporter(settings.hostname, settings.schedule)
        self._destinations = Destinations(
            services.clock, settings.per_destination, min(OUTAGE, settings.schedule.first / 2)
        )
        self._attempts = Attempts(services, reporter, self._destinations, rng or random.Random())
        self._owner = f"{settings.name}/{new_id()}"
        self._wakeup = asyncio.Event()
        self._stopping = False
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._running: Counter[str] = Counter()
        self._backlog: dict[str, deque[QueueEntry]] = {}

    async def run(self) -> None:
        """Until `stop`. Gives back the leases of an earlier life first, and its own in the end."""
        await self._release(f"{self._settings.name}/")
        subscription = self._services.bus.subscribe(QUEUE_TOPIC, lambda _: self._wakeup.set())
        try:
            while not self._stopping:
                self._wakeup.clear()
                wait = await self._turn()
                if wait > 0:
                    await self._sleep(wait)
        finally:
            subscription.close()
            await self._drain()

    def stop(self) -> None:
        """Take nothing new, and finish what is under way."""
        self._stopping = True
        self._wakeup.set()

    async def run_due(self) -> None:
        """Work on all that is due now and return when it is done; for tests and the command line."""
        while True:
            wait = await self._turn()
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            elif wait > 0:
                return

    # ------------------------------------------------------------------ taking entries

    async def _turn(self) -> float:
        """Lease and start what fits. Returns the seconds until there may be more; 0: look again at once."""
        free = self._settings.concurrency - len(self._tasks)
        if free <= 0:
            return LONGEST_WAIT
        try:
            due = await self._services.store.reader.next_due()
            now = int(self._services.clock.now())
            if due is None or due > now:
                return min(LONGEST_WAIT, due - self._services.clock.now()) if due else LONGEST_WAIT
            entries = await self._lease(now, min(free, BATCH))
        except StoreUnavailable as error:
            log.error("the queue can't be read", why=error)
            return BUSY_WAIT
        for entry in entries:
            self._admit(entry)
        if entries:
            return 0.0
        return BUSY_WAIT  # what is due goes to busy destinations, or another worker was faster

    async def _lease(self, now: int, limit: int) -> list[QueueEntry]:
        window = self._destinations.window
        busy = [d for d, count in self._running.items() if count >= window(d)]

        async def work(tx: Tx) -> list[QueueEntry]:
            return await tx.lease_due(now, self._owner, now + LEASE, limit, busy)

        return await self._services.store.transact(work, durable=False)

    def _admit(self, entry: QueueEntry) -> None:
        if self._running[entry.destination] < self._destinations.window(entry.destination):
            self._start(entry)
        else:
            self._backlog.setdefault(entry.destination, deque()).append(entry)

    def _start(self, entry: QueueEntry) -> None:
        task = asyncio.get_running_loop().create_task(self._attempts.run(entry))
        self._tasks[task] = entry.destination
        self._running[entry.destination] += 1
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        destination = self._tasks.pop(task)
        self._running[destination] -= 1
        self._start_waiting(destination)
        if not self._running[destination]:
            del self._running[destination]
        self._wakeup.set()

    def _start_waiting(self, destination: str) -> None:
        """Start what the destination's window has room for; an entry whose lease is old is left to it."""
        backlog = self._backlog.get(destination)
        window = self._destinations.window(destination)
        while backlog and not self._stopping and self._running[destination] < window:
            entry = backlog.popleft()
            if entry.lease_until - self._services.clock.now() >= LEASE_NEEDED:
                self._start(entry)
        if not backlog:
            self._backlog.pop(destination, None)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wakeup.wait()
        except TimeoutError:
            pass  # the moment has come

    async def _drain(self) -> None:
        """Let deliveries end in their time, then cut them off: before its final dot nothing was delivered."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_time)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._release(self._owner)

    async def _release(self, owner_prefix: str) -> None:
        async def work(tx: Tx) -> int:
            return await tx.release_leases(owner_prefix)

        try:
            released = await self._services.store.transact(work)
        except StoreUnavailable as error:
            log.error("leases can't be given back", why=error)  # they run out by themselves
            return
        if released:
            log.info("leases given back", count=released)
