"""What a search costs in mailboxes of 1,000 to 1,000,000 messages, and in a small one beside them.

    python bench/search_scale.py [--sizes 1000,10000,100000] [--folder DIR]

Messages of some 2.6 KB are made of a vocabulary of 20,000 words; each thousandth has a word of its own. Times
are those of the search itself, in milliseconds, the best of five, warm.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path

from postier.accounts.delivery import LISTING_FIELDS, deliver, new_message
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.message.analysis import analyse
from postier.message.searched import TextQuery, Zone
from postier.search.api import Place
from postier.search.indexer import Indexer
from postier.search.sqlite import SqliteTextIndex
from postier.search.sqlite_writer import SqliteTextIndexWriter
from postier.search.text_search import TextSearch
from postier.store.api import AccountId, AccountKind, Store, Tx, Uid
from postier.store.sqlite import open_sqlite

QUERIES = {
    "BODY, rare word": ("rare0007", Zone.BODY),
    "BODY, two words": ("rare0007 again", Zone.BODY),
    "BODY, common part": ("ing", Zone.BODY),
    "TEXT, rare word": ("rare0011", Zone.HEAD, Zone.BODY),
    "SUBJECT": ("topic 17.", Zone.SUBJECT),
    "FROM": ("person42@", Zone.FROM),
}
BATCH = 200


def letter(number: int, words: list[str], chance: random.Random) -> bytes:
    text = " ".join(chance.choices(words, k=330))
    lines = "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    return (
        f"From: Person {number % 200} <person{number % 200}@sender.example>\r\nTo: me@here.example\r\n"
        f"Subject: topic {number % 500}. {chance.choice(words)}\r\nMessage-ID: <{number}@sender.example>\r\n"
        f"Date: Thu, 01 Jan 2026 10:00:00 +0000\r\n\r\nrare{number % 1000:04} again\r\n{lines}\r\n"
    ).encode()


async def fill(store: Store, account_id: AccountId, mailbox: str, count: int) -> None:
    chance = random.Random(mailbox)
    words = ["".join(chance.choices("aeioubdfgklmnprstvz", k=chance.randint(2, 9))) for _ in range(20_000)]
    for start in range(0, count, BATCH):
        letters = [letter(number, words, chance) for number in range(start, min(count, start + BATCH))]

        async def work(tx: Tx, letters: list[bytes] = letters) -> None:
            for data in letters:
                blob_id, _ = await tx.add_blob(b"", data)
                message = new_message(analyse(data), blob_id, prefix=b"", internal_date=0)
                await deliver(tx, account_id, message, mailbox=mailbox)

        await store.transact(work)


async def measure(folder: Path, sizes: list[int]) -> None:
    blobs = LocalBlobs(folder, "bench")
    store = await open_sqlite(
        folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner="bench"
    )
    writer = SqliteTextIndexWriter(folder / "search.db")
    account_id = await store.transact(lambda tx: tx.add_account("a@b.example", AccountKind.PERSON, ""))
    await fill(store, account_id, "Small", 1000)
    for size in sizes:
        await fill(store, account_id, f"M{size}", size)
        started = time.process_time()
        await Indexer(store.reader, blobs, writer).round()
        spent = time.process_time() - started
        print(f"{size:,} messages, indexed in {spent:.1f} s of CPU ({1e6 * spent / size:.0f} us each)")
        index = SqliteTextIndex(folder / "search.db")
        for name in (f"M{size}", "Small"):
            mailbox = await store.reader.mailbox_named(account_id, name)
            assert mailbox is not None
            place = Place(account_id, mailbox.mailbox_id, mailbox.uidvalidity)
            uids = await store.reader.uids(account_id, mailbox.mailbox_id)
            for title, (text, *zones) in QUERIES.items():
                best, count = await times(store, blobs, index, place, uids, TextQuery.of(text, *zones))
                print(f"  {name:10} {title:20} {best:9.2f} ms  {count} found")
            started = time.perf_counter()
            await store.reader.uids_with_flags(*place[:2], Uid(1), Uid(2**32 - 1), 1, 0)
            print(f"  {name:10} {'UNSEEN':20} {1e3 * (time.perf_counter() - started):9.2f} ms")
        print(f"  files: store {_size(folder, 'store.db')} MB, search {_size(folder, 'search.db')} MB")
        index.close()
    writer.close()
    await store.close()


async def times(
    store: Store, blobs: LocalBlobs, index: SqliteTextIndex, place: Place, uids: object, query: TextQuery
) -> tuple[float, int]:
    best, count = float("inf"), 0
    for _ in range(5):
        search = TextSearch(store.reader, blobs, index, place, LISTING_FIELDS)
        started = time.perf_counter()
        count = len(await search.matching(query, uids))  # type: ignore[arg-type]
        best = min(best, 1e3 * (time.perf_counter() - started))
    return best, count


def _size(folder: Path, name: str) -> int:
    return sum(file.stat().st_size for file in folder.glob(name + "*")) // 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options.folder or Path(folder), sizes))


if __name__ == "__main__":
    main()
