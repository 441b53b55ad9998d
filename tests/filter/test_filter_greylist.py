"""Greylisting: what is let through and when, whoever asks in whatever order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from postier.base.shared_counts import SharedCounts
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.filter import greylist
from postier.filter.greylist import DAY, Greylist, GreylistTimes, Triple, forget_expired, judge_entry
from postier.filter.rates import exceeded_rate
from postier.store.api import GreylistEntry, Step, StepKind, Store
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import SettableClock

TIMES = GreylistTimes(wait=300, window=DAY, keep=36 * DAY)
START = 1_700_000_000
BOB = Triple("a.example", "192.0.2.0/24", "a.example", "bob@b.example")


def at(seconds: int, entry: GreylistEntry | None) -> tuple[int, GreylistEntry]:
    return judge_entry(entry, START + seconds, TIMES)


def test_a_try_that_comes_at_the_right_time_passes():
    wait, entry = at(0, None)
    assert (wait, entry) == (300, GreylistEntry(START, False, START + DAY))
    for seconds, expected in ((0, 300), (1, 299), (299, 1), (300, 0), (301, 0), (DAY, 0)):
        assert at(seconds, entry)[0] == expected
    assert at(DAY, entry)[1] == GreylistEntry(START, True, START + DAY + 36 * DAY)


def test_a_try_that_comes_too_late_begins_anew():
    _, entry = at(0, None)
    assert at(DAY + 1, entry) == (300, GreylistEntry(START + DAY + 1, False, START + 2 * DAY + 1))


def test_who_is_known_stays_known_while_he_comes():
    known = GreylistEntry(START, True, START + 36 * DAY)
    assert at(36 * DAY, known) == (0, GreylistEntry(START, True, START + 72 * DAY))
    assert at(36 * DAY + 1, known)[0] == 300


def test_a_clock_that_was_set_back_makes_nobody_wait_for_ever():
    _, entry = at(10 * DAY, None)
    assert at(0, entry)[0] == 300
    assert at(0, entry)[1].first == START


class GreylistMachine(RuleBasedStateMachine):
    """Nobody passes who did not wait, whoever waited passes, and it is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.entry: GreylistEntry | None = None
        self.first: int | None = None
        self.last_pass: int | None = None

    @rule(seconds=st.sampled_from([0, 1, 299, 300, 301, 3600, DAY - 1, DAY, DAY + 1, 36 * DAY, 36 * DAY + 1]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def forget(self) -> None:
        if self.entry is not None and self.entry.expires < self.now:
            self.entry = None

    @rule()
    def come(self) -> None:
        if self.last_pass is not None and self.now <= self.last_pass + TIMES.keep:
            passes = True
        elif self.last_pass is None and self.first is not None and self.now <= self.first + TIMES.window:
            passes = self.now >= self.first + TIMES.wait
        else:
            passes, self.first, self.last_pass = False, self.now, None
        wait, self.entry = judge_entry(self.entry, self.now, TIMES)
        assert (wait == 0) == passes
        if passes:
            self.last_pass = self.now
        else:
            assert self.first is not None
            assert self.now + wait == self.first + TIMES.wait

    @invariant()
    def expires_later(self) -> None:
        if self.entry is not None:
            assert self.entry.expires >= self.entry.first


TestGreylistMachine = GreylistMachine.TestCase
TestGreylistMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


# ------------------------------------------------------------------ with the store


async def _with_store(folder: Path, work) -> None:
    blobs = LocalBlobs(folder, "w0")
    store = await open_sqlite(
        folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=SettableClock(), owner="w0"
    )
    try:
        await work(store)
    finally:
        await store.close()


def test_once_a_pool_is_known_it_may_write_to_everybody(tmp_path: Path):
    async def work(store: Store) -> None:
        grey = Greylist(store, SharedCounts(), TIMES)
        assert await grey.seconds_to_wait(BOB, "ann@a.example", START) == 300
        assert await grey.seconds_to_wait(BOB, "ann@a.example", START + 299) == 1
        assert await grey.seconds_to_wait(BOB, "ann@a.example", START + 300) == 0
        carol = Triple("a.example", "198.51.100.0/24", "a.example", "carol@b.example")
        assert await grey.seconds_to_wait(carol, "zoe@a.example", START + 301) == 0
        other = Triple("a.example", "192.0.2.0/24", "c.example", "bob@b.example")
        assert await grey.seconds_to_wait(other, "ann@c.example", START + 301) == 300
        known = await store.reader.greylist_entry(BOB.pool_key)
        await grey.seconds_to_wait(BOB, "ann@a.example", START + 400)
        assert await store.reader.greylist_entry(BOB.pool_key) == known  # not written for every message
        await grey.seconds_to_wait(BOB, "ann@a.example", START + 2 * DAY)
        again = await store.reader.greylist_entry(BOB.pool_key)
        assert again is not None
        assert again.expires == START + 38 * DAY

    asyncio.run(_with_store(tmp_path, work))


@pytest.mark.parametrize(
    ("kind", "recipient", "wait"),
    [
        (StepKind.QUEUED, "ANN@a.example", 0),
        (StepKind.REFUSED, "ann@a.example", 300),
        (StepKind.QUEUED, "zoe@a.example", 300),
    ],
)
def test_whom_somebody_here_has_written_to_passes(tmp_path: Path, kind: StepKind, recipient: str, wait: int):
    async def work(store: Store) -> None:
        step = Step("t1", START - 5.0, kind, {"recipient": recipient, "destination": "a.example"})
        await store.transact(lambda tx: tx.add_steps([step]))
        grey = Greylist(store, SharedCounts(), TIMES)
        assert await grey.seconds_to_wait(BOB, "ann@a.example", START) == wait

    asyncio.run(_with_store(tmp_path, work))


def test_stories_are_read_once_for_a_thousand_recipients(tmp_path: Path):
    """A stranger who names a sender that was written to by large mailings must not make us read them again
    for every RCPT."""

    async def work(store: Store) -> None:
        steps = [
            Step("t1", START - 5.0, StepKind.QUEUED, {"recipient": f"r{n}@c.example"}) for n in range(50)
        ]
        steps.append(Step("t1", START - 5.0, StepKind.ATTEMPTED, {"recipient": "ann@a.example"}))
        await store.transact(lambda tx: tx.add_steps(steps))
        asked: list[str] = []
        read = store.reader.steps

        async def steps_of(trace_id: str) -> list[Step]:
            asked.append(trace_id)
            return await read(trace_id)

        store.reader.steps = steps_of  # type: ignore[method-assign]
        grey = Greylist(store, SharedCounts(), TIMES)
        for number in range(20):
            triple = Triple("a.example", "198.51.100.0/24", "a.example", f"{number}@b.example")
            assert await grey.seconds_to_wait(triple, "ann@a.example", START) == 300
        assert asked == ["t1"]
        assert await grey.seconds_to_wait(BOB, "r7@c.example", START) == 0

    asyncio.run(_with_store(tmp_path, work))


def test_a_network_that_invents_senders_fills_no_table(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(greylist, "MAX_NEW", 5)

    async def work(store: Store) -> None:
        grey = Greylist(store, SharedCounts(), TIMES)
        triples = [
            Triple(f"d{n}.example", "192.0.2.0/24", f"d{n}.example", "bob@b.example") for n in range(20)
        ]
        for triple in triples:
            assert await grey.seconds_to_wait(triple, "", START) == 300
        rows = [await store.reader.greylist_entry(triple.key) for triple in triples]
        assert [row is not None for row in rows] == [True] * 5 + [False] * 15

    asyncio.run(_with_store(tmp_path, work))


def test_what_has_expired_is_forgotten_in_batches(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(greylist, "BATCH", 3)

    async def work(store: Store) -> None:
        async def fill(tx) -> None:
            for key in range(8):
                await tx.set_greylist_entry(key, GreylistEntry(START, False, START + 10 + (key == 7)))

        await store.transact(fill)
        assert await forget_expired(store, START + 10) == 0
        assert await forget_expired(store, START + 11) == 7
        assert await store.reader.greylist_entry(7) is not None

    asyncio.run(_with_store(tmp_path, work))


# ------------------------------------------------------------------ rates


def test_the_rate_of_a_sender():
    counts = SharedCounts()

    def send(sender: str, recipients: int, now: float) -> str:
        return exceeded_rate(counts, sender, recipients, now=now, messages_limit=3, recipients_limit=10)

    assert [send("a.example", 1, START) for _ in range(5)] == ["", "", "", "messages", "messages"]
    assert [send("b.example", number, START) for number in (9, 1, 1)] == ["", "", "recipients"]
    assert send("c.example", 1000, START) == "recipients"
    assert send("a.example", 1, START + 3600) == ""


def test_no_limit_counts_nothing():
    counts = SharedCounts()
    for _ in range(10):
        found = exceeded_rate(counts, "a", 100, now=START, messages_limit=0, recipients_limit=0)
        assert found == ""
