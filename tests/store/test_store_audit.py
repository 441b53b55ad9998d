"""The audit finds nothing in a store in good order, and each kind of damage that is done to it here."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import FlagChange, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.store_audit import audit
from postier.testing.store_contract import deliver, expunge, new_mailbox
from postier.testing.store_helpers import SettableClock, add_person


async def _report(tx: Tx) -> None:
    blob_id, _ = await tx.add_blob(b"", b"report")
    await tx.add_report_mail(blob_id, "r@org.example", 1)


async def _used_store(folder: Path) -> tuple[Path, LocalBlobs]:
    """One that has seen deliveries, a move, flags and an expunge, closed again. Letters of 100 octets."""
    blobs, path = LocalBlobs(folder, "w0"), folder / "mail.db"
    store = await open_sqlite(path, blobs=blobs, bus=MemoryBus(), clock=SettableClock(), owner="w0")
    alice, inbox = await add_person(store)
    other = (await new_mailbox(store, alice, "Other")).mailbox_id
    uids = await deliver(store, alice, inbox, 5)
    await store.transact(lambda tx: tx.move(alice, inbox, uids[:2], other))
    await store.transact(lambda tx: tx.change_flags(alice, inbox, uids[2:], FlagChange.ADD, 9))
    await expunge(store, alice, inbox, uids[2:3])
    for _ in range(2):
        await store.transact(_report)
    (first, _) = await store.reader.report_mails(2)
    await store.transact(lambda tx: tx.remove_report_mail(first.mail))
    await store.close()
    return path, blobs


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM report_mails",
        "UPDATE accounts SET messages = messages + 1",
        "UPDATE accounts SET used = used - 1",
        "UPDATE mailboxes SET unseen = unseen + 1 WHERE name = 'INBOX'",
        "UPDATE mailboxes SET size = 0 WHERE name = 'Other'",
        "UPDATE mailboxes SET uidnext = 2",
        "UPDATE accounts SET modseq = 1",
        "INSERT INTO rights VALUES (1, 99, 0, 0, 'l')",
        "INSERT INTO annotations VALUES (1, 99, 0, '/comment', '', 1)",
        "DELETE FROM facts WHERE uid = 4",
        "DELETE FROM messages WHERE uid = 4",
        "UPDATE facts SET email_id = 1",
        "UPDATE blobs SET refs = refs + 1",
        "DELETE FROM blobs",
        "UPDATE blobs SET pack = 'gone'",
        "UPDATE blobs SET size = size + 1",
        "INSERT INTO queue_recipients VALUES (1, 0, 'a@b.example', 'pending', 0, '', '', '', 0, '', '')",
    ],
)
def test_the_audit_finds_damage(tmp_path: Path, damage: str) -> None:
    async def run() -> None:
        path, blobs = await _used_store(tmp_path)
        assert await audit(path, blobs) == []
        database = sqlite3.connect(path)
        with database:
            database.execute(damage)
        database.close()
        assert await audit(path, blobs) != []
        blobs.close()

    asyncio.run(run())
