"""A pack that grows has zeros written ahead of its content: nobody ever sees them."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from postier.blobs.local import LocalBlobs
from postier.blobs.packfile import AHEAD, GrowingPack


def test_small_appends_do_not_change_the_length(tmp_path: Path) -> None:
    pack = GrowingPack(tmp_path, "w0")
    file = tmp_path / f"{pack.name}.pack"
    lengths = set()
    for _ in range(10):
        pack.append(b"x" * 1000)
        pack.flush()
        pack.sync()
        lengths.add(file.stat().st_size)
    assert lengths == {1000 + AHEAD}
    pack.append(b"y" * AHEAD)
    pack.flush()
    assert file.stat().st_size == 10_000 + AHEAD  # so much at once needs nothing ahead
    pack.append(b"z")
    pack.flush()
    assert file.stat().st_size == 10_001 + 2 * AHEAD
    pack.close()
    assert file.read_bytes() == b"x" * 10_000 + b"y" * AHEAD + b"z"


def test_a_nearly_full_disk_stores_what_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "as the test wants it")

    monkeypatch.setattr(os, "pwrite", full)
    blobs = LocalBlobs(tmp_path, "w0")

    async def run() -> None:
        ref = await blobs.append(b"", b"letter")
        blobs.sync()
        assert await blobs.read(ref) == b"letter"

    asyncio.run(run())
    blobs.close()


def test_zeros_that_cannot_be_cut_off_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a crash: whoever gives a pack up goes on with the next one."""

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "as the test wants it")

    monkeypatch.setattr(os, "ftruncate", failing)
    blobs = LocalBlobs(tmp_path, "w0")

    async def run() -> None:
        first = await blobs.append(b"", b"letter")
        blobs.sync()
        blobs.forget_unsynced()
        second = await blobs.append(b"", b"another")
        blobs.sync()
        assert first.pack != second.pack
        assert await blobs.read(first) == b"letter"
        assert await blobs.read(second) == b"another"

    asyncio.run(run())
    blobs.close()
    assert len(blobs.finished_packs()) == 2
