from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zstandard

from postier.blobs.api import BlobRef, Blobs, BlobUnreadable, Spool
from postier.blobs.local import LocalBlobs
from postier.blobs.spool import LocalSpool
from postier.testing.blob_contract import BlobContract, OpenBlobs, StoreBlob, text_of


class TestLocalBlobs(BlobContract):
    @pytest.fixture
    def open_blobs(self, tmp_path: Path) -> OpenBlobs:
        @asynccontextmanager
        async def opening() -> AsyncIterator[tuple[Blobs, StoreBlob]]:
            blobs = LocalBlobs(tmp_path, "w0")

            async def store(prefix: bytes, body: Spool | bytes) -> BlobRef:
                ref = await blobs.append(prefix, body)
                blobs.sync()
                if not isinstance(body, bytes):
                    blobs.stored(body)
                return ref

            yield blobs, store
            blobs.close()

        return opening


async def spooled(blobs: LocalBlobs, body: bytes) -> LocalSpool:
    spool = blobs.spool()
    await spool.write(body)
    await spool.seal()
    return spool


def packs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.pack"))


def test_a_pack_is_a_zstd_stream(tmp_path: Path) -> None:
    """Whoever has lost everything but the packs reads them with `zstd -d`."""

    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0")
        for body in (b"first ", text_of(600_000), b" last"):
            await blobs.append(b"", body)
        blobs.sync()
        blobs.close()

    asyncio.run(run())
    (pack,) = tmp_path.glob("packs/*.pack")
    with pack.open("rb") as stored:
        reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
        assert reader.read() == b"first " + text_of(600_000) + b" last"


def test_a_pack_is_closed_when_it_is_full_and_never_opened_again(tmp_path: Path) -> None:
    async def run() -> None:
        refs = []
        for _ in range(2):
            blobs = LocalBlobs(tmp_path, "w0", pack_size=10_000)
            for number in range(6):
                refs.append((number, await blobs.append(b"", text_of(6000 + number))))
                if number % 3:
                    blobs.sync()
            blobs.sync()
            blobs.close()
        assert len(packs(tmp_path)) == 2 * 2
        again = LocalBlobs(tmp_path, "w1")
        for number, ref in refs:
            assert await again.read(ref) == text_of(6000 + number)
        again.close()

    asyncio.run(run())


def test_damage_is_noticed(tmp_path: Path) -> None:
    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0")
        refs = [await blobs.append(b"", text_of(size)) for size in (300, 400_000)]
        blobs.sync()
        (pack,) = tmp_path.glob("packs/*.pack")
        stored = bytearray(pack.read_bytes())
        for ref in refs:
            for place in (0, ref.length // 3, ref.length - 1):
                damaged = bytearray(stored)
                damaged[ref.offset + place] ^= 0x55
                pack.write_bytes(damaged)
                fresh = LocalBlobs(tmp_path, "w1")
                with pytest.raises(BlobUnreadable):
                    await fresh.read(ref)
                fresh.close()
        blobs.close()

    asyncio.run(run())


def test_a_discarded_spool_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0")
        spool = await spooled(blobs, text_of(2_000_000))
        assert len(packs(tmp_path)) == 1
        spool.discard()
        assert packs(tmp_path) == []
        undone = await spooled(blobs, text_of(2_000_000))
        await blobs.append(b"prefix", undone)
        blobs.forget_unsynced()
        undone.discard()
        assert packs(tmp_path) == []
        blobs.close()

    asyncio.run(run())


def test_spools_of_a_process_that_died_are_found(tmp_path: Path) -> None:
    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0")
        alive = await spooled(blobs, text_of(2_000_000))
        dead = [await spooled(blobs, text_of(2_000_000)) for _ in range(2)]
        refs = [await blobs.append(b"", spool) for spool in dead]
        blobs.sync()
        for spool in dead:
            assert spool.own_pack is not None
            os.close(spool.own_pack._descriptor)
            spool.own_pack._descriptor = -1
        other = LocalBlobs(tmp_path, "w1")
        assert other.abandoned() == sorted(ref.pack for ref in refs)
        other.resolve(refs[0].pack, keep=True)
        other.resolve(refs[1].pack, keep=False)
        assert other.abandoned() == []
        assert await other.read(refs[0]) == text_of(2_000_000)
        with pytest.raises(BlobUnreadable):
            await other.read(refs[1])
        alive.discard()
        blobs.close()
        other.close()

    asyncio.run(run())


def test_after_a_full_disk_a_new_pack_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0")
        kept = await blobs.append(b"", b"kept")
        blobs.sync()
        await blobs.append(b"", b"lost")
        with monkeypatch.context() as patch:
            patch.setattr("os.write", _no_space)
            with pytest.raises(OSError, match="No space"):
                blobs.sync()
        later = await blobs.append(b"", b"later")
        blobs.sync()
        assert later.pack != kept.pack
        assert [await blobs.read(ref) for ref in (kept, later)] == [b"kept", b"later"]
        blobs.close()

    asyncio.run(run())


def _no_space(descriptor: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_few_packs_are_open_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0", pack_size=1)
        refs = []
        for number in range(200):
            refs.append(await blobs.append(b"", b"%d" % number))
            blobs.sync()
        before = len(os.listdir("/proc/self/fd"))
        for number, ref in enumerate(refs):
            assert await blobs.read(ref) == b"%d" % number
        assert len(os.listdir("/proc/self/fd")) - before <= 128
        blobs.close()

    asyncio.run(run())


def test_a_pack_that_cannot_be_followed_is_closed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing it again would close whatever file or connection got its number meanwhile."""

    async def run() -> None:
        blobs = LocalBlobs(tmp_path, "w0", pack_size=1)
        await blobs.append(b"", b"first")
        blobs.sync()
        closed = []
        close = os.close
        with monkeypatch.context() as patch:
            patch.setattr("postier.blobs.local.GrowingPack", _full_disk)
            patch.setattr(os, "close", lambda number: (closed.append(number), close(number)))
            for _ in range(3):
                with pytest.raises(OSError, match="full"):
                    await blobs.append(b"", b"second")
        assert len(closed) == 1
        await blobs.append(b"", b"third")
        blobs.sync()
        blobs.close()

    asyncio.run(run())


def _full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "the disk is full")
