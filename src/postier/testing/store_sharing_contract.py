"""What every engine promises about access control lists; a base of StoreContract."""

from __future__ import annotations

import pytest

from postier.bus.api import account_topic
from postier.store.api import (
    ANYONE,
    AccountId,
    AccountKind,
    Flag,
    FlagChange,
    Grant,
    MailboxId,
    NoSuchMailbox,
    Store,
    Tx,
    Uid,
)
from postier.testing.store_helpers import Opened, add_person, letter, on_store

__all__ = ["SharingContract"]


async def _set(store: Store, where: tuple[AccountId, MailboxId], *entries: tuple[AccountId, str]) -> None:
    async def work(tx: Tx) -> None:
        for grantee, letters in entries:
            await tx.set_grant(*where, grantee, letters)

    await store.transact(work)


class SharingContract:
    @on_store
    async def test_grants_are_made_replaced_and_removed(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        carol, _ = await add_person(store, "carol@orchard.test")
        bob, _ = await add_person(store, "bob@orchard.test")
        where = (alice, inbox)
        assert await store.reader.grants(*where) == []
        await _set(store, where, (carol, "lr"), (bob, "l"), (ANYONE, "l"))
        await _set(store, where, (bob, "lrs"))
        await store.transact(lambda tx: tx.set_grant(*where, bob, "s", negative=True))
        assert await store.reader.grants(*where) == [
            Grant(ANYONE, "", "l"),
            Grant(bob, "bob@orchard.test", "lrs"),
            Grant(bob, "bob@orchard.test", "s", True),
            Grant(carol, "carol@orchard.test", "lr"),
        ]
        await store.transact(lambda tx: tx.set_grant(*where, bob, None))
        await store.transact(lambda tx: tx.set_grant(*where, carol, ""))
        assert [(grant.grantee, grant.letters) for grant in await store.reader.grants(*where)] == [
            (ANYONE, "l"),
            (bob, "s"),
            (carol, ""),
        ]
        assert await store.reader.grants_in(alice) == {inbox: await store.reader.grants(*where)}
        assert await store.reader.grants_in(bob) == {}

    @on_store
    async def test_a_grant_needs_a_mailbox_and_is_told(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        heard: list[int] = []
        opened.bus.subscribe(account_topic(alice), heard.append)
        before = await store.reader.mailbox(alice, inbox)
        await _set(store, (alice, inbox), (bob, "l"))
        assert heard == [(await store.reader.account(alice)).modseq]
        assert (await store.reader.mailbox(alice, inbox)).modseq == before.modseq  # no message changed
        with pytest.raises(NoSuchMailbox):
            await _set(store, (alice, MailboxId(inbox + 1)), (bob, "l"))

    @on_store
    async def test_what_is_shared_with_somebody(self, opened: Opened) -> None:
        store = opened.store
        bob, bobs = await add_person(store, "bob@orchard.test")
        carol, carols = await add_person(store, "carol@orchard.test")
        alice, alices = await add_person(store)
        team = await store.transact(lambda tx: tx.create_mailbox(alice, "Team"))
        await _set(store, (carol, carols), (bob, "l"), (ANYONE, "r"), (alice, "x"))
        await _set(store, (alice, team.mailbox_id), (bob, "lr"))
        await _set(store, (alice, alices), (carol, "l"))
        await _set(store, (bob, bobs), (ANYONE, "l"))
        found = [
            (owner.name, owner.kind, mailbox.name, [(grant.name, grant.letters) for grant in grants])
            for owner, mailbox, grants in await store.reader.shared_with(bob)
        ]
        assert found == [
            ("alice@orchard.test", AccountKind.PERSON, "Team", [("bob@orchard.test", "lr")]),
            ("carol@orchard.test", AccountKind.PERSON, "INBOX", [("", "r"), ("bob@orchard.test", "l")]),
        ]

    @on_store
    async def test_grants_go_with_the_mailbox_and_with_either_account(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        work = await store.transact(lambda tx: tx.create_mailbox(alice, "Work"))
        where = (alice, work.mailbox_id)
        await _set(store, where, (bob, "l"))
        await store.transact(lambda tx: tx.rename_mailbox(*where, "Play"))
        assert [entry.mailbox.name for entry in await store.reader.shared_with(bob)] == ["Play"]
        await store.transact(lambda tx: tx.delete_mailbox(*where))
        assert await store.reader.grants_in(alice) == {}
        await _set(store, (alice, inbox), (bob, "l"))
        await store.transact(lambda tx: tx.remove_account(bob))
        assert await store.reader.grants(alice, inbox) == []
        carol, _ = await add_person(store, "carol@orchard.test")
        await _set(store, (alice, inbox), (carol, "l"))
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.shared_with(carol) == []

    @on_store
    async def test_only_some_flags_change_and_go_along(self, opened: Opened) -> None:
        """`among` and `keep` are masks; the counters follow what really is."""
        store = opened.store
        alice, inbox = await add_person(store)
        bob, bobs = await add_person(store, "bob@orchard.test")
        every = Flag.SEEN | Flag.DELETED | Flag.FLAGGED

        async def work(tx: Tx) -> list[tuple[Uid, int]]:
            blob_id, _ = await tx.add_blob(b"", b"x" * 100)
            await tx.append(alice, inbox, [letter(blob_id, flags=int(every), keywords=("$Work",))])
            await tx.copy(alice, inbox, [Uid(1)], bob, bobs, keep=int(Flag.SEEN))
            await tx.copy(alice, inbox, [Uid(1)], bob, bobs, keep=~int(Flag.SEEN | Flag.DELETED))
            other = await tx.create_mailbox(alice, "Other")
            await tx.change_flags(alice, inbox, [Uid(1)], FlagChange.REPLACE, 0, among=int(Flag.SEEN))
            await tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, 31, among=int(Flag.DRAFT))
            await tx.move(alice, inbox, [Uid(1)], other.mailbox_id, keep=int(Flag.DELETED | Flag.DRAFT))
            moved = await tx.messages(alice, other.mailbox_id, [(1, 9)])
            return [(m.uid, m.flags) for m in [*await tx.messages(bob, bobs, [(1, 9)]), *moved]]

        flags = await store.transact(work)
        assert flags == [(1, Flag.SEEN), (2, Flag.FLAGGED | 32), (1, Flag.DELETED | Flag.DRAFT)]
        counted = await store.reader.mailbox(bob, bobs)
        assert (counted.messages, counted.unseen, counted.deleted) == (2, 1, 0)
        assert counted.keywords == ("$Work",)
        (other,) = await store.reader.mailboxes(alice, "Other")
        assert (other.messages, other.unseen, other.deleted, other.keywords) == (1, 1, 1, ())

    @on_store
    async def test_mailboxes_that_begin_with_a_prefix(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        names = ["Wor", "Work", "Work/Ä", "Work/\U0010fffd", "Worker", "Xork", "work"]

        async def create(tx: Tx) -> None:
            for name in names:
                await tx.create_mailbox(alice, name)

        await store.transact(create)
        found = [mailbox.name for mailbox in await store.reader.mailboxes(alice, "Work")]
        assert found == ["Work", "Work/Ä", "Work/\U0010fffd", "Worker"]
        assert [mailbox.name for mailbox in await store.reader.mailboxes(alice)] == ["INBOX", *names]
