"""What every engine promises of the addresses that nothing is sent to; part of StoreContract."""

from __future__ import annotations

from dataclasses import replace

from postier.store.api import Store, Suppression
from postier.testing.store_helpers import Opened, on_store

__all__ = ["SuppressionContract"]

ONE = Suppression("a@b.test", 2, 100, 200, 5000, "550 5.1.1 who?", "mx.b.test [192.0.2.1]:25", "x@y.test")


async def put(store: Store, *suppressions: Suppression) -> None:
    for one in suppressions:
        await store.transact(lambda tx, s=one: tx.set_suppression(s))  # type: ignore[misc]


class SuppressionContract:
    @on_store
    async def test_a_suppression_is_found_by_its_address(self, opened: Opened) -> None:
        await put(opened.store, ONE)
        assert await opened.store.reader.suppression("a@b.test") == ONE
        assert await opened.store.reader.suppression("b@b.test") is None
        await put(opened.store, replace(ONE, bounces=3, sender="z@y.test"))
        assert await opened.store.reader.suppression("a@b.test") == replace(ONE, bounces=3, sender="z@y.test")

    @on_store
    async def test_suppressions_are_listed_in_pages(self, opened: Opened) -> None:
        every = [replace(ONE, address=f"{n}@b.test") for n in range(5)]
        await put(opened.store, *reversed(every))
        reader = opened.store.reader
        assert await reader.suppressions() == every
        assert await reader.suppressions(limit=2) == every[:2]
        assert await reader.suppressions(limit=2, after="1@b.test") == every[2:4]

    @on_store
    async def test_a_suppression_is_removed_or_forgotten(self, opened: Opened) -> None:
        store = opened.store
        old, rests, new = (
            ONE,
            replace(ONE, address="r@b.test", until=9000),
            replace(ONE, address="n@b.test", last=700),
        )
        await put(store, old, rests, new)
        assert await store.transact(lambda tx: tx.forget_suppressions(500, 6000)) == 1
        assert await store.reader.suppressions() == [new, rests]
        assert await store.transact(lambda tx: tx.remove_suppression("r@b.test"))
        assert not await store.transact(lambda tx: tx.remove_suppression("r@b.test"))
        assert await store.reader.suppressions() == [new]
