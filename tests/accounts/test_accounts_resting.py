"""Where messages rest that were deleted over POP3, who is shown them, and how they come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from postier.accounts import mailboxes, people
from postier.accounts.pop3_expire import expire_inboxes
from postier.accounts.pop3_rules import (
    REST,
    Pop3Usual,
    applied,
    change_rules,
    login_wait,
    note_reader,
    strictest,
)
from postier.accounts.resting import NAMES, bring_back, expire_resting, remove_over_pop3
from postier.accounts.room import has_room, room_of
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.queue.meanings import LANGUAGES
from postier.store.api import AccountId, Domain, Flag, FlagChange, Mailbox, Pop3Rules, Store, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import letter

DAY = 24 * 3600
NOW = 1_700_000_000.0


@asynccontextmanager
async def store_with_person(
    folder: Path, language: str = ""
) -> AsyncIterator[tuple[Store, AccountId, Mailbox]]:
    blobs = LocalBlobs(folder, "test")
    store = await open_sqlite(
        folder / "postier.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner="test"
    )
    await store.transact(lambda tx: tx.add_domain(Domain("a.example", None)))
    account_id = await people.add_person(store, Address.parse("tim@a.example"), "", language=language)
    try:
        yield store, account_id, await mailboxes.find(store.reader, account_id, "INBOX")
    finally:
        await store.close()


async def put(store: Store, inbox: Mailbox, count: int, flags: int = 0) -> None:
    async def work(tx: Tx) -> None:
        for _ in range(count):
            blob_id, _ = await tx.add_blob(b"", b"x")
            await tx.append(inbox.account_id, inbox.mailbox_id, [letter(blob_id, flags=flags)])

    await store.transact(work)


async def remove(
    store: Store, inbox: Mailbox, uids: Sequence[int], device: int = 0, usual: int = 30 * DAY
) -> None:
    found = [Uid(uid) for uid in uids]
    await store.transact(lambda tx: remove_over_pop3(tx, inbox, found, device, NOW, Pop3Usual(usual)))


async def place_of(store: Store, inbox: Mailbox) -> Mailbox:
    rules = await store.reader.pop3_rules(inbox.account_id)
    return await store.reader.mailbox(inbox.account_id, rules.mailbox_id)


def test_every_language_has_a_name_for_the_place() -> None:
    assert set(NAMES) == set(LANGUAGES)


def test_what_an_account_wants_goes_before_the_settings() -> None:
    cases = [(None, 0), (None, DAY), (True, 0), (True, DAY), (False, 0), (False, DAY)]
    found = [applied(Pop3Rules(rest), Pop3Usual(usual)).rest for rest, usual in cases]
    assert found == [0, DAY, REST, DAY, 0, 0]


def test_messages_rest_in_a_mailbox_that_imap_sees(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path, "fr") as (store, tim, inbox):
            await put(store, inbox, 3, Flag.FLAGGED | Flag.DELETED)
            await remove(store, inbox, [1, 3])
            place = await place_of(store, inbox)
            assert (place.name, place.subscribed, place.special_use) == (NAMES["fr"], True, "")
            rested = await store.reader.messages(tim, place.mailbox_id, ((1, 9),))
            assert [message.flags for message in rested] == [Flag.FLAGGED] * 2  # no EXPUNGE takes them away
            assert list(await store.reader.uids(tim, inbox.mailbox_id)) == [2]
            assert {message.until for message in await store.reader.resting_of(tim)} == {NOW + 30 * DAY}

    asyncio.run(main())


def test_the_place_is_known_by_more_than_its_name(tmp_path: Path) -> None:
    """It may be renamed; a mailbox of that name that somebody made is not taken for it."""

    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 4)
            await mailboxes.create(store, tim, NAMES["en"])
            await remove(store, inbox, [1])
            assert (await place_of(store, inbox)).name == f"{NAMES['en']} 2"
            await mailboxes.rename(store, tim, f"{NAMES['en']} 2", "Old/Mail")
            await remove(store, inbox, [2])
            assert (await place_of(store, inbox)).name == "Old/Mail"
            assert (await place_of(store, inbox)).messages == 2
            await mailboxes.delete(store, tim, "Old/Mail")
            await remove(store, inbox, [3])
            assert (await place_of(store, inbox)).messages == 1
            await mailboxes.create(store, tim, f"{NAMES['en']} 2/Child")
            await mailboxes.delete(store, tim, f"{NAMES['en']} 2")  # only a name now
            await remove(store, inbox, [4])
            assert (await place_of(store, inbox)).name == f"{NAMES['en']} 3"

    asyncio.run(main())


def test_switched_off_deleting_is_for_good(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 2)
            await remove(store, inbox, [1], usual=0)
            await change_rules(store, tim, lambda rules: rules._replace(rest=False))
            await remove(store, inbox, [2])
            assert (await store.reader.account(tim)).messages == 0
            assert len(await store.reader.mailboxes(tim)) == len(mailboxes.DEFAULT_MAILBOXES)

    asyncio.run(main())


def test_two_devices_and_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 600)
            everything = range(1, 601)
            await remove(store, inbox, everything, device=7)
            shown = await store.reader.resting_for(tim, inbox.uidvalidity, 8)
            assert list(shown.uids) == list(everything)
            await remove(store, inbox, everything, device=8)
            assert not (await store.reader.resting_for(tim, inbox.uidvalidity, 8)).uids
            assert (await store.reader.account(tim)).messages == 600
            assert await expire_resting(store, NOW + 30 * DAY) == 0
            assert await expire_resting(store, NOW + 30 * DAY + 1) == 600
            assert (await store.reader.account(tim)).messages == 0
            assert await expire_resting(store, NOW + 99 * DAY) == 0

    asyncio.run(main())


def test_what_was_moved_away_is_not_expunged(tmp_path: Path) -> None:
    """Moved back by IMAP it is a new message; the end of its time is not its end."""

    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 1)
            await remove(store, inbox, [1])
            place = await place_of(store, inbox)
            await store.transact(lambda tx: tx.move(tim, place.mailbox_id, [Uid(1)], inbox.mailbox_id))
            await expire_resting(store, NOW + 99 * DAY)
            assert list(await store.reader.uids(tim, inbox.mailbox_id)) == [2]

    asyncio.run(main())


def test_bringing_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 4)
            await remove(store, inbox, [1, 2, 3])
            assert await bring_back(store, tim, [Uid(2)]) == 1
            assert list(await store.reader.uids(tim, inbox.mailbox_id)) == [4, 5]
            assert await bring_back(store, tim) == 2
            assert list(await store.reader.uids(tim, inbox.mailbox_id)) == [4, 5, 6, 7]
            assert await bring_back(store, tim) == 0
            assert await store.reader.resting_since(2**40, 10) == []

    asyncio.run(main())


def test_what_rests_is_room(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 4)  # 100 octets each
            await store.transact(lambda tx: tx.set_quota(tim, octets=500, messages=4, mailboxes=0))
            account = await store.reader.account(tim)
            assert not await has_room(store.reader, account, 100)
            assert await room_of(store.reader, account, 101) == 100
            await remove(store, inbox, [1, 2])
            account = await store.reader.account(tim)
            assert await has_room(store.reader, account, 300)
            assert not await has_room(store.reader, account, 301)
            assert not await has_room(store.reader, account, 100, 3)
            assert await room_of(store.reader, account, 101) == 300
            assert await room_of(store.reader, account, 100) == 100

    asyncio.run(main())


def test_a_flag_set_meanwhile_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 1)
            await store.transact(
                lambda tx: tx.change_flags(tim, inbox.mailbox_id, [Uid(1)], FlagChange.ADD, Flag.SEEN)
            )
            await remove(store, inbox, [1])
            found = await store.reader.resting(tim, inbox.uidvalidity, 1)
            assert found is not None
            assert found.origin == 1

    asyncio.run(main())


def test_what_is_said_of_all_is_the_strictest(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, _):
            usual = Pop3Usual(0, 0, 60)
            assert await strictest(store.reader, usual) == (usual, False, False)
            await change_rules(store, tim, lambda rules: rules._replace(expire=DAY, login_delay=0))
            assert await strictest(store.reader, usual) == (Pop3Usual(0, DAY, 60), True, True)
            assert await strictest(store.reader, Pop3Usual(0, 9, 0)) == (Pop3Usual(0, 9, 0), True, True)
            assert applied(await store.reader.pop3_rules(tim), usual) == Pop3Usual(0, DAY, 0)

    asyncio.run(main())


def test_each_device_waits_for_itself_between_logins(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, _):
            assert await login_wait(store, tim, 0, 60, NOW) == 0
            assert await login_wait(store, tim, 0, 60, NOW + 0.5) == 60
            assert await login_wait(store, tim, 7, 60, NOW + 0.5) == 0
            assert await login_wait(store, tim, 0, 60, NOW + 59.5) == 1  # a refusal is no login
            assert await login_wait(store, tim, 0, 60, NOW + 60) == 0
            assert await login_wait(store, tim, 0, 60, NOW - 5) == 0  # the clock was set back

    asyncio.run(main())


def test_old_mail_leaves_the_inbox_of_who_reads_by_pop3(tmp_path: Path) -> None:
    """RFC 2449 6.7: what EXPIRE tells. Flagged messages stay, and people who never used POP3 keep all."""

    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):
            await put(store, inbox, 3)
            await put(store, inbox, 1, Flag.FLAGGED)
            arrived = SystemClock().now()
            usual = Pop3Usual(rest=30 * DAY, expire=90 * DAY)
            late = arrived + 91 * DAY
            assert await expire_inboxes(store, usual, late) == 0
            await note_reader(store, tim, 0, arrived)
            assert await expire_inboxes(store, Pop3Usual(), late) == 0
            assert await expire_inboxes(store, usual, arrived + 90 * DAY - 60) == 0
            assert await expire_inboxes(store, usual, late) == 3
            assert list(await store.reader.uids(tim, inbox.mailbox_id)) == [4]
            assert len(await store.reader.resting_of(tim)) == 3
            for device in (0, 7):
                assert not (await store.reader.resting_for(tim, inbox.uidvalidity, device)).uids
            await change_rules(store, tim, lambda rules: rules._replace(expire=0))
            assert await expire_inboxes(store, usual, late) == 0

    asyncio.run(main())


def test_too_many_keywords_keep_nobody_from_deleting(tmp_path: Path) -> None:
    async def main() -> None:
        async with store_with_person(tmp_path) as (store, tim, inbox):

            async def label(mailbox: Mailbox, letter_of_words: str) -> None:
                words = tuple(f"{letter_of_words}{number}" for number in range(40))

                async def work(tx: Tx) -> None:
                    blob_id, _ = await tx.add_blob(b"", b"x")
                    message = letter(blob_id, flags=int(Flag.SEEN), keywords=words)
                    await tx.append(tim, mailbox.mailbox_id, [message])

                await store.transact(work)

            await label(inbox, "a")
            await put(store, inbox, 1)
            await remove(store, inbox, [2])
            await label(await place_of(store, inbox), "b")
            await remove(store, inbox, [1])
            found = await store.reader.resting(tim, inbox.uidvalidity, 1)
            assert found is not None
            (message,) = await store.reader.messages(tim, found.mailbox_id, ((found.uid, found.uid),))
            assert message.flags == Flag.SEEN

    asyncio.run(main())
