"""What every engine promises of what our people send; part of StoreContract."""

from __future__ import annotations

from postier.store.api import NOTHING_SENT, AccountKind, AddressTarget, Domain, SendAs, Sent
from postier.testing.store_helpers import Opened, add_person, on_store

__all__ = ["SendingContract"]

LARGEST = 2**63 - 1


class SendingContract:
    @on_store
    async def test_what_was_sent_comes_back_as_it_was_set_last(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        assert await store.reader.sent(alice) == NOTHING_SENT
        for sent in (Sent(20_000, 3, 2, 80), Sent(20_001, 2**40, 0, 0, 0, 7), Sent(20_001, 1, 1, 100)):
            await store.transact(lambda tx, sent=sent: tx.set_sent(alice, sent))  # type: ignore[misc]
            assert await store.reader.sent(alice) == sent

    @on_store
    async def test_each_correspondent_is_new_once_for_each_account(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        assert await store.transact(lambda tx: tx.add_correspondents(alice, ())) == 0
        assert await store.transact(lambda tx: tx.add_correspondents(alice, (0, 5, LARGEST, 5))) == 3
        assert await store.transact(lambda tx: tx.add_correspondents(alice, (5, 6))) == 1
        assert await store.transact(lambda tx: tx.add_correspondents(ben, (5,))) == 1

    @on_store
    async def test_who_may_write_as_others_is_listed(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        assert await store.transact(lambda tx: tx.set_send_as(ben, "sales@a.test", True))
        assert not await store.transact(lambda tx: tx.set_send_as(ben, "sales@a.test", True))
        assert await store.transact(lambda tx: tx.set_send_as(alice, "*@a.test", True))
        assert await store.reader.send_as() == [SendAs(alice, "*@a.test"), SendAs(ben, "sales@a.test")]
        assert await store.reader.send_as(ben) == [SendAs(ben, "sales@a.test")]
        assert await store.transact(lambda tx: tx.set_send_as(ben, "sales@a.test", False))
        assert not await store.transact(lambda tx: tx.set_send_as(ben, "sales@a.test", False))
        assert await store.reader.send_as(ben) == []

    @on_store
    async def test_what_names_somebody_who_is_gone_is_forgotten(self, opened: Opened) -> None:
        """Or whoever gets the address or the domain next could be written as by strangers."""
        store = opened.store
        ben, _ = await add_person(store, "ben@a.test")

        async def let(pattern: str) -> None:
            await store.transact(lambda tx: tx.set_send_as(ben, pattern, True))

        sales = await store.transact(lambda tx: tx.add_account("sales@a.test", AccountKind.SHARED, ""))
        await store.transact(lambda tx: tx.set_address("info@a.test", [AddressTarget(sales, None)]))
        await store.transact(lambda tx: tx.add_domain(Domain("b.test", None)))
        for pattern in ("sales@a.test", "info@a.test", "*@b.test"):
            await let(pattern)
        await store.transact(lambda tx: tx.remove_account(sales))
        assert await store.reader.send_as() == [SendAs(ben, "*@b.test")]
        await store.transact(lambda tx: tx.remove_domain("b.test"))
        assert await store.reader.send_as() == []
        await store.transact(lambda tx: tx.set_address("info@a.test", [AddressTarget(ben, None)]))
        await let("info@a.test")
        await store.transact(lambda tx: tx.set_address("info@a.test", []))
        assert await store.reader.send_as() == []

    @on_store
    async def test_an_account_that_is_removed_leaves_nothing_behind(self, opened: Opened) -> None:
        store = opened.store
        ben, _ = await add_person(store, "ben@a.test")
        await store.transact(lambda tx: tx.set_sent(ben, Sent(20_000, 3, 2)))
        await store.transact(lambda tx: tx.add_correspondents(ben, (5,)))
        await store.transact(lambda tx: tx.set_send_as(ben, "*@a.test", True))
        await store.transact(lambda tx: tx.remove_account(ben))
        assert await store.reader.sent(ben) == NOTHING_SENT
        assert await store.reader.send_as() == []
        assert await store.transact(lambda tx: tx.add_correspondents(ben, (5,))) == 1
