"""What every engine promises of the audit log; part of StoreContract."""

from __future__ import annotations

import asyncio
from typing import Any

from postier.store.api import SERVER, AccountId, Actor, AuditEntry, NewAuditEntry, Store, Tx
from postier.testing.store_helpers import Opened, OpenStore, SettableClock, add_person, on_store

__all__ = ["AuditLogContract"]

ALICE, BOB = AccountId(7), AccountId(8)
ROOT = Actor("cli", "root")


def new(account_id: AccountId = ALICE, kind: str = "one", **more: Any) -> NewAuditEntry:
    names = {ALICE: "alice@orchard.test", BOB: "bob@orchard.test", SERVER: ""}
    more.setdefault("facts", {})
    return NewAuditEntry(account_id, names[account_id], kind, ROOT, **more)


async def put(store: Store, *entries: NewAuditEntry) -> None:
    async def work(tx: Tx) -> None:
        for entry in entries:
            await tx.add_audit_entry(entry)

    await store.transact(work)


def moments(entries: list[AuditEntry]) -> list[int]:
    return [entry.at for entry in entries]


class AuditLogContract:
    def test_an_entry_comes_back_as_it_was_written_with_the_moment_of_its_transaction(
        self, open_store: OpenStore
    ) -> None:
        async def run() -> None:
            async with open_store(SettableClock(1_700_000_000.0)) as opened:
                await put(opened.store, new(facts={"what": "a \N{SNOWMAN}\n'\"\\"}))
                (found,) = await opened.store.reader.audit_entries(10)
                assert found.account_id == ALICE
                assert found.name == "alice@orchard.test"
                assert found.kind == "one"
                assert found.actor == ROOT
                assert found.facts == {"what": "a \N{SNOWMAN}\n'\"\\"}
                assert (found.at, found.last, found.times) == (1_700_000_000, 1_700_000_000, 1)

        asyncio.run(run())

    @on_store
    async def test_entries_are_undone_with_their_transaction(self, opened: Opened) -> None:
        async def work(tx: Tx) -> None:
            await tx.add_audit_entry(new())
            assert len(await tx.audit_entries(10)) == 1
            raise LookupError

        try:
            await opened.store.transact(work)
        except LookupError:
            pass
        assert await opened.store.reader.audit_entries(10) == []

    @on_store
    async def test_pages_go_backwards_without_gap_or_repeat_also_within_one_second(
        self, opened: Opened
    ) -> None:
        store = opened.store
        await put(store, *(new(at=100 + number // 3, kind=f"k{number % 4}") for number in range(20)))
        whole = await store.reader.audit_entries(100)
        assert moments(whole) == sorted(moments(whole), reverse=True)
        seen: list[AuditEntry] = []
        while page := await store.reader.audit_entries(3, before=seen[-1].place if seen else None):
            assert len(page) <= 3
            seen += page
        assert seen == whole
        assert len({entry.entry for entry in seen}) == 20

    @on_store
    async def test_entries_are_chosen_by_account_name_kind_and_time(self, opened: Opened) -> None:
        store, ask = opened.store, opened.store.reader.audit_entries
        await put(
            store,
            new(ALICE, "one", at=1),
            new(ALICE, "two", at=2),
            new(BOB, "one", at=3),
            new(SERVER, "three", at=4),
            NewAuditEntry(AccountId(9), "alice@orchard.test", "two", ROOT, {}, at=5),
        )
        assert moments(await ask(10)) == [5, 4, 3, 2, 1]
        assert moments(await ask(10, account_id=ALICE)) == [2, 1]
        assert moments(await ask(10, account_id=SERVER)) == [4]
        assert moments(await ask(10, name="alice@orchard.test")) == [5, 2, 1]
        assert moments(await ask(10, kinds=("one",))) == [3, 1]
        assert moments(await ask(10, kinds=("two", "three"))) == [5, 4, 2]
        assert moments(await ask(2, kinds=("two", "three", "one"))) == [5, 4]
        assert moments(await ask(10, since=3)) == [5, 4, 3]
        assert moments(await ask(10, since=2, account_id=ALICE, kinds=("one", "two"))) == [2]
        assert await ask(10, kinds=("nothing",)) == []

    @on_store
    async def test_what_has_one_mark_is_told_together(self, opened: Opened) -> None:
        store = opened.store
        await put(store, new(at=100, last=110, times=3, mark="m"))
        await put(store, new(at=90, last=95, times=2, mark="m"), new(at=100, last=200, mark="m"))
        await put(store, new(BOB, at=100, mark="m"), new(at=100, mark="n"), new(at=100), new(at=100))
        found = await store.reader.audit_entries(10, account_id=ALICE)
        assert sorted((one.at, one.last, one.times) for one in found) == [
            (100, 100, 1),
            (100, 100, 1),
            (100, 100, 1),
            (100, 200, 6),
        ]
        assert await store.reader.audit_marks(ALICE, "one", 0) == 2
        assert await store.reader.audit_marks(ALICE, "one", 101) == 0
        assert await store.reader.audit_marks(ALICE, "two", 0) == 0
        assert await store.reader.has_audit_mark(BOB, "m")
        assert not await store.reader.has_audit_mark(BOB, "n")

    @on_store
    async def test_entries_outlive_their_account(self, opened: Opened) -> None:
        store = opened.store
        account_id, _ = await add_person(store, "carol@orchard.test")
        carol = NewAuditEntry(account_id, "carol@orchard.test", "one", ROOT, {})
        await put(store, carol)
        await store.transact(lambda tx: tx.remove_account(account_id))
        assert len(await store.reader.audit_entries(10, name="carol@orchard.test")) == 1

    @on_store
    async def test_old_entries_are_forgotten_in_bounded_batches_the_oldest_first(
        self, opened: Opened
    ) -> None:
        store = opened.store
        await put(store, *(new(account_id, at=at) for account_id in (ALICE, BOB) for at in (1, 2, 3)))
        assert await store.transact(lambda tx: tx.forget_audit(3, 3)) == 3
        assert moments(await store.reader.audit_entries(10)) == [3, 3, 2]
        assert await store.transact(lambda tx: tx.forget_audit(3, 3)) == 1
        assert await store.transact(lambda tx: tx.forget_audit(3, 3)) == 0
