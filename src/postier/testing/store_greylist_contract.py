"""What every engine promises of greylisting; part of StoreContract."""

from __future__ import annotations

from postier.store.api import GreylistEntry, Store
from postier.testing.store_helpers import Opened, on_store

__all__ = ["GreylistContract"]

LARGEST = 2**63 - 1


async def put(store: Store, key: int, entry: GreylistEntry) -> None:
    await store.transact(lambda tx: tx.set_greylist_entry(key, entry))


class GreylistContract:
    @on_store
    async def test_a_greylist_entry_comes_back_as_it_was_set_last(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.greylist_entry(LARGEST) is None
        await put(store, LARGEST, GreylistEntry(100, False, 200))
        assert await store.reader.greylist_entry(LARGEST) == GreylistEntry(100, False, 200)
        await put(store, LARGEST, GreylistEntry(100, True, 2**40))
        assert await store.reader.greylist_entry(LARGEST) == GreylistEntry(100, True, 2**40)

    @on_store
    async def test_greylist_entries_are_forgotten_in_bounded_batches_the_oldest_first(
        self, opened: Opened
    ) -> None:
        store = opened.store
        for key in range(5):
            await put(store, key, GreylistEntry(0, key % 2 == 0, 100 + key))
        assert await store.transact(lambda tx: tx.forget_greylist(104, 3)) == 3
        assert [await store.reader.greylist_entry(key) is None for key in range(5)] == [True] * 3 + [
            False
        ] * 2
        assert await store.transact(lambda tx: tx.forget_greylist(104, 3)) == 1
        assert await store.transact(lambda tx: tx.forget_greylist(104, 3)) == 0
        assert await store.reader.greylist_entry(4) is not None
