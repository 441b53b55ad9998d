from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from postier.blobs.api import BlobUnreadable
from postier.message.searched import TextQuery, Zone
from postier.search import indexer as indexer_module
from postier.search import message_text, sqlite_file
from postier.search.api import IndexUnavailable, Place, TextIndexWriter
from postier.search.indexer import adopt
from postier.search.segment import Damaged, squeeze, unsqueeze
from postier.search.sqlite import SqliteTextIndex
from postier.search.sqlite_writer import SqliteTextIndexWriter
from postier.store.api import AccountId, MailboxId, Tx, Uid
from postier.testing.text_index_contract import OpenIndex, TextIndexContract

ALL = Uid(1), Uid(2**32 - 1)
WORD = TextQuery.of("needle", Zone.BODY)


def letter(body: str) -> bytes:
    return f"Subject: A letter\r\n\r\n{body}\r\n".encode()


class TestSqlite(TextIndexContract):
    @pytest.fixture
    def open_index(self, tmp_path: Path) -> OpenIndex:
        def opening() -> TextIndexWriter:
            return SqliteTextIndexWriter(tmp_path / "search.db")

        return opening


@pytest.fixture
def in_house(
    open_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Any], Coroutine[Any, Any, None]]], None]:
    """Runs a test in a house where every message is worth a segment."""

    async def main(test: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        async with open_house(tmp_path) as house:
            await test(house)

    monkeypatch.setattr(indexer_module, "_WORTH_A_SEGMENT", (1, 1))
    return lambda test: asyncio.run(main(test))


def test_what_was_found_is_what_is_written(in_house: Any) -> None:
    async def test(house: Any) -> None:
        await house.add(letter("a needle"), letter("nothing"))
        assert await house.indexer.round()
        assert not await house.indexer.round()
        assert await house.search(WORD, index=house.index) == [1]
        reader = SqliteTextIndex(house.index._path)
        (segment,) = await reader.segments(await house.place(), *ALL)
        assert (segment.first, segment.last, segment.messages) == (1, 2, 2)
        reader.close()

    in_house(test)


def test_deliveries_go_first_but_words_do_not_wait_for_ever(in_house: Any) -> None:
    async def test(house: Any) -> None:
        looks = []
        for _ in range(3 * indexer_module._LOOKS):
            await house.add(letter("one more"))
            looks.append(await house.indexer.is_time())
        assert looks == [*[False] * (indexer_module._LOOKS - 1), True] * 3
        assert await house.indexer.is_time()

    in_house(test)


def test_an_index_that_fails_changes_no_answer(in_house: Any, tmp_path: Path) -> None:
    async def test(house: Any) -> None:
        await house.add(letter("a needle"))
        missing = SqliteTextIndex(tmp_path / "nowhere.db")
        with pytest.raises(IndexUnavailable):
            await missing.segments(await house.place(), *ALL)
        assert await house.search(WORD, index=missing) == [1]

    in_house(test)


def test_words_of_what_is_gone_go(in_house: Any, tmp_path: Path) -> None:
    """Nothing of an expunged message can be read in the file once it was tidied."""

    async def test(house: Any) -> None:
        uids = await house.add(letter("unspeakable1"), *[letter("spoken")] * 20)
        await house.indexer.round()
        await house.store.transact(lambda tx: tx.expunge(house.account_id, house.inbox, uids[:1]))
        await house.indexer.round()
        assert await house.index.texts(await house.place(), [1]) == {}
        await house.indexer.tidy()
        (segment,) = await house.index.segments(await house.place(), *ALL)
        assert (segment.messages, segment.gone) == (20, 0)
        vocabulary = house.index._vocabulary(segment, Zone.BODY).words
        assert b"spoken" in vocabulary
        assert b"unspeakable" not in vocabulary

    in_house(test)


def test_a_copy_is_placed_without_being_read(in_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(house: Any) -> None:
        uids = await house.add(letter("a needle"))
        await house.indexer.round()

        async def copy(tx: Tx) -> MailboxId:
            other = (await tx.create_mailbox(house.account_id, "Other")).mailbox_id
            await tx.copy(house.account_id, house.inbox, uids, house.account_id, other)
            await tx.move(house.account_id, house.inbox, uids, other)
            return other

        other = await house.store.transact(copy)
        with monkeypatch.context() as patched:
            patched.setattr(indexer_module, "read_text", None)
            await house.indexer.round()
        assert await house.search(WORD, mailbox_id=other, index=house.index) == [1, 2]
        assert await house.index.uids(await house.place()) == []

    in_house(test)


def test_a_message_longer_than_what_is_kept(in_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_text, "KEPT_BODY", 50)
    monkeypatch.setattr(message_text, "KEPT_HEAD", 40)
    monkeypatch.setattr(message_text, "WHOLE", 100)
    monkeypatch.setattr(message_text, "WINDOW", 64)

    async def test(house: Any) -> None:
        await house.add(letter("early " + "x " * 100 + "needle " + "y " * 100), letter("z"), letter("early"))
        await house.indexer.round()
        place = await house.place()
        kept = await house.index.texts(place, [1, 2])
        assert (kept[1].whole, len(kept[1].body), kept[2].whole) == (False, 50, True)
        for text, expected in (("early", [1, 3]), ("needle", [1]), ("y y", [1]), ("missing", [])):
            query = TextQuery.of(text, Zone.HEAD, Zone.BODY)
            assert await house.search(query, index=house.index) == expected
            assert await house.search(query) == expected

    in_house(test)


def test_a_message_that_cannot_be_read_is_no_silent_miss(
    in_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(house: Any) -> None:
        await house.add(letter("a needle"))

        async def unreadable(*_: Any) -> bytes:
            raise BlobUnreadable("gone")

        with monkeypatch.context() as patched:
            patched.setattr(type(house.blobs), "read", unreadable)
            await house.indexer.round()
            with pytest.raises(BlobUnreadable):
                await house.search(WORD, index=house.index)
        assert await house.search(WORD, index=house.index) == [1]

    in_house(test)


def test_a_store_that_was_brought_back_never_meets_its_later_days(in_house: Any, tmp_path: Path) -> None:
    async def test(house: Any) -> None:
        await adopt(house.store, house.index)
        await house.add(letter("x"))
        await house.indexer.round()
        with sqlite3.connect(tmp_path / "store.db") as now, sqlite3.connect(tmp_path / "backup.db") as backup:
            now.backup(backup)
        await house.add(letter("a needle"))
        await house.indexer.round()
        assert await house.search(WORD, index=house.index) == [2]

    async def later(house: Any) -> None:
        await adopt(house.store, house.index)
        await house.add(letter("another"))
        assert await house.search(WORD, index=house.index) == []
        await house.indexer.round()
        assert await house.search(WORD, index=house.index) == []
        assert await house.search(TextQuery.of("another", Zone.BODY), index=house.index) == [2]

    in_house(test)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"store.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "backup.db").replace(tmp_path / "store.db")
    in_house(later)


def test_an_index_of_another_store_is_thrown_away(in_house: Any) -> None:
    async def test(house: Any) -> None:
        await house.index.reset("somebody else's")
        await house.add(letter("a needle"))
        await house.indexer.round()
        await adopt(house.store, house.index)
        assert await house.index.accounts() == []
        owner = await house.index.owner()
        await house.new_indexer().round()
        await adopt(house.store, house.index)
        assert await house.index.owner() == owner
        assert await house.index.accounts() == [house.account_id]

    in_house(test)


def test_an_index_that_was_thrown_away_meanwhile_is_made_anew(in_house: Any, tmp_path: Path) -> None:
    """As `postier search rebuild` does beside a running server."""

    async def test(house: Any) -> None:
        await adopt(house.store, house.index)
        await house.add(letter("a needle"))
        await house.indexer.round()
        other = SqliteTextIndexWriter(tmp_path / "search.db")
        await other.reset("")
        assert not await house.index.accounts()
        assert await house.search(WORD, index=house.index) == [1]
        assert await house.indexer.round()
        assert await other.accounts() == [house.account_id]
        other.close()

    in_house(test)


def test_another_format_and_a_damaged_file_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "search.db"

    async def owner() -> str:
        index = SqliteTextIndexWriter(path)
        try:
            found = await index.owner()
            await index.reset("me")
            return found
        finally:
            index.close()

    assert asyncio.run(owner()) == ""
    assert asyncio.run(owner()) == "me"
    monkeypatch.setattr(sqlite_file, "FORMAT", sqlite_file.FORMAT + 1)
    assert asyncio.run(owner()) == ""
    assert asyncio.run(owner()) == "me"
    path.write_bytes(b"no database at all" * 1000)
    assert asyncio.run(owner()) == ""


def test_damage_that_shows_later(in_house: Any, tmp_path: Path) -> None:
    async def test(house: Any) -> None:
        await house.add(*[letter(f"needle {number} " + "x" * 500) for number in range(200)])
        await house.indexer.round()
        house.index.close()
        path = tmp_path / "search.db"
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(8192 * 2)
            file.write(b"\xff" * (size - 8192 * 2))
        place = await house.place()
        with pytest.raises(IndexUnavailable):
            await house.index.uids(place)
        await house.new_indexer().round()
        assert len(await house.search(WORD, index=house.index)) == 200

    in_house(test)


def test_accounts_and_mailboxes_that_are_gone(in_house: Any) -> None:
    async def test(house: Any) -> None:
        await house.add(letter("a needle"))
        await house.add(letter("a needle"), mailbox="Other")
        await house.indexer.round()
        other = await house.store.reader.mailbox_named(house.account_id, "Other")
        await house.store.transact(lambda tx: tx.delete_mailbox(house.account_id, other.mailbox_id))
        await house.indexer.round()
        assert [indexed.place.mailbox_id for indexed in await house.index.mailboxes(house.account_id)] == [
            house.inbox
        ]
        await house.store.transact(lambda tx: tx.remove_account(house.account_id))
        await house.indexer.round()
        assert await house.index.accounts() == []
        place = Place(AccountId(house.account_id), house.inbox, 1)
        assert await house.index.texts(place, [1]) == {}

    in_house(test)


def test_where_tombstones_are_gone_all_uids_are_compared(
    in_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(house: Any) -> None:
        uids = await house.add(letter("a needle"), letter("needles"))
        await house.indexer.round()
        await house.store.transact(lambda tx: tx.expunge(house.account_id, house.inbox, uids[:1]))

        async def nothing(*_: Any) -> None:
            return None

        monkeypatch.setattr(type(house.store.reader), "vanished_since", nothing)
        await house.indexer.round()
        assert await house.index.uids(await house.place()) == [2]

    in_house(test)


def test_every_octet_of_a_column_counts() -> None:
    """What was squeezed comes back as it was or not at all."""
    data = b"needle and thread, " * 20
    squeezed = squeeze(data)
    for place in range(len(squeezed)):
        damaged = bytearray(squeezed)
        damaged[place] ^= 0x10
        try:
            assert unsqueeze(bytes(damaged)) == data
        except Damaged:
            continue


def damage(path: Path, table: str) -> None:
    """The last octet of every column becomes another one."""
    with sqlite3.connect(path) as database:
        for (data,) in database.execute(f"SELECT data FROM {table}").fetchall():
            other = data[:-1] + bytes([data[-1] ^ 1])
            database.execute(f"UPDATE {table} SET data = ? WHERE data = ?", (other, data))
    database.close()


def test_damage_that_the_database_does_not_see(in_house: Any, tmp_path: Path) -> None:
    async def test(house: Any) -> None:
        await house.add(*[letter(f"needle {number}") for number in range(20)], letter("thread"))
        await house.indexer.round()
        damage(tmp_path / "search.db", "segment_data")
        assert len(await house.search(WORD, index=SqliteTextIndex(tmp_path / "search.db"))) == 20
        damage(tmp_path / "search.db", "texts")
        await house.add(*[letter(f"needle {number}") for number in range(20, 40)])
        with pytest.raises(IndexUnavailable):
            await house.new_indexer().round()
        await house.new_indexer().round()
        assert len(await house.search(WORD, index=house.index)) == 40
        assert len(await house.index.uids(await house.place())) == 41

    in_house(test)
