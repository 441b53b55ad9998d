"""What every engine promises of messages that rest, deleted over POP3; part of StoreContract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from postier.store.api import (
    NO_DEVICE,
    NO_RULES,
    AccountId,
    MailboxId,
    OverQuota,
    Pop3Extremes,
    Pop3Rules,
    RestingTotal,
    Store,
    Tx,
    Uid,
)
from postier.testing.store_helpers import Opened, add_person, letter, on_store

__all__ = ["RestingContract"]

VALIDITY = 7


async def put(store: Store, account_id: AccountId, mailbox_id: MailboxId, sizes: Sequence[int]) -> list[Uid]:
    async def work(tx: Tx) -> list[Uid]:
        found = []
        for size in sizes:
            blob_id, _ = await tx.add_blob(b"", b"x")
            found += await tx.append(account_id, mailbox_id, [letter(blob_id, size=size)])
        return found

    return await store.transact(work)


async def rest(
    store: Store, account_id: AccountId, inbox: MailboxId, uids: Sequence[Uid], device: int, until: int = 1000
) -> MailboxId:
    """Move them from INBOX to a mailbox of their own, as one transaction."""

    async def work(tx: Tx) -> MailboxId:
        place = await tx.mailbox_named(account_id, "Resting") or await tx.create_mailbox(
            account_id, "Resting"
        )
        moved = await tx.move(account_id, inbox, uids, place.mailbox_id)
        await tx.note_resting(account_id, VALIDITY, moved, place.mailbox_id, device, until)
        return place.mailbox_id

    return await store.transact(work)


async def shown(store: Store, account_id: AccountId, device: int) -> list[tuple[int, int]]:
    found = await store.reader.resting_for(account_id, VALIDITY, device)
    return list(zip(found.uids, found.sizes, strict=True))


class RestingContract:
    @on_store
    async def test_sizes_of_a_mailbox_come_in_columns_and_pieces(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await put(store, alice, inbox, [10, 2**33, 30, 40])
        await store.transact(lambda tx: tx.expunge(alice, inbox, [Uid(3)]))
        first = await store.reader.size_columns(alice, inbox, 1, 2)
        assert (list(first.uids), list(first.sizes)) == ([1, 2], [10, 2**33])
        second = await store.reader.size_columns(alice, inbox, 3, 2)
        assert (list(second.uids), list(second.sizes)) == ([4], [40])
        assert not (await store.reader.size_columns(alice, inbox, 5, 2)).uids

    @on_store
    async def test_each_device_is_shown_what_it_has_not_deleted(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await put(store, alice, inbox, [10, 20, 30])
        await rest(store, alice, inbox, [Uid(1), Uid(3)], device=5)
        assert await shown(store, alice, 5) == []
        assert await shown(store, alice, 0) == [(1, 10), (3, 30)]
        await store.transact(lambda tx: tx.note_deleted(alice, VALIDITY, [Uid(1), Uid(2), Uid(9)], 0))
        assert await shown(store, alice, 0) == [(3, 30)]
        assert await shown(store, alice, 6) == [(1, 10), (3, 30)]
        assert not (await store.reader.resting_for(alice, VALIDITY + 1, 6)).uids
        await store.transact(lambda tx: tx.note_deleted(alice, VALIDITY, [Uid(1)], 0))  # again: nothing new

    @on_store
    async def test_what_nobody_made_rest_is_shown_to_no_device(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await put(store, alice, inbox, [10])
        await rest(store, alice, inbox, [Uid(1)], NO_DEVICE)
        assert await shown(store, alice, 0) == []
        assert [message.origin for message in await store.reader.resting_of(alice)] == [1]

    @on_store
    async def test_what_was_moved_away_rests_no_longer(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await put(store, alice, inbox, [10, 20])
        place = await rest(store, alice, inbox, [Uid(1), Uid(2)], 5)
        found = await store.reader.resting(alice, VALIDITY, 2)
        assert found is not None
        assert (found.mailbox_id, found.uid, found.device, found.until) == (place, 2, 5, 1000)
        await store.transact(lambda tx: tx.move(alice, place, [found.uid], inbox))
        assert await store.reader.resting(alice, VALIDITY, 2) is None
        assert await shown(store, alice, 0) == [(1, 10)]
        assert await store.reader.resting_total(alice) == RestingTotal(1, 10)
        await store.transact(lambda tx: tx.delete_mailbox(alice, place))
        assert await store.reader.resting_total(alice) == RestingTotal(0, 0)
        assert await store.reader.resting_since(2000, 10) == []  # nothing is left of those in the mailbox

    @on_store
    async def test_the_oldest_go_first_and_those_that_are_not_there_as_well(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await put(store, alice, inbox, [10, 20, 30])
        for origin, until in ((1, 300), (2, 100), (3, 200)):
            place = await rest(store, alice, inbox, [Uid(origin)], 0, until)
        await store.transact(lambda tx: tx.note_deleted(alice, VALIDITY, [Uid(2)], 8))
        await store.transact(lambda tx: tx.expunge(alice, place, [Uid(3)]))
        assert await store.reader.resting_since(100, 10) == []
        over = await store.reader.resting_since(300, 10)
        assert [message.origin for message in over] == [2, 3]
        assert [message.origin for message in await store.reader.resting_since(301, 1)] == [2]
        await store.transact(lambda tx: tx.expunge_resting(over))
        assert [message.origin for message in await store.reader.resting_since(301, 10)] == [1]
        assert await shown(store, alice, 8) == [(1, 10)]
        assert (await store.reader.account(alice)).messages == 1

    @on_store
    async def test_what_rests_gives_way_the_oldest_first(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store, quota=100)
        await put(store, alice, inbox, [30, 30, 30])
        place = await rest(store, alice, inbox, [Uid(2), Uid(3)], 0, until=500)
        await rest(store, alice, inbox, [Uid(1)], 0, until=400)
        with pytest.raises(OverQuota):
            await put(store, alice, inbox, [101])
        assert await store.reader.resting_total(alice) == RestingTotal(3, 90)
        await put(store, alice, inbox, [40])
        assert [message.origin for message in await store.reader.resting_of(alice)] == [2, 3]
        assert (await store.reader.account(alice)).used == 100
        await put(store, alice, inbox, [60])
        assert await store.reader.resting_of(alice) == []
        account = await store.reader.account(alice)
        assert (account.used, account.messages) == (100, 2)
        assert (await store.reader.mailbox(alice, place)).messages == 0

    @on_store
    async def test_what_is_copied_out_of_the_resting_place_does_not_give_way_itself(
        self, opened: Opened
    ) -> None:
        store = opened.store
        alice, inbox = await add_person(store, quota=100)
        await put(store, alice, inbox, [60])
        place = await rest(store, alice, inbox, [Uid(1)], 0)
        with pytest.raises(OverQuota):
            await store.transact(lambda tx: tx.copy(alice, place, [Uid(1)], alice, inbox))
        assert await store.reader.resting_total(alice) == RestingTotal(1, 60)

    @on_store
    async def test_messages_give_way_where_their_number_is_limited(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await put(store, alice, inbox, [1] * 250)
        await rest(store, alice, inbox, [Uid(uid) for uid in range(1, 251)], 0)
        await store.transact(lambda tx: tx.set_quota(alice, octets=0, messages=250, mailboxes=0))
        await put(store, alice, inbox, [1] * 3)
        assert await store.reader.resting_total(alice) == RestingTotal(247, 247)

    @on_store
    async def test_rules_of_an_account(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        assert await store.reader.pop3_rules(alice) == NO_RULES
        assert await store.reader.pop3_extremes() == Pop3Extremes()
        own = Pop3Rules(False, 86400, 60, MailboxId(3))
        await store.transact(lambda tx: tx.set_pop3_rules(alice, own))
        await store.transact(lambda tx: tx.set_pop3_rules(bob, Pop3Rules(True, 0, None)))
        assert await store.reader.pop3_rules(alice) == own
        assert await store.reader.pop3_rules(bob) == Pop3Rules(True, 0, None, MailboxId(0))
        assert await store.reader.pop3_extremes() == Pop3Extremes(86400, 60, True, True)
        await store.transact(lambda tx: tx.note_pop3_login(alice, 4, 12.5))
        await store.transact(lambda tx: tx.note_pop3_login(alice, 4, 13.5))
        assert await store.reader.pop3_login(alice, 4) == 13.5
        assert await store.reader.pop3_login(alice, 0) == 0.0
        await store.transact(lambda tx: tx.note_pop3_login(bob, 4, 13.5))
        await store.transact(lambda tx: tx.note_pop3_login(alice, 5, 13.5))
        assert await store.reader.pop3_readers() == [alice, bob]
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.pop3_readers() == [bob]
        assert await store.reader.pop3_extremes() == Pop3Extremes(0, 0, True, False)

    @on_store
    async def test_a_mailbox_that_the_server_needs_is_beyond_the_quota(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        await store.transact(lambda tx: tx.set_quota(alice, octets=0, messages=0, mailboxes=1))
        with pytest.raises(OverQuota):
            await store.transact(lambda tx: tx.create_mailbox(alice, "Work"))
        await store.transact(lambda tx: tx.create_mailbox(alice, "Work", limited=False))
