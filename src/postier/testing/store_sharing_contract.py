"""What every engine promises about access control lists, annotations and quotas; a base of StoreContract."""

from __future__ import annotations

import pytest

from postier.bus.api import SERVER_ANNOTATIONS_TOPIC, account_topic
from postier.store.api import (
    ANYONE,
    SERVER,
    WHOLE_ACCOUNT,
    AccountId,
    AccountKind,
    Annotation,
    Flag,
    FlagChange,
    Grant,
    MailboxId,
    ModSeq,
    NoSuchAccount,
    NoSuchMailbox,
    OverQuota,
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

    # annotations
    @on_store
    async def test_annotations_are_set_replaced_and_removed(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        where = (alice, inbox)

        async def note(tx: Tx) -> None:
            await tx.set_annotation(*where, ANYONE, "/comment", b"first")
            await tx.set_annotation(*where, ANYONE, "/comment", b"for all")
            await tx.set_annotation(*where, alice, "/comment", b"\0mine")
            await tx.set_annotation(*where, bob, "/comment", b"his")
            await tx.set_annotation(*where, alice, "/a", b"")

        await store.transact(note)
        assert await store.reader.annotations(*where, alice) == [
            Annotation(ANYONE, "/comment", b"for all"),
            Annotation(alice, "/a", b""),
            Annotation(alice, "/comment", b"\0mine"),
        ]
        assert await store.reader.annotation_totals(alice, ANYONE) == (1, 7)
        assert await store.reader.annotation_totals(alice, alice) == (2, 5)
        await store.transact(lambda tx: tx.set_annotation(*where, ANYONE, "/comment", None))
        await store.transact(lambda tx: tx.set_annotation(*where, ANYONE, "/comment", None))
        assert await store.reader.annotations(*where, bob) == [Annotation(bob, "/comment", b"his")]
        assert await store.reader.annotation_totals(alice, ANYONE) == (0, 0)
        with pytest.raises(NoSuchMailbox):
            await store.transact(lambda tx: tx.set_annotation(alice, MailboxId(99), ANYONE, "/a", b""))

    @on_store
    async def test_annotations_of_the_account_and_of_the_server(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        heard: list[int] = []
        opened.bus.subscribe(SERVER_ANNOTATIONS_TOPIC, heard.append)
        await store.transact(lambda tx: tx.set_annotation(alice, WHOLE_ACCOUNT, alice, "/x", b"mine"))
        await store.transact(lambda tx: tx.set_annotation(SERVER, WHOLE_ACCOUNT, ANYONE, "/x", b"all"))
        await store.transact(lambda tx: tx.set_annotation(SERVER, WHOLE_ACCOUNT, ANYONE, "/y", b"all"))
        assert await store.reader.annotations(alice, WHOLE_ACCOUNT, alice) == [
            Annotation(alice, "/x", b"mine")
        ]
        assert len(await store.reader.annotations(SERVER, WHOLE_ACCOUNT, alice)) == 2
        assert heard == sorted(set(heard))
        assert len(heard) == 2
        changes = await store.reader.annotation_changes(SERVER, ModSeq(heard[0]), alice)
        assert [(change.entry, change.modseq) for change in changes] == [("/y", heard[1])]

    @on_store
    async def test_changes_of_annotations_are_told(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        where = (alice, inbox)
        before = (await store.reader.account(alice)).modseq

        async def note(tx: Tx) -> None:
            await tx.set_annotation(*where, ANYONE, "/b", b"1")
            await tx.set_annotation(*where, ANYONE, "/a", b"2")
            await tx.set_annotation(*where, bob, "/private", b"3")

        await store.transact(note)
        await store.transact(lambda tx: tx.set_annotation(*where, ANYONE, "/b", None))
        changes = await store.reader.annotation_changes(alice, before, alice)
        assert [(change.mailbox_id, change.entry) for change in changes] == [(inbox, "/a"), (inbox, "/b")]
        last = (await store.reader.account(alice)).modseq
        assert changes[-1].modseq == last
        assert [change.entry for change in await store.reader.annotation_changes(alice, before, bob)] == [
            "/a",
            "/private",
            "/b",
        ]
        assert await store.reader.annotation_changes(alice, last, bob) == []
        assert (await store.reader.mailbox(*where)).modseq == last  # RFC 7162 3.2

        async def forget(tx: Tx) -> None:
            for number in range(150):
                await tx.set_annotation(*where, ANYONE, f"/{number}", None)

        await store.transact(forget)
        assert (
            len(await store.reader.annotation_changes(alice, before, alice)) == 101
        )  # 100 removed, one there

    @on_store
    async def test_annotations_follow_the_mailbox(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        work = (await store.transact(lambda tx: tx.create_mailbox(alice, "Work"))).mailbox_id
        await store.transact(lambda tx: tx.set_annotation(alice, inbox, ANYONE, "/a", b"1"))
        await store.transact(lambda tx: tx.set_annotation(alice, inbox, alice, "/a", b"2"))
        await store.transact(lambda tx: tx.set_annotation(alice, inbox, bob, "/a", b"3"))
        await store.transact(lambda tx: tx.copy_annotations(alice, inbox, work))
        await store.transact(lambda tx: tx.rename_mailbox(alice, work, "Play"))
        shared = Annotation(ANYONE, "/a", b"1")
        assert await store.reader.annotations(alice, work, alice) == [shared, Annotation(alice, "/a", b"2")]
        assert await store.reader.annotations(alice, work, bob) == [shared]
        assert await store.reader.annotations(alice, inbox, bob) == [shared, Annotation(bob, "/a", b"3")]
        await store.transact(lambda tx: tx.remove_account(bob))
        assert await store.reader.annotations(alice, inbox, bob) == [shared]
        await store.transact(lambda tx: tx.delete_mailbox(alice, work))
        assert await store.reader.annotations(alice, work, alice) == []
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.annotation_totals(alice, ANYONE) == (0, 0)

    @on_store
    async def test_named_annotations_of_all_mailboxes_that_are_seen(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, bobs = await add_person(store, "bob@orchard.test")
        hidden = (await store.transact(lambda tx: tx.create_mailbox(alice, "Hidden"))).mailbox_id

        async def note(tx: Tx) -> None:
            for account_id, mailbox_id in ((alice, inbox), (alice, hidden), (bob, bobs)):
                for viewer in (ANYONE, alice, bob):
                    await tx.set_annotation(account_id, mailbox_id, viewer, "/color", b"%d" % viewer)
                await tx.set_annotation(account_id, mailbox_id, ANYONE, "/other", b"")

        await store.transact(note)
        await _set(store, (alice, inbox), (bob, "l"), (ANYONE, "l"))
        found = await store.reader.annotations_named(bob, ("/color", "/nothing"))
        assert {where: sorted(notes) for where, notes in found.items()} == {
            (alice, inbox): [Annotation(ANYONE, "/color", b"0"), Annotation(bob, "/color", b"%d" % bob)],
            (bob, bobs): [Annotation(ANYONE, "/color", b"0"), Annotation(bob, "/color", b"%d" % bob)],
        }

    # quotas
    @on_store
    async def test_quotas_of_messages_and_mailboxes(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await store.transact(lambda tx: tx.set_quota(alice, octets=1000, messages=2, mailboxes=2))
        account = await store.reader.account(alice)
        assert (account.quota, account.message_quota, account.mailbox_quota) == (1000, 2, 2)

        async def append(tx: Tx, count: int) -> list[Uid]:
            blob_id, _ = await tx.add_blob(b"", b"x" * 100)
            return await tx.append(alice, inbox, [letter(blob_id)] * count)

        with pytest.raises(OverQuota):
            await store.transact(lambda tx: append(tx, 3))
        assert await store.transact(lambda tx: append(tx, 2)) == [1, 2]
        with pytest.raises(OverQuota):
            await store.transact(lambda tx: tx.copy(alice, inbox, [Uid(1)], alice, inbox))
        work = await store.transact(lambda tx: tx.create_mailbox(alice, "Work"))
        await store.transact(lambda tx: tx.set_quota(alice, octets=10, messages=1, mailboxes=2))
        await store.transact(lambda tx: tx.move(alice, inbox, [Uid(1)], work.mailbox_id))  # nothing is added
        with pytest.raises(OverQuota):
            await store.transact(lambda tx: tx.create_mailbox(alice, "More"))

        async def widen(tx: Tx) -> None:
            await tx.set_quota(alice, octets=0, messages=0, mailboxes=0)
            await tx.create_mailbox(alice, "More")
            await append(tx, 9)

        await store.transact(widen)  # in one transaction the new limits hold at once

    @on_store
    async def test_administrators(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        assert not (await store.reader.account(alice)).administrator
        await store.transact(lambda tx: tx.set_administrator(alice, True))
        assert (await store.reader.account(alice)).administrator
        await store.transact(lambda tx: tx.set_administrator(alice, False))
        assert not (await store.reader.account(alice)).administrator
        with pytest.raises(NoSuchAccount):
            await store.transact(lambda tx: tx.set_administrator(AccountId(99), True))

    @on_store
    async def test_languages(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        assert (await store.reader.account(alice)).language == ""
        await store.transact(lambda tx: tx.set_language(alice, "fr"))
        assert (await store.reader.account(alice)).language == "fr"
        with pytest.raises(NoSuchAccount):
            await store.transact(lambda tx: tx.set_language(AccountId(99), "fr"))
