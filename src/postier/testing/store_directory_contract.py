"""The part of the store's suite that is about people and outgoing mail; StoreContract includes it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

import pytest

from postier.bus.api import QUEUE_TOPIC, SETTINGS_TOPIC
from postier.store.api import (
    AccountId,
    AccountKind,
    AddressTarget,
    AlreadyExists,
    Domain,
    Due,
    NoSuchAccount,
    QueueEntry,
    QueueFigures,
    QueueRecipient,
    QueueState,
    Reader,
    RecipientState,
    Store,
    Tx,
)
from postier.testing.store_helpers import Opened, OpenStore, SettableClock, add_person, letter, on_store

__all__ = ["DirectoryContract", "QueueContract"]

BOB = QueueRecipient(position=0, forward_path="bob@harbor.test", state=RecipientState.PENDING)


class DirectoryContract:
    """Domains, accounts, addresses, failed logins, small facts."""

    @on_store
    async def test_domains(self, opened: Opened) -> None:
        store = opened.store
        await store.transact(lambda tx: tx.add_domain(Domain("orchard.test", None)))
        await store.transact(lambda tx: tx.add_domain(Domain("a.test", None, '{"dkim": []}')))
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.add_domain(Domain("a.test", None)))
        await store.transact(lambda tx: tx.update_domain(Domain("orchard.test", AccountId(7))))
        assert await store.reader.domains() == [
            Domain("a.test", None, '{"dkim": []}'),
            Domain("orchard.test", AccountId(7)),
        ]
        assert await store.transact(lambda tx: tx.remove_domain("a.test"))
        assert not await store.transact(lambda tx: tx.remove_domain("a.test"))
        assert await store.reader.domain("a.test") is None

    @on_store
    async def test_accounts(self, opened: Opened) -> None:
        store = opened.store
        shared = await store.transact(
            lambda tx: tx.add_account(
                "sales@orchard.test", AccountKind.SHARED, "", quota=1000, display_name="Sales"
            )
        )
        alice = await store.transact(lambda tx: tx.add_account("alice@orchard.test", AccountKind.PERSON, "x"))
        assert [account.name for account in await store.reader.accounts()] == [
            "alice@orchard.test",
            "sales@orchard.test",
        ]
        found = await store.reader.account(shared)
        assert (found.kind, found.quota, found.display_name) == (AccountKind.SHARED, 1000, "Sales")
        assert (found.used, found.messages, found.enabled) == (0, 0, True)
        await store.transact(lambda tx: tx.set_password_hash(alice, "y"))
        await store.transact(lambda tx: tx.set_account_enabled(alice, False))
        named = await store.reader.account_named("alice@orchard.test")
        assert named is not None
        assert (named.account_id, named.password_hash, named.enabled) == (alice, "y", False)
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.add_account("alice@orchard.test", AccountKind.PERSON, ""))
        with pytest.raises(NoSuchAccount):
            await store.transact(lambda tx: tx.set_password_hash(AccountId(99), ""))

    @on_store
    async def test_addresses(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        main = await store.reader.address("alice@orchard.test")
        assert main is not None
        assert (main.targets, main.is_alias) == ((AddressTarget(alice, None),), False)
        targets = (AddressTarget(bob, None), AddressTarget(None, "carol@harbor.test"))
        await store.transact(lambda tx: tx.set_address("team@orchard.test", targets))
        team = await store.reader.address("team@orchard.test")
        assert team is not None
        assert (team.targets, team.is_alias) == (targets, True)
        assert [a.address for a in await store.reader.addresses(bob)] == [
            "bob@orchard.test",
            "team@orchard.test",
        ]
        assert len(await store.reader.addresses()) == 3
        with pytest.raises(AlreadyExists):
            await add_person(store, "team@orchard.test")
        await store.transact(lambda tx: tx.set_address("team@orchard.test", ()))
        assert await store.reader.address("team@orchard.test") is None

    @on_store
    async def test_an_account_goes_with_everything(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, bobs = await add_person(store, "bob@orchard.test")

        async def fill(tx: Tx) -> None:
            blob_id, _ = await tx.add_blob(b"", b"shared")
            await tx.append(alice, inbox, [letter(blob_id)])
            await tx.append(bob, bobs, [letter(blob_id)])
            await tx.set_address("both@orchard.test", (AddressTarget(alice, None), AddressTarget(bob, None)))
            await tx.add_domain(Domain("orchard.test", alice))

        await store.transact(fill)
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.account_named("alice@orchard.test") is None
        assert await store.reader.address("alice@orchard.test") is None
        assert await store.reader.mailboxes(alice) == []
        both = await store.reader.address("both@orchard.test")
        assert both is not None
        assert both.targets == (AddressTarget(bob, None),)
        assert await store.reader.domain("orchard.test") == Domain("orchard.test", None)
        ref = (await store.reader.blob_refs(bob, bobs, [1]))[1]  # type: ignore[list-item,index]
        assert await opened.blobs.read(ref) == b"shared"
        again, _ = await add_person(store)
        assert again not in (alice, bob)
        with pytest.raises(NoSuchAccount):
            await store.transact(lambda tx: tx.remove_account(alice))

    @on_store
    async def test_login_failures_count_up(self, opened: Opened) -> None:
        store = opened.store
        for moment in (10.5, 20.5):
            counted = await store.transact(lambda tx, m=moment: tx.record_login_failure("k", m))  # type: ignore[misc]
        assert counted == (2, 20.5)
        assert await store.reader.login_failures(["k", "other"]) == {"k": (2, 20.5)}
        await store.transact(lambda tx: tx.clear_login_failures(["k"]))
        assert await store.reader.login_failures(["k"]) == {}

    @on_store
    async def test_old_login_failures_are_forgotten(self, opened: Opened) -> None:
        store = opened.store
        for key, moment in (("old", 10.0), ("new", 20.0)):
            await store.transact(lambda tx, k=key, m=moment: tx.record_login_failure(k, m))  # type: ignore[misc]
        await store.transact(lambda tx: tx.forget_login_failures(20.0))
        assert await store.reader.login_failures(["old", "new"]) == {"new": (1, 20.0)}

    @on_store
    async def test_meta(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.meta("lease") is None
        for value in ("one", "two"):
            await store.transact(lambda tx, v=value: tx.set_meta("lease", v))  # type: ignore[misc]
        assert await store.reader.meta("lease") == "two"

    @on_store
    async def test_the_bus_hears_of_the_directory(self, opened: Opened) -> None:
        heard: list[int] = []
        opened.bus.subscribe(SETTINGS_TOPIC, heard.append)
        await opened.store.transact(lambda tx: tx.add_domain(Domain("orchard.test", None)))
        await add_person(opened.store)
        await asyncio.sleep(0)
        assert len(heard) == 2
        assert heard[0] < heard[1]


async def enqueue(
    store: Store,
    destination: str = "harbor.test",
    *,
    due: int = 0,
    recipients: Sequence[QueueRecipient] = (BOB,),
    **more: Any,
) -> int:
    async def work(tx: Tx) -> int:
        blob_id, _ = await tx.add_blob(b"", b"outgoing")
        return await tx.add_queue_entry(
            trace_id="trace",
            account_id=None,
            reverse_path="alice@orchard.test",
            destination=destination,
            blob_id=blob_id,
            recipients=recipients,
            arrived=5,
            next_attempt=due,
            **more,
        )

    return await store.transact(work)


async def lease(
    store: Store, now: int, *, limit: int = 10, owner: str = "w0", until: int = 0
) -> list[QueueEntry]:
    until = until or now + 100

    async def work(tx: Tx) -> list[QueueEntry]:
        due = await tx.due_entries(now, limit)
        return await tx.lease([each.entry_id for each in due], now, owner, until)

    return await store.transact(work)


async def check_totals(reader: Reader) -> None:
    """Of the four entries of test_leases."""
    totals, last = await reader.queue_totals((10, 95), 100, 0, 100)
    assert [tuple(total) for total in totals] == [("waiting", 2, 4, 5)]
    assert await reader.queue_totals((10, 95), 100, last, 100) == ([], 0)
    totals, _ = await reader.queue_totals((10, 95), 14, 0, 100)
    assert [tuple(total) for total in totals] == [("waiting", 0, 4, 5)]
    pieces, after = 0, 0
    while (page := await reader.queue_totals((10,), 100, after, 1))[0]:
        [(_, _, entries, _)], after = page
        pieces += entries
    assert pieces == 4


class QueueContract:
    """Outgoing mail."""

    @on_store
    async def test_an_entry_comes_back_as_it_went_in(self, opened: Opened) -> None:
        store = opened.store
        carol = QueueRecipient(
            1, "carol@harbor.test", RecipientState.FAILED, 3, "5.1.1", "no", "mx", 9, "NEVER", "x"
        )
        number = await enqueue(store, recipients=(BOB, carol), body="8BITMIME", envid="e", ret="HDRS", due=50)
        entry = await store.reader.queue_entry(number)
        assert entry is not None
        assert entry.recipients == (BOB, carol)
        assert (entry.trace_id, entry.reverse_path, entry.destination) == (
            "trace",
            "alice@orchard.test",
            "harbor.test",
        )
        assert (entry.arrived, entry.next_attempt, entry.attempts, entry.state) == (
            5,
            50,
            0,
            QueueState.WAITING,
        )
        assert (entry.body, entry.smtputf8, entry.envid, entry.ret) == ("8BITMIME", False, "e", "HDRS")
        assert await opened.blobs.read(entry.blob) == b"outgoing"
        assert await store.reader.queue_entry(number + 1) is None

    @on_store
    async def test_leases(self, opened: Opened) -> None:
        store = opened.store
        late = await enqueue(store, due=30)
        early = await enqueue(store, due=10)
        future = await enqueue(store, due=1000)
        busy = await enqueue(store, "busy.test", due=5)
        reader = store.reader
        assert [due.entry_id for due in await reader.due_entries(100, 2)] == [busy, early]
        rest = await reader.due_entries(100, 5, Due(10, early, "harbor.test"))
        assert rest == [Due(30, late, "harbor.test")]
        assert [due.entry_id for due in await reader.due_for("busy.test", 100, 5)] == [busy]
        assert await reader.due_for("busy.test", 4, 5) == []
        chosen = (late, future, early, 99)
        taken = await store.transact(lambda tx: tx.lease(chosen, 100, "w0", 200))
        assert [e.entry_id for e in taken] == [late, early]
        assert await store.transact(lambda tx: tx.lease(chosen, 100, "w1", 200)) == []
        assert [due.entry_id for due in await reader.due_entries(100, 5)] == [busy]
        assert await reader.queue_figures(100) == QueueFigures(4, 0, 3, 5, 5)
        await check_totals(reader)
        totals, last = await reader.queue_totals((10, 95), 100, 0, 100)
        assert sum(total.entries for total in totals) == 4
        assert {total.state for total in totals} == {"waiting"}
        assert all((0, 10, 95)[total.age] <= 100 - total.oldest for total in totals)
        assert await reader.queue_totals((10, 95), 100, last, 100) == ([], 0)
        pieces, after = 0, 0
        while (page := await reader.queue_totals((10,), 100, after, 1))[0]:
            [(_, _, entries, _)], after = page
            pieces += entries
        assert pieces == 4
        assert [e.entry_id for e in await lease(store, 100, until=200)] == [busy]
        assert await lease(store, 100) == []
        assert [e.entry_id for e in await lease(store, 200, until=500)] == [busy, early, late]
        entry = await store.reader.queue_entry(late)
        assert entry is not None
        assert entry.lease_until == 500
        assert [e.entry_id for e in await lease(store, 1000, limit=1)] == [busy]
        assert future in [e.entry_id for e in await lease(store, 1000)]

    @on_store
    async def test_destinations_that_are_late(self, opened: Opened) -> None:
        store = opened.store
        numbers = [
            await enqueue(store, name) for name in ("a.test", "b.test", "b.test", "new.test", "c.test")
        ]

        async def try_in_vain(tx: Tx, number: int) -> None:
            await tx.update_queue_entry(
                number, recipients=(BOB,), next_attempt=9, attempts=1, delay_notified=False, reason="busy"
            )

        for number in (*numbers[:3], numbers[4]):
            await store.transact(functools.partial(try_in_vain, number=number))
        reader = store.reader
        assert await reader.late_destinations(5, 2) == [("b.test", 2, 5), ("a.test", 1, 5)]
        assert len(await reader.late_destinations(5, 9)) == 3
        assert await reader.late_destinations(4, 9) == []

    def test_an_entry_is_leased_once_among_processes(self, open_store: OpenStore) -> None:
        async def run() -> None:
            async with open_store() as one, open_store() as two:
                for _ in range(30):
                    await enqueue(one.store)
                taken = await asyncio.gather(
                    *(lease((one, two)[n % 2].store, 10, limit=4, owner=f"w{n % 2}") for n in range(12))
                )
                numbers = [entry.entry_id for entries in taken for entry in entries]
                assert len(numbers) == 30
                assert len(set(numbers)) == 30

        asyncio.run(run())

    @on_store
    async def test_a_worker_that_died_gives_back(self, opened: Opened) -> None:
        store = opened.store
        for owner in ("w1/a", "w1/b", "w10/a", "w_"):
            await enqueue(store)
            await lease(store, 10, owner=owner)
        assert await store.transact(lambda tx: tx.release_leases("w1/")) == 2
        assert len(await lease(store, 10)) == 2

    def test_next_due(self, open_store: OpenStore) -> None:
        async def run() -> None:
            clock = SettableClock(100)
            async with open_store(clock) as opened:
                store = opened.store
                assert await store.reader.next_due() is None
                await enqueue(store, due=70)
                await enqueue(store, due=90)
                assert await store.reader.next_due() == 70
                await lease(store, 80, until=150)
                assert await store.reader.next_due() == 90
                clock.seconds = 150
                assert await store.reader.next_due() == 70

        asyncio.run(run())

    @on_store
    async def test_writing_back_gives_up_the_lease(self, opened: Opened) -> None:
        store = opened.store
        number = await enqueue(store)
        await lease(store, 10)
        done = QueueRecipient(0, BOB.forward_path, RecipientState.DELIVERED, 1, "2.0.0", "ok", "mx", 10)

        async def write_back(tx: Tx, state: QueueState) -> None:
            await tx.update_queue_entry(
                number,
                recipients=(done,),
                next_attempt=20,
                attempts=1,
                delay_notified=True,
                reason="busy",
                state=state,
            )

        await store.transact(lambda tx: write_back(tx, QueueState.HELD))
        entry = await store.reader.queue_entry(number)
        assert entry is not None
        assert (entry.recipients, entry.attempts, entry.delay_notified) == ((done,), 1, True)
        assert (entry.reason, entry.state, entry.lease_until) == ("busy", QueueState.HELD, 0)
        assert await store.reader.queue_state(number) is QueueState.HELD
        assert await store.reader.queue_state(number + 1) is None
        assert await lease(store, 100) == []
        assert await store.reader.next_due() is None
        await store.transact(lambda tx: write_back(tx, QueueState.WAITING))
        assert [e.entry_id for e in await lease(store, 100)] == [number]

    @on_store
    async def test_removing_and_listing(self, opened: Opened) -> None:
        store = opened.store
        numbers = [await enqueue(store) for _ in range(5)]
        await store.transact(lambda tx: tx.remove_queue_entry(numbers[1]))
        await store.transact(lambda tx: tx.remove_queue_entry(numbers[1]))
        first = await store.reader.queue_entries(limit=2)
        rest = await store.reader.queue_entries(after=first[-1].entry_id)
        assert [entry.entry_id for entry in first + rest] == [numbers[0], *numbers[2:]]

    @on_store
    async def test_the_bus_hears_of_new_entries(self, opened: Opened) -> None:
        heard: list[int] = []
        opened.bus.subscribe(QUEUE_TOPIC, heard.append)
        number = await enqueue(opened.store)
        await asyncio.sleep(0)
        assert heard == [number]
