from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from postier.base.clock import Clock, SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import Opened, OpenStore


@pytest.fixture
def open_store(tmp_path: Path) -> OpenStore:
    @asynccontextmanager
    async def opening(clock: Clock | None = None) -> AsyncIterator[Opened]:
        blobs = LocalBlobs(tmp_path, "w0")
        bus = MemoryBus()
        store = await open_sqlite(
            tmp_path / "store.db", blobs=blobs, bus=bus, clock=clock or SystemClock(), owner="test"
        )
        try:
            yield Opened(store, blobs, bus)
        finally:
            await store.close()
            blobs.close()

    return opening
