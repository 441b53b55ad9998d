"""Space of messages that are gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from postier.blobs.local import LocalBlobs
from postier.store.api import Tx, Uid
from postier.store.reclaim import reclaim
from postier.testing.store_contract import ALL
from postier.testing.store_helpers import Opened, OpenStore, add_person, letter, on_store


async def fill(opened: Opened, count: int) -> tuple[int, int]:
    alice, inbox = await add_person(opened.store)

    async def work(tx: Tx) -> None:
        for number in range(count):
            blob_id, _ = await tx.add_blob(b"", b"%d" % number * 1000)
            await tx.append(alice, inbox, [letter(blob_id)])

    await opened.store.transact(work)
    return alice, inbox


class TestReclaim:
    def test_living_blobs_move_and_dead_packs_go(self, open_store: OpenStore, tmp_path: Path) -> None:
        async def run() -> None:
            async with open_store() as first:
                alice, inbox = await fill(first, 200)
                gone = [Uid(uid) for uid in range(1, 201) if uid % 4]
                await first.store.transact(lambda tx: tx.expunge(alice, inbox, gone))  # type: ignore[arg-type]
                (old,) = (tmp_path / "packs").glob("*.pack")
                assert isinstance(first.blobs, LocalBlobs)
                assert await reclaim(first.store, first.blobs) == (0, 0)  # it still grows
            async with open_store() as again:
                assert isinstance(again.blobs, LocalBlobs)
                assert await reclaim(again.store, again.blobs) == (1, 0)
                assert old.exists()
                assert await reclaim(again.store, again.blobs) == (0, 1)
                assert not old.exists()
                await check(again, alice, inbox)
            async with open_store() as last:
                await check(last, alice, inbox)

        async def check(opened: Opened, alice: int, inbox: int) -> None:
            uids = [row[0] for row in await opened.store.reader.facts(alice, inbox, ALL, ())]  # type: ignore[arg-type]
            assert uids == list(range(4, 201, 4))
            refs = await opened.store.reader.blob_refs(alice, inbox, uids)  # type: ignore[arg-type]
            for uid, ref in refs.items():
                assert await opened.blobs.read(ref) == b"%d" % (uid - 1) * 1000

        asyncio.run(run())

    @on_store
    async def test_a_long_message_goes_with_its_pack(self, opened: Opened) -> None:
        alice, inbox = await add_person(opened.store)
        assert isinstance(opened.blobs, LocalBlobs)
        for _ in range(2):
            spool = opened.blobs.spool()
            await spool.write(b"x" * 2_000_000)
            await spool.seal()

            async def work(tx: Tx, spool: object = spool) -> None:
                blob_id, _ = await tx.add_blob(b"", spool)  # type: ignore[arg-type]
                await tx.append(alice, inbox, [letter(blob_id)])

            await opened.store.transact(work)
            spool.discard()
        await opened.store.transact(lambda tx: tx.expunge(alice, inbox, [Uid(1)]))
        assert await reclaim(opened.store, opened.blobs) == (1, 0)
        assert await reclaim(opened.store, opened.blobs) == (0, 1)
        ref = (await opened.store.reader.blob_refs(alice, inbox, [Uid(2)]))[Uid(2)]
        assert await opened.blobs.read(ref) == b"x" * 2_000_000
        assert len(opened.blobs.finished_packs()) == 1
