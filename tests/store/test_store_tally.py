"""Counts that wait in memory: a store that refuses for a while loses none; they cannot fill the memory."""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from postier.base.log import Log
from postier.store.api import StoreUnavailable
from postier.store.tally import Tally


class _Store:
    def __init__(self) -> None:
        self.kept: Counter[str] = Counter()
        self.refuses = False

    async def transact(self, work: Callable[[Any], Awaitable[None]], *, durable: bool) -> None:
        assert not durable
        if self.refuses:
            raise StoreUnavailable("away")
        await work(self)


async def _write(store: Any, counts: Mapping[str, int]) -> None:
    store.kept.update(counts)


def _tally(store: _Store, most: int = 2) -> Tally[str, int]:
    return Tally(store, Log("test"), _write, operator.add, most=most, pause=3600)  # type: ignore[arg-type]


def test_what_a_store_refused_is_written_with_what_came_meanwhile() -> None:
    async def test() -> None:
        store = _Store()
        tally = _tally(store)
        tally.add("a", 1)
        store.refuses = True
        await tally.write()
        tally.add("a", 2)
        tally.add("b", 1)
        store.refuses = False
        await tally.write()
        await tally.write()
        assert store.kept == {"a": 3, "b": 1}

    asyncio.run(test())


def test_past_the_most_new_ones_are_dropped_and_known_ones_grow() -> None:
    async def test() -> None:
        store = _Store()
        tally = _tally(store)
        for name in "abc" + "abcd" * 100:
            tally.add(name, 1)
        await tally.write()
        assert store.kept == {"a": 101, "b": 101}

    asyncio.run(test())


def test_the_end_writes_what_waits() -> None:
    async def test() -> None:
        store = _Store()
        tally = _tally(store)
        task = asyncio.create_task(tally.run())
        await asyncio.sleep(0)
        tally.add("a", 1)
        tally.stop()
        await asyncio.wait_for(task, 5)
        assert store.kept == {"a": 1}

    asyncio.run(test())


def test_much_is_written_in_pieces_and_what_a_refusal_stops_waits() -> None:
    async def test() -> None:
        store, sizes = _Store(), []

        async def write(tx: Any, counts: Mapping[str, int]) -> None:
            if len(sizes) == 2:
                raise StoreUnavailable("full")
            sizes.append(len(counts))
            tx.kept.update(counts)

        tally = Tally(store, Log("test"), write, operator.add, most=99, at_once=3)  # type: ignore[arg-type]
        for number in range(8):
            tally.add(str(number), 1)
        await tally.write()
        assert (sizes, len(store.kept)) == ([3, 3], 6)
        sizes.clear()
        await tally.write()
        assert (sizes, len(store.kept), set(store.kept.values())) == ([2], 8, {1})

    asyncio.run(test())
