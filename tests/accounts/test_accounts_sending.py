"""Daily limits: at them, one past, far past, on the next day, and with two workers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from postier.accounts.sending import (
    DailyLimits,
    LimitReached,
    Usage,
    count_recipients,
    note_warning,
    set_limits,
    usage_of,
)
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import AccountKind, Domain, Store, Tx
from postier.store.sqlite import open_sqlite

NOON = 20_000 * 86_400 + 43_200
LIMITS = DailyLimits(10, 4)
NONE = DailyLimits(0, 0)


def on_stores(folder: Path, work: Callable[..., Awaitable[None]], workers: int = 1) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            stores = []
            for number in range(workers):
                blobs = LocalBlobs(folder, f"w{number}")
                store = await open_sqlite(
                    folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner=f"w{number}"
                )
                stack.push_async_callback(store.close)
                stores.append(store)
            await stores[0].transact(lambda tx: tx.add_domain(Domain("b.example", None)))
            await stores[0].transact(lambda tx: tx.add_account("bob@b.example", AccountKind.PERSON, ""))
            await work(*stores)

    asyncio.run(run())


async def send(store: Store, *paths: str, limits: DailyLimits = LIMITS, now: float = NOON) -> Usage | None:
    bob = await store.reader.account_named("bob@b.example")

    async def work(tx: Tx) -> Usage | None:
        return await count_recipients(tx, bob.account_id, paths, limits, now)

    return await store.transact(work)


async def used(store: Store, now: float = NOON) -> tuple[int, int]:
    bob = await store.reader.account_named("bob@b.example")
    sent, _ = await usage_of(store.reader, bob.account_id, LIMITS, now)
    return sent.recipients, sent.strangers


def names(count: int, first: int = 0) -> list[str]:
    return [f"u{number}@x.example" for number in range(first, first + count)]


def test_as_many_as_allowed_go_and_not_one_more(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        for _ in range(5):
            await send(store, *names(2))
        assert await used(store) == (10, 2)
        for more in (1, 2, 10_000):
            with pytest.raises(LimitReached) as raised:
                await send(store, *names(more))
            assert (raised.value.used, raised.value.asked, raised.value.limit) == (10, more, 10)
            assert not raised.value.strangers
        assert await used(store) == (10, 2)

    on_stores(tmp_path, work)


def test_a_message_past_the_limit_counts_nothing_and_a_smaller_one_goes(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await send(store, *names(3))
        with pytest.raises(
            LimitReached, match="4 recipients never written to before a day, 3 so far, 2 more"
        ):
            await send(store, "u0@x.example", *names(2, 3))
        assert await used(store) == (3, 3)
        await send(store, *names(4))
        assert await used(store) == (7, 4)
        for more in (1, 3):
            with pytest.raises(LimitReached) as raised:
                await send(store, *names(more, 4))
            assert raised.value.strangers
        await send(store, *names(3))
        assert await used(store) == (10, 4)

    on_stores(tmp_path, work)


@pytest.mark.parametrize("other", ["U0@x.example", "u0@x.example", "É@x.example", "E\u0301@x.example"])
def test_one_address_is_known_however_it_is_written(tmp_path: Path, other: str) -> None:
    async def work(store: Store) -> None:
        await send(store, "u0@x.example", "é@x.example")
        await send(store, other)
        assert await used(store) == (3, 2)
        await send(store, other, other.upper().replace("X.EXAMPLE", "x.example"))
        assert await used(store) == (4, 2)

    on_stores(tmp_path, work)


def test_the_next_day_begins_anew_and_knows_whom_one_knows(tmp_path: Path) -> None:
    midnight = NOON + 43_200

    async def work(store: Store) -> None:
        await send(store, *names(4))
        await send(store, *names(4))
        with pytest.raises(LimitReached):
            await send(store, *names(4), now=midnight - 0.1)
        usage = await send(store, *names(4), now=midnight)
        assert (usage.sent.recipients, usage.sent.strangers, usage.warning) == (4, 0, 0)

    on_stores(tmp_path, work)


def test_no_limit_counts_nothing_and_an_account_may_have_its_own(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        bob = await store.reader.account_named("bob@b.example")
        assert await send(store, *names(1000), limits=NONE) is None
        assert await used(store) == (0, 0)
        await set_limits(store, bob, strangers=1)
        await send(store, *names(1), limits=NONE)
        with pytest.raises(LimitReached):
            await send(store, *names(1, 1), limits=NONE)
        await set_limits(store, bob, recipients=0, strangers=0)
        assert await send(store, *names(1000)) is None
        await set_limits(store, bob, reset=True)
        assert (await usage_of(store.reader, bob.account_id, LIMITS, NOON)).limits == LIMITS
        assert await used(store) == (1, 1)

    on_stores(tmp_path, work)


def test_workers_that_send_at_once_share_what_is_left(tmp_path: Path) -> None:
    async def work(first: Store, second: Store) -> None:
        async def one(number: int) -> bool:
            try:
                await send((first, second)[number % 2], f"u{number // 2 % 4}@x.example")
            except LimitReached:
                return False
            return True

        done = await asyncio.gather(*map(one, range(40)))
        assert sum(done) == 10
        assert await used(first) == await used(second) == (10, 4)

    on_stores(tmp_path, work, workers=2)


def test_each_warning_is_due_once_a_day(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        bob = await store.reader.account_named("bob@b.example")

        async def warn(level: int, now: float = NOON) -> bool:
            return await store.transact(lambda tx: note_warning(tx, bob.account_id, level, LIMITS, now))

        assert (await send(store, *names(2), "u0@x.example")).warning == 0
        assert [(await send(store, "u0@x.example")).warning for _ in range(6)] == [0, 0, 0, 0, 0, 80]
        assert await warn(80)
        assert not await warn(80)
        assert (await send(store, "u0@x.example")).warning == 0
        assert (await send(store, "u0@x.example")).warning == 100
        assert await warn(100)
        assert not await warn(100)
        assert not await warn(80)
        assert await warn(80, NOON + 86_400)

    on_stores(tmp_path, work)
