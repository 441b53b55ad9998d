"""What every engine of the store promises; an engine's tests inherit StoreContract and supply `open_store`.

    class TestSqlite(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path): ...   # -> OpenStore

Every test gets a store that was just made and runs on an event loop of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postier.blobs.api import BlobRef
from postier.bus.api import account_topic
from postier.store.api import (
    FOREIGN_ID,
    Account,
    AccountId,
    AlreadyExists,
    BlobId,
    Flag,
    FlagChange,
    Mailbox,
    MailboxId,
    NoSuchMailbox,
    OutOfKeywords,
    OverQuota,
    Store,
    StoreError,
    Tx,
    Uid,
)
from postier.testing.store_acme_contract import AcmeContract
from postier.testing.store_audit_log_contract import AuditLogContract
from postier.testing.store_certificates_contract import CertificatesContract
from postier.testing.store_devices_contract import DevicesContract
from postier.testing.store_directories_contract import DirectoriesContract
from postier.testing.store_directory_contract import DirectoryContract, QueueContract
from postier.testing.store_factors_contract import FactorsContract
from postier.testing.store_greylist_contract import GreylistContract
from postier.testing.store_helpers import Opened, OpenStore, SettableClock, add_person, letter, on_store
from postier.testing.store_journal_contract import JournalContract
from postier.testing.store_logins_contract import LoginsContract
from postier.testing.store_report_sending_contract import ReportSendingContract
from postier.testing.store_reports_contract import ReportsContract
from postier.testing.store_resting_contract import RestingContract
from postier.testing.store_routing_contract import RoutingContract
from postier.testing.store_search_contract import SearchContract
from postier.testing.store_sending_contract import SendingContract
from postier.testing.store_sharing_contract import SharingContract
from postier.testing.store_steps_contract import StepsContract
from postier.testing.store_suppression_contract import SuppressionContract
from postier.testing.store_transport_security_contract import TransportSecurityContract

__all__ = ["ALL", "StoreContract", "deliver"]

ALL = ((1, 2**32 - 1),)
DAY = 24 * 3600


async def deliver(
    store: Store, account_id: AccountId, mailbox_id: MailboxId, count: int = 1, **changes: Any
) -> list[Uid]:
    """Append `count` letters in one transaction."""

    async def work(tx: Tx) -> list[Uid]:
        blob_id, _ = await tx.add_blob(b"", b"x" * 100)
        return await tx.append(account_id, mailbox_id, [letter(blob_id, **changes)] * count)

    return await store.transact(work)


async def expunge(store: Store, account_id: AccountId, mailbox_id: MailboxId, uids: list[Uid]) -> list[Uid]:
    return await store.transact(lambda tx: tx.expunge(account_id, mailbox_id, uids))


async def new_mailbox(store: Store, account_id: AccountId, name: str) -> Mailbox:
    return await store.transact(lambda tx: tx.create_mailbox(account_id, name))


class StoreContract(
    DirectoryContract,
    QueueContract,
    SearchContract,
    SharingContract,
    JournalContract,
    StepsContract,
    RestingContract,
    RoutingContract,
    GreylistContract,
    SuppressionContract,
    SendingContract,
    TransportSecurityContract,
    CertificatesContract,
    LoginsContract,
    FactorsContract,
    AcmeContract,
    ReportSendingContract,
    ReportsContract,
    DevicesContract,
    AuditLogContract,
    DirectoriesContract,
):
    """The suite: mailboxes, messages and transactions here, people and outgoing mail in its bases."""

    # UIDs and UIDVALIDITY
    @on_store
    async def test_uids_only_grow(self, opened: Opened) -> None:
        """RFC 9051 2.3.1.1: never reused, also after the highest was expunged."""
        store = opened.store
        alice, inbox = await add_person(store)
        assert await deliver(store, alice, inbox, 3) == [1, 2, 3]
        assert await expunge(store, alice, inbox, [Uid(3)]) == [3]
        assert await deliver(store, alice, inbox) == [4]
        assert list(await store.reader.uids(alice, inbox)) == [1, 2, 4]
        assert (await store.reader.mailbox(alice, inbox)).uidnext == 5

    def test_uids_survive_closing(self, open_store: OpenStore) -> None:
        async def run() -> None:
            async with open_store() as first:
                alice, inbox = await add_person(first.store)
                await deliver(first.store, alice, inbox, 2)
                await expunge(first.store, alice, inbox, [Uid(2)])
            async with open_store() as again:
                assert await deliver(again.store, alice, inbox) == [3]

        asyncio.run(run())

    @on_store
    async def test_a_mailbox_made_again_has_a_greater_uidvalidity(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        first = await new_mailbox(store, alice, "Work")
        await store.transact(lambda tx: tx.delete_mailbox(alice, first.mailbox_id))
        second = await new_mailbox(store, alice, "Work")
        assert second.uidvalidity > first.uidvalidity > 0
        assert second.mailbox_id != first.mailbox_id
        with pytest.raises(NoSuchMailbox):
            await store.reader.mailbox(alice, first.mailbox_id)

    @on_store
    async def test_rename_keeps_uidvalidity_and_messages(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        work = await new_mailbox(store, alice, "Work")
        await deliver(store, alice, work.mailbox_id)
        await store.transact(lambda tx: tx.rename_mailbox(alice, work.mailbox_id, "Büro/Arbeit"))
        renamed = await store.reader.mailbox_named(alice, "Büro/Arbeit")
        assert renamed is not None
        assert (renamed.uidvalidity, renamed.messages) == (work.uidvalidity, 1)
        assert await store.reader.mailbox_named(alice, "Work") is None
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.rename_mailbox(alice, inbox, "Büro/Arbeit"))
        with pytest.raises(AlreadyExists):
            await new_mailbox(store, alice, "Büro/Arbeit")

    @on_store
    async def test_mailboxes_are_listed_by_code_point(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        for name in ("Ärger", "a", "Z", "INBOX/x"):
            await new_mailbox(store, alice, name)
        names = [mailbox.name for mailbox in await store.reader.mailboxes(alice)]
        assert names == ["INBOX", "INBOX/x", "Z", "a", "Ärger"]

    @on_store
    async def test_mailboxes_inside_another(self, opened: Opened) -> None:
        """By name and the separator alone: neighbours in any order of characters are not inside."""
        store = opened.store
        alice, _ = await add_person(store)
        others = ("a", "a-b", "a.b", "a0", "a b", "ab", "A/x", "\U0001f4ec", "b/a/c")
        for name in (*others, "a/\U0001f4ec", "a/b", "a/b/c", "a/Ärger"):
            await new_mailbox(store, alice, name)
        found = [mailbox.name for mailbox in await store.reader.mailboxes_inside(alice, "a")]
        assert found == ["a/b", "a/b/c", "a/Ärger", "a/\U0001f4ec"]
        inside = [name for name in others if await store.reader.has_mailboxes_inside(alice, name)]
        assert inside == ["a"]
        assert await store.reader.has_mailboxes_inside(alice, "b/a")
        assert await store.reader.mailbox_count(alice) == 14

        async def rename(tx: Tx) -> bool:
            (letter_box,) = [box for box in await tx.mailboxes_inside(alice, "a") if box.name == "a/b/c"]
            await tx.rename_mailbox(alice, letter_box.mailbox_id, "ab/c")
            return await tx.has_mailboxes_inside(alice, "ab")

        assert await store.transact(rename)
        assert not await store.reader.has_mailboxes_inside(alice, "a/b")

    @on_store
    async def test_mailbox_with_use(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, _ = await add_person(store, "bob@a.example")
        assert await store.reader.mailbox_with_use(alice, "\\Archive") is None
        await store.transact(lambda tx: tx.update_mailbox(alice, inbox, special_use="\\Archive"))
        found = await store.reader.mailbox_with_use(alice, "\\Archive")
        assert found == await store.reader.mailbox(alice, inbox)
        assert await store.reader.mailbox_with_use(bob, "\\Archive") is None

    @on_store
    async def test_subscriptions_need_no_mailbox(self, opened: Opened) -> None:
        """RFC 3501 6.3.6."""
        store = opened.store
        alice, inbox = await add_person(store)

        async def subscribe(tx: Tx) -> None:
            for name in ("Gone", "INBOX", "Gone"):
                await tx.set_subscribed(alice, name, True)

        await store.transact(subscribe)
        assert await store.reader.subscriptions(alice) == ["Gone", "INBOX"]
        assert (await store.reader.mailbox(alice, inbox)).subscribed
        await store.transact(lambda tx: tx.set_subscribed(alice, "INBOX", False))
        assert not (await store.reader.mailbox(alice, inbox)).subscribed

    @on_store
    async def test_update_mailbox(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await store.transact(lambda tx: tx.update_mailbox(alice, inbox, special_use="\\Archive"))
        await store.transact(lambda tx: tx.update_mailbox(alice, inbox, selectable=False))
        mailbox = await store.reader.mailbox(alice, inbox)
        assert (mailbox.special_use, mailbox.selectable) == ("\\Archive", False)
        with pytest.raises(NoSuchMailbox):
            await deliver(store, alice, inbox)

    @on_store
    async def test_recent_goes_to_one_session(self, opened: Opened) -> None:
        """RFC 3501 2.3.2."""
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 2)
        claims = [await store.transact(lambda tx: tx.claim_recent(alice, inbox)) for _ in range(2)]
        await deliver(store, alice, inbox)
        claims.append(await store.transact(lambda tx: tx.claim_recent(alice, inbox)))
        assert claims == [1, 3, 3]

    # reading
    @on_store
    async def test_facts_come_back_as_they_went_in(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        columns = ("size", "envelope", "body_structure", "parts", "header", "preview", "sent_date")
        await deliver(store, alice, inbox, flags=int(Flag.SEEN | Flag.DRAFT))
        assert await store.reader.facts(alice, inbox, ALL, columns) == [
            (
                1,
                100,
                b"(envelope)",
                b"(structure)",
                b"\x00parts",
                b"Subject: A letter\r\n",
                "Dear ☃",
                1_500_000_000,
            )
        ]
        assert (await store.reader.messages(alice, inbox, ALL))[0].flags == Flag.SEEN | Flag.DRAFT
        with pytest.raises(ValueError, match="no such facts"):
            await store.reader.facts(alice, inbox, ALL, ("uid, password_hash FROM accounts --",))

    @on_store
    async def test_ranges_and_limits(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 10)
        ranges = ((2, 3), (5, 5), (9, 20))
        assert [m.uid for m in await store.reader.messages(alice, inbox, ranges)] == [2, 3, 5, 9, 10]
        assert [m.uid for m in await store.reader.messages(alice, inbox, ranges, limit=4)] == [2, 3, 5, 9]
        assert await store.reader.facts(alice, inbox, ranges, ("size",), limit=2) == [(2, 100), (3, 100)]
        assert await store.reader.messages(alice, inbox, ()) == []
        assert (await store.reader.uids(alice, inbox)).typecode == "I"

    @on_store
    async def test_blob_refs(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)

        async def work(tx: Tx) -> list[BlobRef]:
            refs = []
            for text in (b"first", b"second"):
                blob_id, ref = await tx.add_blob(b"Received: x\r\n", text)
                await tx.append(alice, inbox, [letter(blob_id)])
                assert await tx.blob_ref(blob_id) == ref
                refs.append(ref)
            return refs

        first, second = await store.transact(work)
        found = await store.reader.blob_refs(alice, inbox, [Uid(1), Uid(2), Uid(7)])
        assert found == {1: first, 2: second}
        assert await opened.blobs.read(second) == b"Received: x\r\nsecond"

    # changes
    @on_store
    async def test_changes_since(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 5)
        before = (await store.reader.mailbox(alice, inbox)).modseq
        assert not (await store.reader.changes_since(alice, inbox, before)).changed
        await store.transact(lambda tx: tx.change_flags(alice, inbox, [Uid(4)], FlagChange.ADD, Flag.SEEN))
        await expunge(store, alice, inbox, [Uid(2), Uid(3)])
        await deliver(store, alice, inbox)
        changes = await store.reader.changes_since(alice, inbox, before)
        assert [message.uid for message in changes.changed] == [4, 6]
        assert (changes.vanished, changes.complete) == ([2, 3], True)
        assert changes.mailbox.modseq == max(message.modseq for message in changes.changed)

    @on_store
    async def test_modseq_strictly_grows(self, opened: Opened) -> None:
        """RFC 7162 3.1: every change gets a modseq past all that anyone has seen."""
        store = opened.store
        alice, inbox = await add_person(store)
        steps: tuple[Callable[[Tx], Awaitable[object]], ...] = (
            lambda tx: tx.append(alice, inbox, [letter(BlobId(1))] * 2),
            lambda tx: tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, Flag.SEEN),
            lambda tx: tx.expunge(alice, inbox, [Uid(2)]),
            lambda tx: tx.copy(alice, inbox, [Uid(1)], alice, inbox),
            lambda tx: tx.move(alice, inbox, [Uid(3)], inbox),
            lambda tx: tx.keyword_bits(alice, inbox, ["new"], create=True),
        )
        await store.transact(lambda tx: tx.add_blob(b"", b"x"))
        seen = []
        for step in steps:
            await store.transact(step)
            seen.append((await store.reader.mailbox(alice, inbox)).modseq)
        assert seen == sorted(set(seen))
        assert (await store.reader.account(alice)).modseq >= seen[-1]

    def test_old_tombstones_are_forgotten_and_said_so(self, open_store: OpenStore) -> None:
        async def run() -> None:
            clock = SettableClock()
            async with open_store(clock) as opened:
                store = opened.store
                alice, inbox = await add_person(store)
                await deliver(store, alice, inbox, 5)
                start = (await store.reader.mailbox(alice, inbox)).modseq
                await expunge(store, alice, inbox, [Uid(1)])
                middle = (await store.reader.mailbox(alice, inbox)).modseq
                clock.seconds += 40 * DAY
                await expunge(store, alice, inbox, [Uid(2)])
                assert (await store.reader.changes_since(alice, inbox, start)).vanished == [1, 2]
                clock.seconds += 40 * DAY
                await expunge(store, alice, inbox, [Uid(3)])
                assert not (await store.reader.changes_since(alice, inbox, start)).complete
                recent = await store.reader.changes_since(alice, inbox, middle)
                assert (recent.vanished, recent.complete) == ([2, 3], True)

        asyncio.run(run())

    # flags
    @on_store
    async def test_flag_changes(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 3, flags=int(Flag.FLAGGED))
        steps = (
            (FlagChange.ADD, Flag.SEEN, Flag.SEEN | Flag.FLAGGED),
            (FlagChange.REMOVE, Flag.FLAGGED, Flag.SEEN),
            (FlagChange.REPLACE, Flag.DELETED, Flag.DELETED),
        )
        for change, flags, expected in steps:
            after, refused = await store.transact(
                lambda tx, c=change, f=flags: tx.change_flags(alice, inbox, [Uid(3), Uid(1), Uid(9)], c, f)  # type: ignore[misc]
            )
            assert [(message.uid, message.flags) for message in after] == [(1, expected), (3, expected)]
            assert refused == []
            assert await store.reader.messages(alice, inbox, ((1, 1), (3, 3))) == after

    @on_store
    async def test_only_real_changes_get_a_modseq(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 2, flags=int(Flag.SEEN))
        before = await store.reader.messages(alice, inbox, ALL)
        after, _ = await store.transact(
            lambda tx: tx.change_flags(alice, inbox, [Uid(1), Uid(2)], FlagChange.ADD, Flag.SEEN)
        )
        assert after == before
        assert (await store.reader.mailbox(alice, inbox)).modseq == before[0].modseq

    @on_store
    async def test_unchanged_since(self, opened: Opened) -> None:
        """RFC 7162 3.1.3: the others are left alone and named."""
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 3)
        base = (await store.reader.mailbox(alice, inbox)).modseq
        await store.transact(lambda tx: tx.change_flags(alice, inbox, [Uid(2)], FlagChange.ADD, Flag.SEEN))
        after, refused = await store.transact(
            lambda tx: tx.change_flags(
                alice, inbox, [Uid(1), Uid(2), Uid(3)], FlagChange.ADD, Flag.FLAGGED, unchanged_since=base
            )
        )
        assert ([message.uid for message in after], refused) == ([1, 3], [2])
        assert [m.flags for m in await store.reader.messages(alice, inbox, ALL)] == [4, 1, 4]

    @on_store
    async def test_keywords(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, keywords=("$Forwarded", "Work"))

        async def bits(tx: Tx) -> tuple[int, int]:
            before, keywords = await tx.standing(alice, inbox)
            assert (before, keywords) == ((await tx.mailbox(alice, inbox)).modseq, ("$Forwarded", "Work"))
            known = await tx.keyword_bits(alice, inbox, ["WORK", "unknown"], create=False)
            made = await tx.keyword_bits(alice, inbox, ["work", "new"], create=True)
            after, keywords = await tx.standing(alice, inbox)
            assert after > before
            assert keywords == ("$Forwarded", "Work", "new")
            return known, made

        assert await store.transact(bits) == (1 << 6, (1 << 6) | (1 << 7))
        mailbox = await store.reader.mailbox(alice, inbox)
        assert mailbox.keywords == ("$Forwarded", "Work", "new")
        assert (await store.reader.messages(alice, inbox, ALL))[0].flags == (1 << 5) | (1 << 6)

    @on_store
    async def test_no_more_than_58_keywords(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        names = [f"k{number}" for number in range(58)]
        bits = await store.transact(lambda tx: tx.keyword_bits(alice, inbox, names, create=True))
        assert bits == (2**63 - 1) & ~31
        await deliver(store, alice, inbox, keywords=("K57",))
        await store.transact(lambda tx: tx.change_flags(alice, inbox, [Uid(1)], FlagChange.REPLACE, bits))
        assert (await store.reader.messages(alice, inbox, ALL))[0].flags == bits
        for attempt in (
            lambda tx: tx.keyword_bits(alice, inbox, ["one more"], create=True),
            lambda tx: tx.append(alice, inbox, [letter(BlobId(1), keywords=("other",))]),
        ):
            with pytest.raises(OutOfKeywords):
                await store.transact(attempt)
        assert (await store.reader.mailbox(alice, inbox)).messages == 1

    # copying and moving
    @on_store
    async def test_copy_takes_flags_and_keywords_along(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, bobs = await add_person(store, "bob@orchard.test")
        await deliver(store, bob, bobs, keywords=("first",))
        await deliver(store, alice, inbox, 2, flags=int(Flag.SEEN), keywords=("second",))
        pairs = await store.transact(lambda tx: tx.copy(alice, inbox, [Uid(2), Uid(1)], bob, bobs))
        assert pairs == [(1, 2), (2, 3)]
        mailbox = await store.reader.mailbox(bob, bobs)
        assert mailbox.keywords == ("first", "second")
        assert (await store.reader.messages(bob, bobs, ((2, 2),)))[0].flags == Flag.SEEN | (1 << 6)
        columns = ("size", "internal_date", "envelope", "preview", "blob_id")
        originals = await store.reader.facts(alice, inbox, ALL, columns)
        copies = await store.reader.facts(bob, bobs, ((2, 3),), columns)
        assert [row[1:] for row in copies] == [row[1:] for row in originals]

    @on_store
    async def test_move_keeps_ids_and_leaves_tombstones(self, opened: Opened) -> None:
        """RFC 6851 3.3: as COPY then EXPUNGE, in one step."""
        store = opened.store
        alice, inbox = await add_person(store)
        trash = (await new_mailbox(store, alice, "Trash")).mailbox_id
        await deliver(store, alice, inbox, 3, flags=int(Flag.FLAGGED))
        before = (await store.reader.mailbox(alice, inbox)).modseq
        ids = await store.reader.facts(alice, inbox, ALL, ("email_id", "thread_id"))
        used = (await store.reader.account(alice)).used
        assert await store.transact(lambda tx: tx.move(alice, inbox, [Uid(1), Uid(3)], trash)) == [
            (1, 1),
            (3, 2),
        ]
        assert list(await store.reader.uids(alice, inbox)) == [2]
        assert (await store.reader.changes_since(alice, inbox, before)).vanished == [1, 3]
        moved = await store.reader.facts(alice, trash, ALL, ("email_id", "thread_id"))
        assert [row[1:] for row in moved] == [ids[0][1:], ids[2][1:]]
        assert (await store.reader.account(alice)).used == used
        assert (await store.reader.messages(alice, trash, ALL))[0].flags == Flag.FLAGGED

    @on_store
    async def test_copies_share_their_ids(self, opened: Opened) -> None:
        """RFC 8474 5.1: COPY keeps EMAILID, and with it THREADID."""
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox)
        await store.transact(lambda tx: tx.copy(alice, inbox, [Uid(1)], alice, inbox))
        (_, first, thread), (_, second, copied) = await store.reader.facts(
            alice, inbox, ALL, ("email_id", "thread_id")
        )
        assert (first, thread) == (second, copied)

    @on_store
    async def test_ids_go_along_to_another_account_and_back(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        bob, bobs = await add_person(store, "bob@b.example")
        await deliver(store, alice, inbox, 2)
        await deliver(store, bob, bobs)
        await store.transact(lambda tx: tx.copy(alice, inbox, [Uid(2)], bob, bobs))
        await store.transact(lambda tx: tx.copy(bob, bobs, [Uid(2)], bob, bobs))
        await store.transact(lambda tx: tx.copy(bob, bobs, [Uid(1), Uid(3)], alice, inbox))
        ids = [row[1:] for row in await store.reader.facts(alice, inbox, ALL, ("email_id", "thread_id"))]
        there = [row[1:] for row in await store.reader.facts(bob, bobs, ALL, ("email_id", "thread_id"))]
        assert ids == [(1, 1), (2, 2), (bob * FOREIGN_ID + 1, bob * FOREIGN_ID + 1), (2, 2)]
        assert there == [(1, 1), *[(alice * FOREIGN_ID + 2, alice * FOREIGN_ID + 2)] * 2]

    @on_store
    async def test_quota(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store, quota=250)
        await deliver(store, alice, inbox, 2)
        before = await store.reader.account(alice)
        for attempt in (
            lambda tx: tx.append(alice, inbox, [letter(BlobId(1))]),
            lambda tx: tx.copy(alice, inbox, [Uid(1)], alice, inbox),
        ):
            with pytest.raises(OverQuota):
                await store.transact(attempt)
        assert await store.reader.account(alice) == before
        await expunge(store, alice, inbox, [Uid(1)])
        assert await deliver(store, alice, inbox) == [3]

    # conversations
    @on_store
    async def test_threads(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        for message_id, references in (
            ("<a@x>", ()),
            ("<other@x>", ()),
            ("<b@x>", ("<a@x>",)),
            ("<late@x>", ("<never-seen@x>", "<b@x>")),
            ("<never-seen@x>", ()),
            ("", ()),
        ):
            await deliver(store, alice, inbox, message_id=message_id, references=references)
        threads = [row[1] for row in await store.reader.facts(alice, inbox, ALL, ("thread_id",))]
        first, other = threads[0], threads[1]
        assert first != other
        assert threads[:5] == [first, other, first, first, first]
        assert threads[5] not in (first, other)

    # transactions
    @on_store
    async def test_an_error_undoes_all_of_its_transaction(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox)
        before = (await store.reader.mailboxes(alice), await store.reader.account(alice))

        async def work(tx: Tx) -> None:
            blob_id, _ = await tx.add_blob(b"", b"lost")
            await tx.append(alice, inbox, [letter(blob_id)])
            await tx.expunge(alice, inbox, [Uid(1)])
            await tx.create_mailbox(alice, "Never")
            raise LookupError("on purpose")

        with pytest.raises(LookupError, match="on purpose"):
            await store.transact(work)
        assert (await store.reader.mailboxes(alice), await store.reader.account(alice)) == before
        assert list(await store.reader.uids(alice, inbox)) == [1]

    @on_store
    async def test_one_that_fails_undoes_only_itself(self, opened: Opened) -> None:
        """Promise 3 of the architecture: transactions that share a commit share nothing else."""
        store = opened.store
        alice, inbox = await add_person(store)

        async def one(number: int) -> list[Uid]:
            async def work(tx: Tx) -> list[Uid]:
                blob_id, _ = await tx.add_blob(b"", b"%d" % number)
                uids = await tx.append(alice, inbox, [letter(blob_id, size=number)])
                if number % 3 == 0:
                    raise LookupError(str(number))
                return uids

            return await store.transact(work)

        outcomes = await asyncio.gather(*(one(number) for number in range(1, 31)), return_exceptions=True)
        failed = [number for number, outcome in enumerate(outcomes, 1) if isinstance(outcome, LookupError)]
        assert failed == list(range(3, 31, 3))
        kept = await store.reader.facts(alice, inbox, ALL, ("size",))
        assert sorted(row[1] for row in kept) == [n for n in range(1, 31) if n % 3]  # type: ignore[type-var]
        assert [row[0] for row in kept] == list(range(1, 21))
        blobs = await store.reader.blob_refs(alice, inbox, [Uid(uid) for uid in range(1, 21)])
        texts = {await opened.blobs.read(ref) for ref in blobs.values()}
        assert texts == {b"%d" % n for n in range(1, 31) if n % 3}

    @on_store
    async def test_work_that_awaits_something_else_is_refused(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)

        async def work(tx: Tx) -> None:
            await tx.set_meta("key", "value")
            await asyncio.get_running_loop().create_future()

        with pytest.raises(StoreError):
            await store.transact(work)
        assert await store.reader.meta("key") is None
        assert await deliver(store, alice, inbox) == [1]

    @on_store
    async def test_a_transaction_sees_what_it_changed(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)

        async def work(tx: Tx) -> tuple[Mailbox, Account, int]:
            blob_id, _ = await tx.add_blob(b"", b"x")
            await tx.append(alice, inbox, [letter(blob_id)] * 2)
            await tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, Flag.SEEN)
            changes = await tx.changes_since(alice, inbox, (await store.reader.mailbox(alice, inbox)).modseq)
            return await tx.mailbox(alice, inbox), await tx.account(alice), len(changes.changed)

        mailbox, account, changed = await store.transact(work)
        assert (mailbox.messages, mailbox.unseen, account.used, changed) == (2, 1, 200, 2)
        assert await store.reader.mailbox(alice, inbox) == mailbox

    @on_store
    async def test_long_work_does_not_mix_with_other_transactions(self, opened: Opened) -> None:
        """Long work gives the event loop a turn now and then; its transaction stays one."""
        store = opened.store
        alice, inbox = await add_person(store)
        uids = await deliver(store, alice, inbox, 1200)
        both = await asyncio.gather(
            store.transact(lambda tx: tx.change_flags(alice, inbox, uids, FlagChange.ADD, Flag.SEEN)),
            store.transact(lambda tx: tx.change_flags(alice, inbox, uids, FlagChange.ADD, Flag.FLAGGED)),
        )
        assert {message.flags for message in both[0][0]} == {Flag.SEEN}
        assert {message.flags for message in both[1][0]} == {Flag.SEEN | Flag.FLAGGED}
        assert (await store.reader.mailbox(alice, inbox)).unseen == 0

    def test_two_processes_share_a_store(self, open_store: OpenStore) -> None:
        """Two stores on one folder, as two workers have them."""

        async def run() -> None:
            async with open_store() as one, open_store() as two:
                alice, inbox = await add_person(one.store)
                got = await asyncio.gather(
                    *(deliver((one, two)[number % 2].store, alice, inbox) for number in range(40))
                )
                assert sorted(uid for uids in got for uid in uids) == list(range(1, 41))
                assert len(await two.store.reader.messages(alice, inbox, ALL)) == 40
                refs = await two.store.reader.blob_refs(alice, inbox, [Uid(u) for u in range(1, 41)])
                assert {await one.blobs.read(ref) for ref in refs.values()} == {b"x" * 100}

        asyncio.run(run())

    @on_store
    async def test_the_bus_hears_of_every_commit(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        heard: list[int] = []
        opened.bus.subscribe(account_topic(alice), heard.append)
        await deliver(store, alice, inbox)
        await store.transact(
            lambda tx: tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, Flag.SEEN), durable=False
        )
        await asyncio.sleep(0)
        assert heard[-1] == (await store.reader.mailbox(alice, inbox)).modseq
        assert heard == sorted(heard)

    def test_flags_survive_closing(self, open_store: OpenStore) -> None:
        async def run() -> None:
            async with open_store() as first:
                alice, inbox = await add_person(first.store)
                await deliver(first.store, alice, inbox)
                await first.store.transact(
                    lambda tx: tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, Flag.SEEN),
                    durable=False,
                )
            async with open_store() as again:
                assert (await again.store.reader.messages(alice, inbox, ALL))[0].flags == Flag.SEEN

        asyncio.run(run())

    @on_store
    async def test_a_spool_is_kept_once_it_is_stored(self, opened: Opened) -> None:
        store = opened.store
        text = b"0123456789abcdef" * 200_000
        spool = opened.blobs.spool()
        await spool.write(text)
        await spool.seal()
        _, ref = await store.transact(lambda tx: tx.add_blob(b"Received: x\r\n", spool))
        spool.discard()
        assert await opened.blobs.read(ref) == b"Received: x\r\n" + text
        assert await opened.blobs.read(ref, 13 + 300_000, 13 + 300_010) == text[300_000:300_010]
