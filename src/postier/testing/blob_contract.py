"""What every Blobs promises. Its tests inherit BlobContract and supply `open_blobs`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import pytest

from postier.blobs.api import SPOOL_MEMORY, BlobRef, Blobs, BlobUnreadable, Spool

__all__ = ["BlobContract", "OpenBlobs", "StoreBlob", "on_blobs", "text_of"]

PIECE = 256 * 1024
StoreBlob = Callable[[bytes, "Spool | bytes"], Awaitable[BlobRef]]
"""Stores prefix and body, durable when it returns."""


class OpenBlobs(Protocol):
    """Opens the blobs of a test, again each time it is called."""

    def __call__(self) -> AbstractAsyncContextManager[tuple[Blobs, StoreBlob]]: ...


def on_blobs(
    test: Callable[[Any, Blobs, StoreBlob], Awaitable[None]],
) -> Callable[[Any, OpenBlobs], None]:
    """Run an async test with blobs opened for it."""

    def run(self: Any, open_blobs: OpenBlobs) -> None:
        async def with_blobs() -> None:
            async with open_blobs() as (blobs, store):
                await test(self, blobs, store)

        asyncio.run(with_blobs())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


def text_of(size: int) -> bytes:
    """Bytes that differ everywhere and compress to a half or so; the same each time."""
    return random.Random(size).randbytes(size // 2 + 1).hex().encode()[:size]


async def spooled(blobs: Blobs, body: bytes, step: int = 50_000) -> Spool:
    """A sealed spool with this body."""
    spool = blobs.spool()
    for start in range(0, len(body), step):
        await spool.write(body[start : start + step])
    await spool.seal()
    return spool


async def gathered(pieces: AsyncIterator[bytes]) -> bytes:
    """All pieces together; none is empty or longer than it may be."""
    found = [piece async for piece in pieces]
    assert all(0 < len(piece) <= PIECE for piece in found)
    return b"".join(found)


SIZES = (0, 1, 100, PIECE - 30, PIECE, PIECE + 1, SPOOL_MEMORY, SPOOL_MEMORY + 1, 3 * SPOOL_MEMORY + 12_345)


class BlobContract:
    """The suite."""

    @on_blobs
    async def test_bytes_come_back(self, blobs: Blobs, store: StoreBlob) -> None:
        for size in SIZES:
            body = text_of(size)
            for prefix in (b"", b"Return-Path: <>\r\n"):
                ref = await store(prefix, body)
                assert ref.size == len(prefix) + size
                assert await blobs.read(ref) == prefix + body
                assert await gathered(blobs.stream(ref)) == prefix + body

    @on_blobs
    async def test_spooled_bytes_come_back(self, blobs: Blobs, store: StoreBlob) -> None:
        for size in SIZES:
            body = text_of(size)
            spool = await spooled(blobs, body)
            assert spool.size == size
            assert await gathered(spool.chunks()) == body
            ref = await store(b"Received: x\r\n", spool)
            spool.discard()
            assert await gathered(blobs.stream(ref)) == b"Received: x\r\n" + body

    @on_blobs
    async def test_ranges(self, blobs: Blobs, store: StoreBlob) -> None:
        for size in (1000, 700_000, 2_000_000):
            prefix, body = b"Received: x\r\n", text_of(size)
            whole = prefix + body
            ref = await store(prefix, await spooled(blobs, body))
            ends = (0, 1, 12, 13, 14, 500, PIECE, PIECE + 13, size // 2, size, size + 13, size + 99)
            for start in ends:
                for end in (*ends, None):
                    assert await blobs.read(ref, start, end) == whole[start:end]
            assert await gathered(blobs.stream(ref, 5, size - 5)) == whole[5 : size - 5]

    @on_blobs
    async def test_one_spool_may_become_several_blobs(self, blobs: Blobs, store: StoreBlob) -> None:
        """Each recipient's copy with its own prefix."""
        for size in (1000, 2_000_000):
            spool = await spooled(blobs, text_of(size))
            refs = [await store(prefix, spool) for prefix in (b"one\r\n", b"another\r\n")]
            assert [await blobs.read(ref) for ref in refs] == [
                b"one\r\n" + text_of(size),
                b"another\r\n" + text_of(size),
            ]

    @on_blobs
    async def test_long_prefixes(self, blobs: Blobs, store: StoreBlob) -> None:
        prefix = text_of(600_000)
        for body in (b"x", text_of(2_000_000)):
            ref = await store(prefix, await spooled(blobs, body))
            assert await gathered(blobs.stream(ref)) == prefix + body

    @on_blobs
    async def test_a_spool_takes_nothing_after_its_end(self, blobs: Blobs, store: StoreBlob) -> None:
        sealed = await spooled(blobs, b"x")
        with pytest.raises(ValueError, match="takes no more"):
            await sealed.write(b"y")
        discarded = await spooled(blobs, b"x")
        discarded.discard()
        discarded.discard()
        with pytest.raises(ValueError, match="not sealed"):
            await store(b"", discarded)
        with pytest.raises(ValueError, match="not sealed"):
            await store(b"", blobs.spool())

    @on_blobs
    async def test_what_is_not_there_is_unreadable(self, blobs: Blobs, store: StoreBlob) -> None:
        ref = await store(b"", text_of(5000))
        for wrong in (
            ref._replace(pack="no-such-pack"),
            ref._replace(offset=ref.offset + 100_000),
            ref._replace(length=ref.length - 1),
            ref._replace(offset=ref.offset + 1),
            ref._replace(size=ref.size + 1),
        ):
            with pytest.raises(BlobUnreadable):
                await blobs.read(wrong)
            with pytest.raises(BlobUnreadable):
                await gathered(blobs.stream(wrong))

    def test_blobs_survive_closing(self, open_blobs: OpenBlobs) -> None:
        async def run() -> None:
            refs = []
            for _ in range(2):
                async with open_blobs() as (blobs, store):
                    for size in (10, 500_000, 2_000_000):
                        refs.append((size, await store(b"", await spooled(blobs, text_of(size)))))
            async with open_blobs() as (blobs, _):
                for size, ref in refs:
                    assert await blobs.read(ref) == text_of(size)

        asyncio.run(run())
