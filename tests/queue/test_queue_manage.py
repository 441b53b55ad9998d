"""What an administrator can do with an entry, in each of its states."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from postier.queue import manage
from postier.queue.api import Outcome
from postier.store.api import QueueState, Tx

Open = Callable[[], AbstractAsyncContextManager[Any]]
LATER = (Outcome.TEMPORARY, "4.2.0", "450 later")


def test_list_filters_and_pages(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            for i in range(7):
                await w.enqueue(f"u{i}@far{i % 2}.example", sender="" if i == 3 else "alice@orchard.example")
            manage_page, manage.PAGE = manage.PAGE, 3
            try:
                assert len(await manage.list_entries(w.store.reader)) == 7
            finally:
                manage.PAGE = manage_page
            assert len(await manage.list_entries(w.store.reader, destination="far1.example")) == 3
            assert len(await manage.list_entries(w.store.reader, sender="alice@orchard.example")) == 6

    asyncio.run(go())


def test_retry_now(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: LATER
            entry_id = await w.enqueue()
            await w.worker.run_due()
            assert await manage.retry_now(w.store, w.clock, entry_id)
            await w.worker.run_due()
            entry = await manage.show(w.store.reader, entry_id)
            assert entry is not None
            assert entry.attempts == 2
            assert not await manage.retry_now(w.store, w.clock, 99)

    asyncio.run(go())


def test_hold_and_release(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()
            assert not await manage.release(w.store, w.clock, entry_id)
            assert await manage.hold(w.store, w.clock, entry_id)
            assert not await manage.retry_now(w.store, w.clock, entry_id)
            await w.worker.run_due()
            assert w.transport.envelopes == []
            assert await manage.release(w.store, w.clock, entry_id)
            await w.worker.run_due()
            assert len(w.transport.envelopes) == 1

    asyncio.run(go())


def test_what_is_being_tried_is_left_alone_but_can_be_dropped(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()

            async def lease(tx: Tx) -> None:
                await tx.lease_due(int(w.clock.now()), "x", int(w.clock.now()) + 100, 1)

            await w.store.transact(lease)
            assert not await manage.retry_now(w.store, w.clock, entry_id)
            assert not await manage.hold(w.store, w.clock, entry_id)
            entry = await manage.show(w.store.reader, entry_id)
            assert entry is not None
            assert entry.state is QueueState.WAITING
            assert await manage.drop(w.store, w.clock, entry_id)
            assert not await manage.drop(w.store, w.clock, entry_id)
            assert await manage.show(w.store.reader, entry_id) is None

    asyncio.run(go())
