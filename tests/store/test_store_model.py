"""Sequences of operations, on the store and on a model of it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import AccountKind
from postier.store.sqlite import open_sqlite
from postier.testing.store_model import Operation, check_against_model, operations

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "derandomize": True}


def check(sequence: list[Operation]) -> None:
    async def run(folder: Path) -> None:
        blobs = LocalBlobs(folder, "w0")
        store = await open_sqlite(
            folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner="test"
        )
        alice = await store.transact(lambda tx: tx.add_account("alice@a.test", AccountKind.PERSON, ""))
        try:
            await check_against_model(store, alice, sequence)
        finally:
            await store.close()
            blobs.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@settings(max_examples=15, **COMMON)  # type: ignore[arg-type]
@given(operations(12))
def test_short_sequences(sequence: list[Operation]) -> None:
    check(sequence)


def test_short_sequences_where_the_uids_of_any_mailbox_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postier.store.sql.uid_cache.LARGE", 1)
    monkeypatch.setattr("postier.store.sql.uid_cache.ROOM", 5)
    test_short_sequences()


@pytest.mark.slow
@settings(max_examples=150, **COMMON)  # type: ignore[arg-type]
@given(operations(60))
def test_long_sequences(sequence: list[Operation]) -> None:
    check(sequence)
