"""What every engine promises of `account_changes`: the feed of what happened to an account's mailboxes."""

from __future__ import annotations

import asyncio

from postier.store.api import (
    AccountId,
    Flag,
    FlagChange,
    Mailbox,
    MailboxEventKind,
    ModSeq,
    NoSuchAccount,
    Store,
    Tx,
    Uid,
)
from postier.testing.store_helpers import Opened, OpenStore, SettableClock, add_person, letter, on_store

__all__ = ["JournalContract"]

DAY = 24 * 3600


async def _events(store: Store, account_id: AccountId, modseq: int) -> list[tuple[str, str, str]]:
    changes = await store.reader.account_changes(account_id, ModSeq(modseq))
    assert changes.complete
    return [(event.kind.value, event.name, event.old_name) for event in changes.events]


class JournalContract:
    @on_store
    async def test_what_happens_to_mailboxes(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        start = (await store.reader.account(alice)).modseq

        async def work(tx: Tx) -> None:
            await tx.create_mailbox(alice, "Work")
            child = await tx.create_mailbox(alice, "Work/Old")
            await tx.set_subscribed(alice, "Nowhere", True)
            await tx.rename_mailbox(alice, child.mailbox_id, "Old")

        await store.transact(work)
        await store.transact(lambda tx: tx.set_subscribed(alice, "Nowhere", False))
        assert await _events(store, alice, start) == [
            ("created", "Work", ""),
            ("created", "Work/Old", ""),
            ("subscribed", "Nowhere", ""),
            ("renamed", "Old", "Work/Old"),
            ("unsubscribed", "Nowhere", ""),
        ]
        changes = await store.reader.account_changes(alice, start)
        assert [event.modseq for event in changes.events] == [start + 1] * 4 + [start + 2]
        assert changes.modseq == start + 2
        assert [mailbox.name for mailbox in changes.mailboxes] == ["Old", "Work"]
        old = changes.mailboxes[0].mailbox_id
        await store.transact(lambda tx: tx.delete_mailbox(alice, old))
        changes = await store.reader.account_changes(alice, changes.modseq)
        assert changes.events == [(start + 3, MailboxEventKind.REMOVED, old, "Old", "")]
        assert changes.mailboxes == []
        assert await _events(store, alice, changes.modseq) == []

    @on_store
    async def test_children_go_along_without_events_of_their_own(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        names = ["a", "a/b", "a/b/c", "ab"]

        async def make(tx: Tx) -> list[Mailbox]:
            return [await tx.create_mailbox(alice, name) for name in names]

        made = await store.transact(make)
        start = (await store.reader.account(alice)).modseq

        async def work(tx: Tx) -> None:
            for mailbox in made:
                await tx.rename_mailbox(alice, mailbox.mailbox_id, "x" + mailbox.name)

        await store.transact(work)
        assert await _events(store, alice, start) == [("renamed", "xa", "a"), ("renamed", "xab", "ab")]

    @on_store
    async def test_mailboxes_in_which_something_changed(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        other = (await store.transact(lambda tx: tx.create_mailbox(alice, "Other"))).mailbox_id
        start = (await store.reader.account(alice)).modseq

        async def arrive(tx: Tx) -> None:
            blob_id, _ = await tx.add_blob(b"", b"x")
            await tx.append(alice, inbox, [letter(blob_id)])

        await store.transact(arrive)
        changes = await store.reader.account_changes(alice, start)
        assert [(mailbox.mailbox_id, mailbox.messages) for mailbox in changes.mailboxes] == [(inbox, 1)]
        await store.transact(lambda tx: tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, Flag.SEEN))
        await store.transact(lambda tx: tx.move(alice, inbox, [Uid(1)], other))
        changes = await store.reader.account_changes(alice, changes.modseq)
        assert [mailbox.name for mailbox in changes.mailboxes] == ["INBOX", "Other"]
        assert changes.modseq == start + 3

    def test_events_are_forgotten_and_that_is_told(self, open_store: OpenStore) -> None:
        async def test() -> None:
            clock = SettableClock()
            async with open_store(clock) as opened:
                store = opened.store
                alice, _ = await add_person(store)
                await store.transact(lambda tx: tx.create_mailbox(alice, "One"))
                start = (await store.reader.account(alice)).modseq
                clock.seconds += 100 * DAY
                await store.transact(lambda tx: tx.create_mailbox(alice, "Two"))
                changes = await store.reader.account_changes(alice, ModSeq(start - 1))
                assert (changes.complete, [event.name for event in changes.events]) == (False, ["Two"])
                assert await _events(store, alice, start) == [("created", "Two", "")]

        asyncio.run(test())

    @on_store
    async def test_an_account_that_is_gone(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        await store.transact(lambda tx: tx.remove_account(alice))
        try:
            await store.reader.account_changes(alice, ModSeq(0))
        except NoSuchAccount:
            return
        raise AssertionError("an account that is gone has no changes")

    @on_store
    async def test_the_stamp_of_a_transaction(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)

        async def work(tx: Tx) -> tuple[ModSeq | None, ModSeq | None]:
            before = tx.stamp(alice)
            await tx.set_subscribed(alice, "INBOX", True)
            return before, tx.stamp(alice)

        before, after = await store.transact(work)
        assert before is None
        assert after == (await store.reader.account(alice)).modseq
