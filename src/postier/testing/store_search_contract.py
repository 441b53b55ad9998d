"""What every engine promises of choosing messages by their numbers; part of StoreContract."""

from __future__ import annotations

from typing import Any

import pytest

from postier.store.api import AccountId, MailboxId, Store, Tx, Uid
from postier.testing.store_helpers import Opened, add_person, letter, on_store

__all__ = ["SearchContract"]

LAST = Uid(2**32 - 1)
FIRST = Uid(1)


async def _fill(store: Store) -> tuple[AccountId, MailboxId]:
    """Six messages in one mailbox, one in another, one in another account's."""
    alice, inbox = await add_person(store)
    bob, others = await add_person(store, "bob@orchard.test")

    async def work(tx: Tx) -> None:
        blob_id, _ = await tx.add_blob(b"", b"x" * 100)
        letters: list[dict[str, Any]] = [
            {"flags": 0, "size": 100, "internal_date": 10},
            {"flags": 1, "size": 200, "internal_date": 20},
            {"flags": 1 | 8, "size": 300, "internal_date": 30},
            {"flags": 2, "size": 300, "internal_date": -40},
            {"keywords": ("work",), "size": 2**40, "internal_date": 50},
            {"flags": 1, "keywords": ("work", "late"), "size": 0, "internal_date": 2**40},
        ]
        await tx.append(alice, inbox, [letter(blob_id, **changes) for changes in letters])
        archive = await tx.create_mailbox(alice, "Archive")
        await tx.append(alice, archive.mailbox_id, [letter(blob_id, flags=1, size=200)])
        await tx.append(bob, others, [letter(blob_id, flags=1, size=200)])

    await store.transact(work)
    return alice, inbox


class SearchContract:
    @on_store
    async def test_uids_with_flags(self, opened: Opened) -> None:
        reader = opened.store.reader
        place = await _fill(opened.store)
        for mask, flags, expected in (
            (1, 1, [2, 3, 6]),
            (1, 0, [1, 4, 5]),
            (1 | 8, 1, [2, 6]),
            (32, 32, [5, 6]),
            (64, 0, [1, 2, 3, 4, 5]),
            (0, 0, [1, 2, 3, 4, 5, 6]),
        ):
            found = await reader.uids_with_flags(*place, FIRST, LAST, mask, flags)
            assert found.typecode == "I"
            assert found.tolist() == expected
        assert (await reader.uids_with_flags(*place, Uid(3), Uid(5), 1, 1)).tolist() == [3]

    @on_store
    async def test_uids_with_number(self, opened: Opened) -> None:
        reader = opened.store.reader
        place = await _fill(opened.store)
        everything = -(2**63), 2**63 - 1
        for column, bounds, expected in (
            ("size", (200, 300), [2, 3, 4]),
            ("size", (301, everything[1]), [5]),
            ("size", everything, [1, 2, 3, 4, 5, 6]),
            ("internal_date", (everything[0], 10), [1, 4]),
            ("internal_date", (50, everything[1]), [5, 6]),
            ("sent_date", (1_500_000_000, 1_500_000_000), [1, 2, 3, 4, 5, 6]),
            ("saved_date", (everything[0], 0), []),
            ("email_id", (3, 3), [3]),
            ("thread_id", (4, 5), [4, 5]),
            ("modseq", (0, 0), []),
        ):
            found = await reader.uids_with_number(*place, FIRST, LAST, column, *bounds)
            assert found.tolist() == expected, column
        assert (await reader.uids_with_number(*place, Uid(4), LAST, "size", 200, 300)).tolist() == [4]

    @on_store
    async def test_uids_with_a_later_modseq(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await _fill(store)
        before = (await store.reader.mailbox(alice, inbox)).modseq
        await store.transact(lambda tx: tx.expunge(alice, inbox, [Uid(2)]))

        async def work(tx: Tx) -> None:
            blob_id, _ = await tx.add_blob(b"", b"later")
            await tx.append(alice, inbox, [letter(blob_id)])

        await store.transact(work)
        found = await store.reader.uids_with_number(
            alice, inbox, FIRST, LAST, "modseq", before + 1, 2**63 - 1
        )
        assert found.tolist() == [7]

    @on_store
    async def test_only_numbers_can_be_searched(self, opened: Opened) -> None:
        place = await _fill(opened.store)
        with pytest.raises(ValueError, match="envelope"):
            await opened.store.reader.uids_with_number(*place, FIRST, LAST, "envelope", 0, 1)
