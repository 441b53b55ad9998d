"""What the SQLite engine does when the disk is full, the disk fails, or the schema is of tomorrow."""

from __future__ import annotations

import asyncio
import errno
import io
import itertools
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postier.base import log
from postier.blobs.api import SPOOL_MEMORY
from postier.blobs.local import LocalBlobs
from postier.store.api import BlobId, FlagChange, StoreUnavailable, Tx, Uid
from postier.store.migrations import SchemaTooNew, latest_version, steps
from postier.store.sql.messages import _DELETED
from postier.testing.store_contract import ALL, deliver
from postier.testing.store_helpers import Opened, OpenStore, add_person, letter, on_store


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[io.StringIO]:
    """What the engine logs, kept away from the terminal."""
    lines = io.StringIO()
    log.set_stream(lines)
    yield lines
    log.set_stream(None)


class FaultySync:
    """LocalBlobs.sync that fails with `error` while it is set."""

    def __init__(self, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: int | None = None
        self._sync = blobs.sync
        monkeypatch.setattr(blobs, "sync", self)

    def __call__(self) -> None:
        if self.error is not None:
            raise OSError(self.error, "as the test wants it")
        self._sync()


def test_a_full_disk_undoes_the_batch_and_passes(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            assert isinstance(opened.blobs, LocalBlobs)
            sync = FaultySync(opened.blobs, monkeypatch)
            sync.error = errno.ENOSPC
            outcomes = await asyncio.gather(
                *(deliver(opened.store, alice, inbox) for _ in range(5)), return_exceptions=True
            )
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
            assert (await opened.store.reader.mailbox(alice, inbox)).messages == 0
            sync.error = None
            assert await deliver(opened.store, alice, inbox) == [1]
            refs = await opened.store.reader.blob_refs(alice, inbox, [Uid(1)])
            assert await opened.blobs.read(refs[Uid(1)]) == b"x" * 100
        (line,) = log_lines.getvalue().splitlines()  # five at once, or in several batches
        assert "a batch was undone" in line
        assert "Traceback" not in line

    asyncio.run(run())


def test_a_failed_fsync_is_the_end(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system still holds in memory may differ from the disk: nothing may build on it."""

    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            assert isinstance(opened.blobs, LocalBlobs)
            sync = FaultySync(opened.blobs, monkeypatch)
            sync.error = errno.EIO
            with pytest.raises(StoreUnavailable):
                await deliver(opened.store, alice, inbox)
            sync.error = None
            with pytest.raises(StoreUnavailable):
                await deliver(opened.store, alice, inbox)
            with pytest.raises(StoreUnavailable):
                opened.store.reader  # noqa: B018
        async with open_store() as again:
            assert (await again.store.reader.mailbox(alice, inbox)).messages == 0
            assert await deliver(again.store, alice, inbox) == [1]

    asyncio.run(run())


def test_a_full_database_undoes_the_batch_and_passes(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            database: sqlite3.Connection = opened.store._writing  # type: ignore[attr-defined]
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages + 3}").fetchall()
            outcomes = await asyncio.gather(
                *(deliver(opened.store, alice, inbox, preview="x" * 5000) for _ in range(20)),
                return_exceptions=True,
            )
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
            assert list(await opened.store.reader.uids(alice, inbox)) == []
            database.execute("PRAGMA max_page_count = 1000000").fetchall()
            assert await deliver(opened.store, alice, inbox) == [1]

    asyncio.run(run())


def test_a_database_error_within_the_work_undoes_only_the_work(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)

            async def clash(tx: Tx) -> None:
                await tx.append(alice, inbox, [letter(BlobId(1))])
                connection: Any = tx._connection  # type: ignore[attr-defined]
                await connection.execute("INSERT INTO meta (key, value) VALUES ('schema', 'again')")

            good, bad = await asyncio.gather(
                deliver(opened.store, alice, inbox), opened.store.transact(clash), return_exceptions=True
            )
            assert good == [1]
            assert isinstance(bad, StoreUnavailable)
            assert list(await opened.store.reader.uids(alice, inbox)) == [1]

    asyncio.run(run())


def test_no_modseq_is_given_twice_around_a_power_cut(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The log may lose the last second: what comes after has modseqs that nobody saw before."""

    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            before = (await opened.store.reader.account(alice)).modseq
        async with open_store() as same:
            assert (await same.store.reader.account(alice)).modseq == before
        (tmp_path / "boot_id").write_text("another boot")
        monkeypatch.setattr("postier.store.sqlite._BOOT_ID", tmp_path / "boot_id")
        async with open_store() as rebooted:
            assert (await rebooted.store.reader.account(alice)).modseq > before + 10_000
            mailbox = await rebooted.store.reader.mailbox(alice, inbox)
            await deliver(rebooted.store, alice, inbox)
            after = await rebooted.store.reader.changes_since(alice, inbox, mailbox.modseq)
            assert len(after.changed) == 1

    asyncio.run(run())


def test_a_newer_schema_is_left_alone(open_store: OpenStore, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store() as opened:
            await opened.store.transact(lambda tx: tx.set_meta("schema", str(latest_version() + 1)))
        with pytest.raises(SchemaTooNew, match="run a newer Postier"):
            async with open_store():
                pass

    asyncio.run(run())


def test_migrations_have_numbers_of_their_own() -> None:
    numbers = [number for number, _ in steps()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == latest_version()


def test_a_closed_store_refuses(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
        with pytest.raises(StoreUnavailable):
            await deliver(opened.store, alice, inbox)

    asyncio.run(run())


def test_who_stops_waiting_hurts_nobody(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            waiting = [asyncio.create_task(deliver(opened.store, alice, inbox)) for _ in range(6)]
            await asyncio.sleep(0)
            waiting[2].cancel()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(outcomes[2], asyncio.CancelledError)
            kept = await opened.store.reader.messages(alice, inbox, ALL)
            assert len(kept) >= 5

    asyncio.run(run())


def test_a_large_batch_leaves_turns_to_the_loop(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            begun: list[int] = []
            turns: list[int] = []

            async def work(tx: Tx) -> None:
                begun.append(len(begun))
                await tx.mailbox(alice, inbox)

            async def watch() -> None:
                while len(begun) < 200:
                    turns.append(len(begun))
                    await asyncio.sleep(0)

            await asyncio.gather(*(opened.store.transact(work) for _ in range(200)), watch())
            assert max(b - a for a, b in itertools.pairwise(turns)) <= 32

    asyncio.run(run())


def test_orphans_of_long_messages_are_collected_at_the_start(open_store: OpenStore, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store() as opened:
            spool = opened.blobs.spool()
            await spool.write(b"x" * 2_000_000)
            await spool.seal()
            descriptor = spool.own_pack._descriptor  # type: ignore[attr-defined]
            spool.own_pack._descriptor = -1  # type: ignore[attr-defined]
        os.close(descriptor)  # as a kill does
        assert len(list(tmp_path.rglob("*.pack"))) == 1
        async with open_store():
            assert list(tmp_path.rglob("*.pack")) == []

    asyncio.run(run())


class TestBlobsOfMessages:
    """How many need a blob, as the rows say."""

    @staticmethod
    def refs(opened: Opened) -> list[int]:
        database: sqlite3.Connection = opened.store._reading  # type: ignore[attr-defined]
        return [row[0] for row in database.execute("SELECT refs FROM blobs ORDER BY blob_id")]

    @on_store
    async def test_refs_are_counted(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 3)
        await deliver(store, alice, inbox)
        await store.transact(lambda tx: tx.copy(alice, inbox, [Uid(1), Uid(4)], alice, inbox))
        assert self.refs(opened) == [4, 2]
        await store.transact(lambda tx: tx.expunge(alice, inbox, [Uid(1), Uid(2), Uid(4)]))
        await store.transact(lambda tx: tx.move(alice, inbox, [Uid(3)], inbox))
        assert self.refs(opened) == [2, 1]
        await store.transact(lambda tx: tx.delete_mailbox(alice, inbox))
        assert self.refs(opened) == [0, 0]

    @on_store
    async def test_a_removed_account_needs_nothing(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox, 3)
        await store.transact(lambda tx: tx.remove_account(alice))
        assert self.refs(opened) == [0]

    @on_store
    async def test_flags_need_no_thread(self, opened: Opened) -> None:
        """A change of flags commits in the same turn of the loop that begins it."""
        store = opened.store
        alice, inbox = await add_person(store)
        await deliver(store, alice, inbox)
        task = asyncio.create_task(
            store.transact(
                lambda tx: tx.change_flags(alice, inbox, [Uid(1)], FlagChange.ADD, 1), durable=False
            )
        )
        for _ in range(4):
            await asyncio.sleep(0)
        assert task.done()


def test_whoever_is_cancelled_leaves_after_the_batch(open_store: OpenStore) -> None:
    """A session that is cut off in the middle of the commit discards its long message on its way out."""

    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            began = asyncio.Event()

            async def receive() -> None:
                spool = opened.blobs.spool()
                await spool.write(os.urandom(2 * SPOOL_MEMORY))
                await spool.seal()

                async def work(tx: Tx) -> None:
                    blob_id, ref = await tx.add_blob(b"", spool)
                    await tx.append(alice, inbox, [letter(blob_id, size=ref.size)])
                    began.set()

                try:
                    await opened.store.transact(work)
                finally:
                    spool.discard()

            task = asyncio.create_task(receive())
            await began.wait()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await deliver(opened.store, alice, inbox)  # the store goes on
            (uid, *_) = await opened.store.reader.uids(alice, inbox)
            refs = await opened.store.reader.blob_refs(alice, inbox, [Uid(uid)])
            assert len(await opened.blobs.read(refs[Uid(uid)])) == 2 * SPOOL_MEMORY

    asyncio.run(run())


def test_a_transaction_that_waits_is_taken_back(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            assert isinstance(opened.blobs, LocalBlobs)
            begun, go_on, sync = asyncio.Event(), threading.Event(), opened.blobs.sync
            loop = asyncio.get_running_loop()

            def slow_sync() -> None:
                loop.call_soon_threadsafe(begun.set)
                go_on.wait(10)
                sync()

            monkeypatch.setattr(opened.blobs, "sync", slow_sync)
            first = asyncio.create_task(deliver(opened.store, alice, inbox))
            await begun.wait()
            second = asyncio.create_task(deliver(opened.store, alice, inbox))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            assert not first.done()
            go_on.set()
            await first
            await deliver(opened.store, alice, inbox)
            assert len(await opened.store.reader.uids(alice, inbox)) == 2

    asyncio.run(run())


def test_what_is_deleted_is_found_by_its_index(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            database: sqlite3.Connection = opened.store._reading  # type: ignore[attr-defined]
            plan = database.execute("EXPLAIN QUERY PLAN " + _DELETED, (1, 1, 1, 100)).fetchall()
            assert "messages_deleted" in str(plan)

    asyncio.run(run())


class NoRollback:
    """The connection that writes, on which ROLLBACK fails."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "ROLLBACK":
            raise sqlite3.OperationalError("as the test wants it")
        return self._database.execute(sql, *values)


def test_nobody_sees_what_could_not_be_undone(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    async def run() -> None:
        async with open_store() as opened:
            alice, inbox = await add_person(opened.store)
            assert isinstance(opened.blobs, LocalBlobs)
            reader: Any = opened.store.reader
            sync = FaultySync(opened.blobs, monkeypatch)
            sync.error = errno.EIO
            committer = opened.store._committer  # type: ignore[attr-defined]
            monkeypatch.setattr(committer, "_database", NoRollback(committer._database))
            with pytest.raises(StoreUnavailable):
                await deliver(opened.store, alice, inbox)
            assert (await reader.mailbox(alice, inbox)).messages == 0
            with pytest.raises(StoreUnavailable):
                _ = opened.store.reader

    asyncio.run(run())


def test_whoever_is_cancelled_at_the_moment_of_the_answer_is_let_go(open_store: OpenStore) -> None:
    async def run() -> None:
        async with open_store() as opened:
            for turns in range(40):

                async def work(tx: Tx) -> None:
                    await tx.set_meta("key", "value")

                asked = asyncio.create_task(opened.store.transact(work))
                await asyncio.sleep(0)
                until = asyncio.get_running_loop().time() + 0.0005 * turns
                while asyncio.get_running_loop().time() < until:
                    await asyncio.sleep(0)
                asked.cancel()
                await asyncio.wait((asked,), timeout=10)
                assert asked.done()

    asyncio.run(run())
