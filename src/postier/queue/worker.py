"""The worker: takes what is due, hands it to the transport, and writes down what became of it.

One runs in every process. It reads what is due into view (turns.py), and leases what it can begin at once,
so that no two workers try the same; it runs up to `concurrency` deliveries at a time and at most
`per_destination` of them to one site (destinations.py says how many), so that a slow one never holds the
others. What happens to one entry is in attempt.py; README.md beside this file lists the states and what each
crash means.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from postier.base.ids import new_id
from postier.base.log import Log
from postier.bus.api import QUEUE_TOPIC
from postier.queue.attempt import Attempts, QueueServices
from postier.queue.bounce import Reporter
from postier.queue.destinations import OUTAGE, Destinations, Standing
from postier.queue.schedule import Schedule
from postier.queue.turns import KEPT, Turn, Turns
from postier.store.api import Due, QueueEntry, StoreError, StoreUnavailable, Tx

__all__ = ["QueueServices", "QueueWorker", "WorkerSettings"]

LEASE = 6 * 3600
"""Seconds; longer than any attempt. A lease that runs out belongs to a worker that died elsewhere."""

SHARES = {Standing.PROVEN: 1.0, Standing.NEW: 0.5, Standing.FAILED: 0.1}
"""Of all places: hosts that may never answer leave the others to the living."""
PATIENCE = 0.5
"""Seconds, after which an attempt at a host that was not reached before steps aside, out of its place."""
ASIDE = 3
"""So many times the number of places may have stepped aside: they wait, and cost little else."""
BATCH = 50
PAGE = 500
PER_SITE = 2 * max(KEPT.values())
IN_VIEW = 10_000
"""Entries; more than all sites together can use soon."""
SLACK = 5
"""Seconds: what became due so shortly ago may have been committed after it was looked for."""
LOOK_AGAIN = 60.0
"""Seconds, after which everything that is due is looked at again."""
OVERDUE = 600
"""Seconds for which an entry may be due without being tried before that is worth a line in the log."""
LONGEST_WAIT = 60.0
BUSY_WAIT = 1.0
LOOKUPS = 1000
SITE_WAIT = 0.25
"""Seconds."""

log = Log("queue")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`name`: of this worker, the same after a restart. `hostname`: for reports. `drain_time`: seconds.
    `concurrency`: places; who waits for a silent host has none (ASIDE)."""

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
        self._tasks: dict[asyncio.Task[None], Turn] = {}
        self._running: Counter[str] = Counter()
        self._standings: Counter[Standing] = Counter()
        self._aside: dict[asyncio.Task[None], str] = {}
        self._silent: Counter[str] = Counter()
        self._turns = Turns(self._destinations.standing)
        self._rng = rng or random.Random()
        self._news = True
        self._seen: Due | None = None
        self._lookups: dict[str, asyncio.Task[str]] = {}
        self._looked_at = 0
        self._warned_at = 0
        self._look_again_at = 0.0

    async def run(self) -> None:
        """Until `stop`. Gives back the leases of an earlier life first, and its own in the end."""
        await self._release(f"{self._settings.name}/")
        subscription = self._services.bus.subscribe(QUEUE_TOPIC, self._told)
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
            self._told(0)
            wait = await self._turn()
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            elif wait > 0:
                return

    # ------------------------------------------------------------------ taking entries

    async def _turn(self) -> float:
        """Lease and start what fits. Returns the seconds until there may be more; 0: look again at once."""
        free = self._settings.concurrency - self._standings.total()
        if free <= 0:
            return LONGEST_WAIT
        try:
            turns = await self._choose(min(free, BATCH))
            if not turns:
                return await self._wait()
            await self._begin(turns)
        except StoreUnavailable as error:
            log.error("the queue can't be read", why=error)
            self._look_again_at = 0.0
            return BUSY_WAIT
        return 0.0

    async def _choose(self, limit: int) -> list[Turn]:
        """What is in view first; the store is looked through only for what that leaves free."""
        await self._refill()
        turns = self._turns.take(limit, self._places(()), self._claim)
        if len(turns) == limit:
            return turns
        try:
            await self._look()
        except StoreUnavailable:
            for turn in turns:
                self._done(turn)
            raise
        return turns + self._turns.take(limit - len(turns), self._places(turns), self._claim)

    def _places(self, chosen: Sequence[Turn]) -> dict[Standing, int]:
        """How many more may begin of each standing, after those chosen."""
        taken = self._standings + Counter(self._destinations.standing(turn.site) for turn in chosen)
        return {
            standing: max(1, int(self._settings.concurrency * share)) - taken[standing]
            for standing, share in SHARES.items()
        }

    def _claim(self, site: str) -> bool:
        if site in self._silent or self._running[site] >= self._destinations.window(site):
            return False
        self._running[site] += 1
        return True

    async def _begin(self, turns: Sequence[Turn]) -> None:
        now = int(self._services.clock.now())
        ids = [turn.due.entry_id for turn in turns]

        async def work(tx: Tx) -> list[QueueEntry]:
            return await tx.lease(ids, now, self._owner, now + LEASE)

        leased: dict[int, QueueEntry] = {}
        try:
            leased = {e.entry_id: e for e in await self._services.store.transact(work, durable=False)}
        finally:
            for turn in turns:
                entry = leased.get(turn.due.entry_id)
                if entry is None:  # another worker was faster, or it is held or gone
                    self._done(turn)
                else:
                    self._start(turn, entry)

    def _start(self, turn: Turn, entry: QueueEntry) -> None:
        task = asyncio.get_running_loop().create_task(self._attempts.run(entry, turn.site))
        self._tasks[task] = turn
        standing = self._destinations.standing(turn.site)
        self._standings[standing] += 1
        task.add_done_callback(functools.partial(self._ended, standing))
        if standing is not Standing.PROVEN:
            self._step_aside_later(task, standing)

    def _step_aside_later(self, task: asyncio.Task[None], standing: Standing) -> None:
        asyncio.get_running_loop().call_later(PATIENCE, self._step_aside, task, standing)

    def _step_aside(self, task: asyncio.Task[None], standing: Standing) -> None:
        """Its place is free for others, but none of its own site begins until it ends."""
        if task.done():
            return
        if len(self._aside) >= ASIDE * self._settings.concurrency:
            return self._step_aside_later(task, standing)
        site = self._aside[task] = self._tasks[task].site
        self._silent[site] += 1
        self._standings[standing] -= 1
        self._wakeup.set()

    def _ended(self, standing: Standing, task: asyncio.Task[None]) -> None:
        site = self._aside.pop(task, None)
        if site is None:
            self._standings[standing] -= 1
        else:
            self._silent[site] -= 1
            if not self._silent[site]:
                del self._silent[site]
        self._done(self._tasks.pop(task))
        self._wakeup.set()

    def _done(self, turn: Turn) -> None:
        self._running[turn.site] -= 1
        if not self._running[turn.site]:
            del self._running[turn.site]
        self._turns.forget(turn.due.entry_id)
        self._turns.freed(turn.site)

    # ------------------------------------------------------------------ what is due

    def _told(self, entry_id: int) -> None:
        """Something is new in the queue; 0: anything may be."""
        self._news = True
        if not entry_id:
            self._look_again_at = 0.0
        self._wakeup.set()

    async def _wait(self) -> float:
        """Seconds until something that is not in view becomes due, at most."""
        if self._news and len(self._turns) < IN_VIEW:
            return 0.0
        now = self._services.clock.now()
        due = await self._services.store.reader.next_due(int(now))
        return LONGEST_WAIT if due is None else min(LONGEST_WAIT, max(0.0, due - now))

    async def _refill(self) -> None:
        """More of the sites that have few left in view."""
        now = int(self._services.clock.now())
        for site, destination in self._turns.short():
            page = await self._services.store.reader.due_for(destination, now, PER_SITE)
            if len(page) < PER_SITE:
                self._turns.exhausted(site, destination)  # until one of the page finds no place
            await self._bring(page)

    async def _look(self) -> None:
        """Bring what became due into view, a page at a time, as long as there is place."""
        clock = self._services.clock
        now = int(clock.now())
        if clock.monotonic() >= self._look_again_at or (self._turns.overlooked and not len(self._turns)):
            self._look_again_at = clock.monotonic() + LOOK_AGAIN
            self._turns.overlooked = False
            self._seen, self._news = None, True
        if self._news or now > self._looked_at:
            await self._look_on(now)

    async def _look_on(self, now: int) -> None:
        if len(self._turns) >= IN_VIEW:
            return
        self._news, self._looked_at = False, now
        page = await self._services.store.reader.due_entries(now, PAGE, self._seen)
        if self._seen is None and page:
            self._watch(now, page[0])
        if len(page) == PAGE:
            self._seen, self._news = page[-1], True
            self._rng.shuffle(page)  # workers that begin at the same moment do not all want the same
        else:
            self._seen = Due(now - SLACK, -1, "")
        await self._bring(page)

    def _watch(self, now: int, oldest: Due) -> None:
        """Say it when what is due longest has waited for too long, and again after as long."""
        if now - max(oldest.next_attempt, self._warned_at) >= OVERDUE:
            self._warned_at = now
            log.warning(
                "overdue",
                entry=oldest.entry_id,
                destination=oldest.destination,
                seconds=now - oldest.next_attempt,
            )

    async def _bring(self, page: Sequence[Due]) -> None:
        sites = await self._sites_of({due.destination for due in page})
        for due in page:
            self._turns.add(sites[due.destination], due)

    async def _sites_of(self, destinations: Collection[str]) -> dict[str, str]:
        """A destination whose hosts are not known in time stands for itself; nobody waits for its DNS."""
        for destination in destinations:
            if destination not in self._lookups and len(self._lookups) < LOOKUPS:
                task = asyncio.get_running_loop().create_task(self._site_of(destination))
                self._lookups[destination] = task
                task.add_done_callback(functools.partial(self._found, destination))
        tasks = {d: self._lookups[d] for d in destinations if d in self._lookups}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=SITE_WAIT)
        return {d: tasks[d].result() if d in tasks and tasks[d].done() else d for d in destinations}

    async def _site_of(self, destination: str) -> str:
        try:
            return await self._services.sites.site(destination)
        except StoreError as error:
            log.error("site not known", destination=destination, why=error)
            return destination

    def _found(self, destination: str, _: asyncio.Task[str]) -> None:
        self._lookups.pop(destination, None)

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
        left = [*self._tasks, *self._lookups.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
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
