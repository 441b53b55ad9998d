"""A store with one account, messages in it, and an index beside it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from postier.accounts.delivery import LISTING_FIELDS, deliver, new_message
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.message.analysis import analyse
from postier.message.searched import TextQuery
from postier.search.api import Place, TextIndex
from postier.search.indexer import Indexer
from postier.search.sqlite_writer import SqliteTextIndexWriter
from postier.search.text_search import TextSearch
from postier.store.api import AccountId, MailboxId, Store, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import add_person


@dataclass(slots=True)
class House:
    store: Store
    blobs: LocalBlobs
    index: SqliteTextIndexWriter
    indexer: Indexer
    account_id: AccountId
    inbox: MailboxId

    async def add(self, *messages: bytes, mailbox: str = "INBOX") -> list[Uid]:
        async def work(tx: Tx) -> list[Uid]:
            uids = []
            for data in messages:
                blob_id, _ = await tx.add_blob(b"", data)
                message = new_message(analyse(data), blob_id, prefix=b"", internal_date=0)
                uids.append(await deliver(tx, self.account_id, message, mailbox=mailbox))
            return uids

        return await self.store.transact(work)

    async def place(self, mailbox_id: MailboxId | None = None) -> Place:
        mailbox = await self.store.reader.mailbox(self.account_id, mailbox_id or self.inbox)
        return Place(self.account_id, mailbox.mailbox_id, mailbox.uidvalidity)

    def new_indexer(self) -> Indexer:
        return Indexer(self.store.reader, self.blobs, self.index)

    async def search(
        self, query: TextQuery, *, mailbox_id: MailboxId | None = None, index: TextIndex | None = None
    ) -> list[int]:
        place = await self.place(mailbox_id)
        uids = await self.store.reader.uids(self.account_id, place.mailbox_id)
        search = TextSearch(self.store.reader, self.blobs, index, place, LISTING_FIELDS)
        return await search.matching(query, uids)


OpenHouse = Callable[[Path], AbstractAsyncContextManager[House]]


@contextlib.asynccontextmanager
async def _open_house(folder: Path) -> AsyncIterator[House]:
    blobs = LocalBlobs(folder, "test")
    store = await open_sqlite(
        folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner="test"
    )
    index = SqliteTextIndexWriter(folder / "search.db")
    try:
        known = await store.reader.account_named("alice@orchard.test")
        if known is None:
            account_id, inbox = await add_person(store)
        else:
            account_id, (mailbox,) = known.account_id, await store.reader.mailboxes(known.account_id)
            inbox = mailbox.mailbox_id
        indexer = Indexer(store.reader, blobs, index)
        yield House(store, blobs, index, indexer, account_id, inbox)
    finally:
        index.close()
        await store.close()
        blobs.close()


@pytest.fixture(scope="session")
def open_house() -> OpenHouse:
    return _open_house
