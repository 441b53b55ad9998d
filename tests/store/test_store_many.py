"""What is done to thousands of messages at once: exactly that, and others have their turn meanwhile."""

from __future__ import annotations

import asyncio

from postier.store.api import BlobId, Flag, FlagChange, Tx, Uid
from postier.testing.store_helpers import Opened, OpenStore, add_person, letter, on_store

COUNT = 2600


async def _fill(opened: Opened) -> tuple[int, int]:
    account, inbox = await add_person(opened.store)

    async def work(tx: Tx) -> None:
        blob_id: BlobId
        blob_id, _ = await tx.add_blob(b"", b"x" * 100)
        await tx.append(account, inbox, [letter(blob_id) for _ in range(COUNT)])

    await opened.store.transact(work)
    return account, inbox


class TestMany:
    @on_store
    async def test_flags_of_every_second(self, opened: Opened) -> None:
        account, inbox = await _fill(opened)
        store, every_second = opened.store, [Uid(uid) for uid in range(2, COUNT + 1, 2)]
        after, _ = await store.transact(
            lambda tx: tx.change_flags(account, inbox, every_second, FlagChange.ADD, Flag.SEEN)
        )
        assert [message.uid for message in after] == every_second
        assert {message.flags for message in after} == {Flag.SEEN}
        mailbox = await store.reader.mailbox(account, inbox)
        assert mailbox.unseen == COUNT - len(every_second)
        messages = await store.reader.messages(account, inbox, [(1, COUNT)])
        assert [message.uid for message in messages if message.flags] == every_second

    @on_store
    async def test_expunge_leaves_the_others(self, opened: Opened) -> None:
        account, inbox = await _fill(opened)
        store, gone = opened.store, [Uid(uid) for uid in range(1, COUNT + 1) if uid % 3]
        assert await store.transact(lambda tx: tx.expunge(account, inbox, gone)) == gone
        left = list(range(3, COUNT + 1, 3))
        assert list(await store.reader.uids(account, inbox)) == left
        changes = await store.reader.changes_since(account, inbox, (await _before(opened, account, inbox)))
        assert changes.vanished == gone
        assert (await store.reader.account(account)).messages == len(left)
        assert await store.reader.deleted_uids(account, inbox, [(1, COUNT)]) == []

    @on_store
    async def test_uids_are_right_after_every_change(self, opened: Opened) -> None:
        account, inbox = await _fill(opened)
        store = opened.store
        expected = list(range(1, COUNT + 1))
        assert list(await store.reader.uids(account, inbox)) == expected
        await store.transact(lambda tx: tx.expunge(account, inbox, [Uid(5), Uid(COUNT)]))
        pairs = await store.transact(lambda tx: tx.move(account, inbox, [Uid(9), Uid(10)], inbox))
        expected = [uid for uid in expected if uid not in (5, 9, 10, COUNT)] + [new for _, new in pairs]
        assert list(await store.reader.uids(account, inbox)) == expected
        await store.transact(lambda tx: tx.delete_mailbox(account, inbox))
        assert list(await store.reader.uids(account, inbox)) == []
        assert (await store.reader.account(account)).used == 0

    @on_store
    async def test_deleted_ones_are_found(self, opened: Opened) -> None:
        account, inbox = await _fill(opened)
        some = [Uid(7), Uid(8), Uid(2000)]
        await opened.store.transact(
            lambda tx: tx.change_flags(account, inbox, some, FlagChange.ADD, Flag.DELETED | Flag.SEEN)
        )
        found = await opened.store.reader.deleted_uids(account, inbox, [(1, 7), (8, 1000), (1999, 2600)])
        assert found == some


async def _before(opened: Opened, account: int, inbox: int) -> int:
    """The modseq before the last change."""
    return (await opened.store.reader.mailbox(account, inbox)).modseq - 1  # type: ignore[arg-type]


def test_others_have_their_turn(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            account, inbox = await _fill(opened)
            uids = [Uid(uid) for uid in range(1, COUNT + 1)]
            for work in (
                lambda tx: tx.change_flags(account, inbox, uids, FlagChange.ADD, Flag.SEEN),
                lambda tx: tx.copy(account, inbox, uids, account, inbox),
                lambda tx: tx.expunge(account, inbox, uids),
                lambda tx: tx.delete_mailbox(account, inbox),
            ):
                task = asyncio.create_task(opened.store.transact(work, durable=False))
                turns = 0
                while not task.done():
                    await asyncio.sleep(0)
                    turns += 1
                await task
                assert turns >= 3

    asyncio.run(run())
