"""What an administrator can do with an entry, in each of its states."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest

from postier.queue import manage
from postier.queue.api import Outcome
from postier.store.api import QueueRecipient, QueueState, RecipientState, Tx

Open = Callable[[], AbstractAsyncContextManager[Any]]
LATER = (Outcome.TEMPORARY, "4.2.0", "450 later")


async def listed(w: Any, **wanted: Any) -> list[int]:
    reader, now = w.store.reader, w.clock.now()
    return [entry.entry_id async for entry in manage.entries(reader, manage.Wanted(**wanted), now)]


async def done(w: Any, verb: manage.Verb, *entry_ids: int) -> list[int]:
    return await manage.apply(w.store, w.clock, verb, entry_ids)


def test_entries_are_chosen_page_by_page(world: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "PAGE", 3)

    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: LATER
            first = await w.enqueue("u0@far0.example")
            await w.worker.run_due()
            w.clock.seconds += 100
            rest = [
                await w.enqueue(f"u{i}@far{i % 2}.example", sender="" if i == 3 else "boss@orchard.example")
                for i in range(1, 7)
            ]
            await done(w, manage.HOLD, rest[5])
            assert await listed(w) == [first, *rest]
            assert await listed(w, destination="far1.example") == [rest[0], rest[2], rest[4]]
            assert await listed(w, sender="<>") == [rest[2]]
            assert await listed(w, sender="alice@orchard.example") == [first]
            assert await listed(w, recipient="U2@far0.example") == [rest[1]]
            assert await listed(w, state=QueueState.HELD) == [rest[5]]
            assert await listed(w, older_than=100) == [first]
            assert await listed(w, older_than=101) == []
            assert await listed(w, trace_id="trace1", destination="far0.example") == [first, *rest[1::2]]
            assert await listed(w, trace_id="trace2") == []
            assert await listed(w, host="MX.far.example") == [first]
            after = manage.entries(w.store.reader, manage.Wanted(), w.clock.now(), after=rest[3])
            assert [entry.entry_id async for entry in after] == rest[4:]

    asyncio.run(go())


def test_many_at_once(world: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "BATCH", 2)

    async def go() -> None:
        async with world() as w:
            entries = [await w.enqueue() for _ in range(5)]
            assert await done(w, manage.HOLD, *entries[:3], 99) == entries[:3]
            assert await done(w, manage.RELEASE, *entries) == entries[:3]
            assert await done(w, manage.DROP, *entries) == entries
            assert await listed(w) == []

    asyncio.run(go())


def test_retry(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: LATER
            entry_id = await w.enqueue()
            await w.worker.run_due()
            assert await done(w, manage.RETRY, entry_id, 99) == [entry_id]
            await w.worker.run_due()
            entry = await manage.show(w.store.reader, entry_id)
            assert entry is not None
            assert entry.attempts == 2

    asyncio.run(go())


def test_hold_and_release(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()
            assert not await done(w, manage.RELEASE, entry_id)
            assert await done(w, manage.HOLD, entry_id)
            assert not await done(w, manage.HOLD, entry_id)
            assert not await done(w, manage.RETRY, entry_id)
            await w.worker.run_due()
            assert w.transport.envelopes == []
            assert await done(w, manage.RELEASE, entry_id)
            await w.worker.run_due()
            assert len(w.transport.envelopes) == 1

    asyncio.run(go())


def test_what_is_being_tried_is_left_alone_but_can_be_dropped(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()

            async def lease(tx: Tx) -> None:
                await tx.lease([1], int(w.clock.now()), "x", int(w.clock.now()) + 100)

            await w.store.transact(lease)
            assert not await done(w, manage.RETRY, entry_id)
            assert not await done(w, manage.HOLD, entry_id)
            entry = await manage.show(w.store.reader, entry_id)
            assert entry is not None
            assert entry.state is QueueState.WAITING
            assert await done(w, manage.DROP, entry_id)
            assert not await done(w, manage.DROP, entry_id)
            assert await manage.show(w.store.reader, entry_id) is None

    asyncio.run(go())


async def later(w: Any, destination: str, release_at: int, trace_id: str = "late") -> int:
    async def work(tx: Tx) -> int:
        blob_id, _ = await tx.add_blob(b"", b"Subject: later\r\n\r\n")
        now = int(w.clock.now())
        return await tx.add_queue_entry(
            trace_id=trace_id, account_id=w.alice, reverse_path="alice@orchard.example",
            destination=destination,
            blob_id=blob_id, recipients=[QueueRecipient(0, f"bob@{destination}", RecipientState.PENDING)],
            arrived=now, next_attempt=now, release_at=release_at,
        )  # fmt: skip

    return cast(int, await w.store.transact(work))


def test_what_is_to_leave_later_leaves_then(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            moment = int(w.clock.now()) + 600
            entry_id = await later(w, "far.example", moment)
            await done(w, manage.RETRY, entry_id)
            w.clock.seconds = moment - 1
            await w.worker.run_due()
            assert w.transport.envelopes == []
            w.clock.seconds = moment
            await w.worker.run_due()
            assert len(w.transport.envelopes) == 1

    asyncio.run(go())


def test_a_message_is_taken_back_wholly_or_not_at_all(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            now = int(w.clock.now())
            for destination in ("a.example", "b.example"):
                await later(w, destination, now + 10)
            other = await later(w, "c.example", now + 10, "other")
            assert not await manage.cancel_message(w.store, w.clock, "nobody")
            assert await manage.cancel_message(w.store, w.clock, "late", by="alice")
            assert not await manage.cancel_message(w.store, w.clock, "late")
            assert await listed(w) == [other]
            w.clock.seconds += 9
            await later(w, "d.example", now + 10, "mixed")
            await later(w, "e.example", now + 20, "mixed")
            w.clock.seconds += 1
            assert not await manage.cancel_message(w.store, w.clock, "mixed")
            assert await done(w, manage.CANCEL, other) == []
            assert len(await listed(w, trace_id="mixed")) == 2

    asyncio.run(go())
