"""Counts that are kept in memory and written now and then: cheap, and not worth a transaction each.

Adding never waits and never fails. A crash loses what came since the last time, some seconds at most.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from postier.base.log import Log
from postier.store.api import Store, StoreError, Tx

__all__ = ["MINUTE", "Tally"]

MINUTE = 60.0

Key = TypeVar("Key")
Count = TypeVar("Count")


class Tally(Generic[Key, Count]):
    """`run` it as a task; `stop` makes it write what waits, and end.

    `write_counts` adds them to what the store has, `plus` adds two counts of one key. `most`: keys that wait;
    past these, new ones are dropped. `pause`: seconds between two times; `gather` is called before each.
    `at_once`: keys of one transaction, None for all.
    """

    def __init__(
        self,
        store: Store,
        log: Log,
        write_counts: Callable[[Tx, Mapping[Key, Count]], Awaitable[None]],
        plus: Callable[[Count, Count], Count],
        *,
        most: int,
        pause: float = MINUTE,
        gather: Callable[[], None] | None = None,
        at_once: int | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._write_counts = write_counts
        self._plus = plus
        self._most = most
        self._pause = pause
        self._gather = gather
        self._at_once = at_once
        self._counts: dict[Key, Count] = {}
        self._stopping = asyncio.Event()

    def add(self, key: Key, count: Count) -> None:
        known = self._counts.get(key)
        if known is not None:
            self._counts[key] = self._plus(known, count)
        elif len(self._counts) < self._most:
            self._counts[key] = count

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._pause):
                    await self._stopping.wait()
            except TimeoutError:
                pass  # it is time again
            await self.write()
        await self.write()

    def stop(self) -> None:
        self._stopping.set()

    async def write(self) -> None:
        """What was counted since the last time; it stays where the store refuses."""
        if self._gather is not None:
            self._gather()
        counts, self._counts = self._counts, {}
        while counts:
            piece = dict(itertools.islice(counts.items(), self._at_once))

            async def work(tx: Tx, piece: Mapping[Key, Count] = piece) -> None:
                await self._write_counts(tx, piece)

            try:
                await self._store.transact(work, durable=False)
            except StoreError as error:
                self._log.fault("figures not written", why=error)
                for key, count in counts.items():
                    self.add(key, count)
                return
            for key in piece:
                del counts[key]
