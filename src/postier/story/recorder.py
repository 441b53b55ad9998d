"""Steps that no transaction carries: refusals, and messages that were read.

Noting one never waits and never fails. They are written once in a second, some hundred at most, in a
transaction that does not wait for the disk. What comes faster, in a flood of refusals say, is dropped,
counted, and said in the log, as the work goes before the diary.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from postier.base.log import Log
from postier.base.metrics import STEPS_DROPPED
from postier.store.api import Step, Store, StoreError, Tx

__all__ = ["NoteStep", "StepRecorder", "no_note"]

CAPACITY = 5000
"""Steps that wait: some 3 MB."""

BATCH = 500
PAUSE = 1.0

NoteStep = Callable[[Step], None]

log = Log("story")


def no_note(step: Step) -> None:
    """For who keeps no story."""


class StepRecorder:
    """`run` it as a task; `stop` makes it write what waits, and end. `pause`: seconds between two batches."""

    def __init__(
        self, store: Store, *, capacity: int = CAPACITY, batch: int = BATCH, pause: float = PAUSE
    ) -> None:
        self._store = store
        self._capacity = capacity
        self._batch = batch
        self._pause = pause
        self._waiting: deque[Step] = deque()
        self._unsaid = 0
        self._something = asyncio.Event()
        self._stopping = asyncio.Event()
        self.dropped = 0
        """How many steps were lost since the start."""

    def note(self, step: Step) -> None:
        """Write it down soon, or drop it."""
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            self._unsaid += 1
            STEPS_DROPPED.add()
            return
        self._waiting.append(step)
        self._something.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self._something.wait()
            try:
                async with asyncio.timeout(self._pause):
                    await self._stopping.wait()
            except TimeoutError:
                pass  # meanwhile others came, and all are one transaction
            await self.write()
        while self._waiting and await self.write():
            pass

    def stop(self) -> None:
        self._stopping.set()
        self._something.set()

    async def write(self) -> bool:
        """Write one batch of what waits. False where the store refuses: then it still waits."""
        if self._unsaid:
            log.warning("steps dropped", count=self._unsaid, all=self.dropped)
            self._unsaid = 0
        batch = [self._waiting[place] for place in range(min(self._batch, len(self._waiting)))]

        async def work(tx: Tx) -> None:
            await tx.add_steps(batch)

        try:
            if batch:
                await self._store.transact(work, durable=False)
        except StoreError as error:
            log.fault("steps not written", why=error, waiting=len(self._waiting))
            return False
        for _ in batch:
            self._waiting.popleft()
        if not self._waiting:
            self._something.clear()
        return True
