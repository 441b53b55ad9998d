"""How much of what happened in an account is remembered."""

from __future__ import annotations

import asyncio

import pytest

from postier.store.api import ModSeq
from postier.store.sql import journal
from postier.testing.store_helpers import OpenStore, add_person


def test_an_account_keeps_so_many_events(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks from before the first of them hears that something is missing."""
    monkeypatch.setattr(journal, "EVENTS_KEPT", 3)

    async def run() -> None:
        async with open_store() as opened:
            store = opened.store
            alice, _ = await add_person(store)
            modseqs = [(await store.reader.account(alice)).modseq]
            for _ in range(10):
                await store.transact(lambda tx: tx.set_subscribed(alice, "a", True))
                modseqs.append((await store.reader.account(alice)).modseq)
            assert not (await store.reader.account_changes(alice, ModSeq(modseqs[0]))).complete
            changes = await store.reader.account_changes(alice, ModSeq(modseqs[-4]))
            assert changes.complete
            assert [event.modseq for event in changes.events] == modseqs[-3:]
            rows = await opened.store.reader._connection.rows("SELECT modseq FROM mailbox_events")  # type: ignore[attr-defined]
            assert len(rows) <= 5  # with the mark

    asyncio.run(run())
