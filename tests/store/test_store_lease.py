"""Roles of which one is enough."""

from __future__ import annotations

import asyncio
from pathlib import Path

from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.lease import give_back_lease, take_lease
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import SettableClock


def test_a_role_has_one_holder_until_the_lease_runs_out(tmp_path: Path) -> None:
    async def whole() -> None:
        clock = SettableClock()
        store = await open_sqlite(
            tmp_path / "postier.db",
            blobs=LocalBlobs(tmp_path, "test"),
            bus=MemoryBus(),
            clock=clock,
            owner="test",
        )
        try:
            assert await take_lease(store, clock, "sweep", "worker-0", 60)
            assert not await take_lease(store, clock, "sweep", "worker-1", 60)
            assert await take_lease(store, clock, "sweep", "worker-0", 60)
            assert await take_lease(store, clock, "other", "worker-1", 60)
            clock.seconds += 60
            assert await take_lease(store, clock, "sweep", "worker-1", 60)
            assert not await take_lease(store, clock, "sweep", "worker-0", 60)
        finally:
            await store.close()

    asyncio.run(whole())


def test_a_lease_that_is_given_back_is_free_at_once(tmp_path: Path) -> None:
    async def whole() -> None:
        clock, blobs = SettableClock(), LocalBlobs(tmp_path, "test")
        store = await open_sqlite(
            tmp_path / "postier.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="test"
        )
        try:
            assert await take_lease(store, clock, "acme", "one", 60)
            await give_back_lease(store, "acme", "two")
            assert not await take_lease(store, clock, "acme", "two", 60)
            await give_back_lease(store, "acme", "one")
            assert await take_lease(store, clock, "acme", "two", 60)
        finally:
            await store.close()

    asyncio.run(whole())
