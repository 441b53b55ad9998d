"""What every engine promises of the stories of messages; part of StoreContract."""

from __future__ import annotations

import asyncio

import pytest

from postier.store.api import Step, StepKey, StepKind, Store, Tx
from postier.store.step_index import expire_steps, has_steps_to_index, index_steps
from postier.testing.store_helpers import Opened, OpenStore, SettableClock, on_store

__all__ = ["StepsContract"]

NOW = 1_700_000_000.0


def step(trace_id: str, kind: StepKind = StepKind.ACCEPTED, when: float = NOW, **facts: str) -> Step:
    return Step(trace_id, when, kind, facts)


async def tell(store: Store, *steps: Step) -> None:
    await store.transact(lambda tx: tx.add_steps(steps))


class StepsContract:
    @on_store
    async def test_a_story_is_told_in_its_order(self, opened: Opened) -> None:
        first = step("t1", sender="a@one.test", recipient="Bob@Two.test")
        second = step("t1", StepKind.QUEUED, NOW + 0.25, recipient="Bob@Two.test", destination="two.test")
        third = step("t1", StepKind.DELIVERED, NOW + 2, remote="mx.two.test [192.0.2.1]:25")
        await tell(opened.store, first, second)
        await tell(opened.store, step("t2", sender="b@one.test"))
        await tell(opened.store, third)
        for _ in range(2):  # without keys and with them
            assert await opened.store.reader.steps("t1") == [first, second, third]
            assert await opened.store.reader.steps("T1") == [first, second, third]
            assert await opened.store.reader.steps("t") == []
            await index_steps(opened.store)

    @on_store
    async def test_steps_of_several_traces_in_one_call(self, opened: Opened) -> None:
        steps = [step("t1"), step("t2", StepKind.REFUSED), step("t1", StepKind.DELIVERED)]
        await tell(opened.store, *steps)
        await tell(opened.store)
        assert await opened.store.reader.steps("t1") == [steps[0], steps[2]]
        assert await opened.store.reader.steps("t2") == [steps[1]]

    @on_store
    async def test_a_transaction_that_fails_leaves_no_step(self, opened: Opened) -> None:
        async def work(tx: Tx) -> None:
            await tx.add_steps([step("t1", sender="a@one.test")])
            assert await tx.steps("t1") != []
            raise KeyError("given up")

        with pytest.raises(KeyError):
            await opened.store.transact(work)
        await asyncio.gather(  # in a batch with one that is well
            opened.store.transact(lambda tx: tx.add_steps([step("t2")])),
            _failing(opened.store, work),
        )
        assert await opened.store.reader.steps("t1") == []
        assert len(await opened.store.reader.steps("t2")) == 1

    @on_store
    async def test_looking_a_story_up(self, opened: Opened) -> None:
        reader = opened.store.reader
        await tell(
            opened.store,
            step("t1", sender="Ann@One.test", message_id="<1@one.test>", session="s1"),
            step("t1", StepKind.DELIVERED, recipient="bob@two.test"),
            step("t1", StepKind.DELIVERED, recipient="cecil@two.test"),
        )
        await tell(opened.store, step("t2", sender="ann@one.test"))
        await tell(opened.store, step("t3", sender="<>", recipient="ann@one.test"))
        for _ in range(2):
            for key, value, expected in (
                (StepKey.SENDER, "ann@one.test", ["t2", "t1"]),
                (StepKey.SENDER, "ANN@one.test", ["t2", "t1"]),
                (StepKey.SENDER, "<>", ["t3"]),
                (StepKey.SENDER, "bob@two.test", []),
                (StepKey.RECIPIENT, "cecil@two.test", ["t1"]),
                (StepKey.RECIPIENT, "ann@one.test", ["t3"]),
                (StepKey.MESSAGE_ID, "<1@one.test>", ["t1"]),
                (StepKey.SESSION, "s1", ["t1"]),
                (StepKey.TRACE, "t2", ["t2"]),
                (StepKey.TRACE, "", []),
                (StepKey.SENDER, "", []),
                (None, "", ["t3", "t2", "t1"]),
            ):
                assert await reader.traces(key, value) == expected, (key, value)
            assert await reader.traces(StepKey.SENDER, "ann@one.test", limit=1) == ["t2"]
            assert await reader.traces(None, "", limit=2) == ["t3", "t2"]
            await index_steps(opened.store)

    @on_store
    async def test_a_story_with_keys_for_its_beginning_only(self, opened: Opened) -> None:
        await tell(opened.store, step("t1", sender="ann@one.test"))
        assert await has_steps_to_index(opened.store)
        assert await index_steps(opened.store) == 1
        assert not await has_steps_to_index(opened.store)
        await tell(opened.store, step("t1", StepKind.DELIVERED, sender="ann@one.test"))
        assert await opened.store.reader.traces(StepKey.SENDER, "ann@one.test") == ["t1"]
        assert len(await opened.store.reader.steps("t1")) == 2
        assert await index_steps(opened.store) == 1
        assert await index_steps(opened.store) == 0

    @on_store
    async def test_many_are_found_in_pages(self, opened: Opened) -> None:
        count = 1203
        names = [f"t{number}" for number in range(count)]
        await tell(opened.store, *(step(name, sender="ann@one.test") for name in names))
        for _ in range(2):
            found = await opened.store.reader.traces(StepKey.SENDER, "ann@one.test", limit=count + 1)
            assert found == names[::-1]
            assert len(await opened.store.reader.traces(None, "", limit=count + 1)) == count
            await index_steps(opened.store)
        assert await opened.store.reader.steps_indexed() == await _last(opened.store)  # type: ignore[attr-defined]

    def test_when_it_was_written(self, open_store: OpenStore) -> None:
        clock = SettableClock(NOW)

        async def run() -> None:
            async with open_store(clock) as opened:
                for number in range(4):
                    clock.seconds = NOW + 100 * number
                    await tell(opened.store, step(f"t{number}", sender="a@one.test"))
                reader = opened.store.reader
                for _ in range(2):
                    for key, value in ((StepKey.SENDER, "a@one.test"), (None, "")):
                        assert await reader.traces(key, value, since=NOW + 100) == ["t3", "t2", "t1"]
                        assert await reader.traces(key, value, until=NOW + 100) == ["t0"]
                        assert await reader.traces(key, value, since=NOW + 100, until=NOW + 300) == [
                            "t2",
                            "t1",
                        ]
                    await index_steps(opened.store)

        asyncio.run(run())

    def test_old_steps_are_forgotten_with_their_keys(self, open_store: OpenStore) -> None:
        clock = SettableClock(NOW)

        async def run() -> None:
            async with open_store(clock) as opened:
                store, many = opened.store, 600
                await tell(store, *(step(f"old{number}", sender="a@one.test") for number in range(many)))
                await index_steps(store)
                await tell(store, step("unindexed", sender="a@one.test"))
                clock.seconds = NOW + 100
                await tell(store, step("new", sender="a@one.test"))
                assert await expire_steps(store, NOW) == 0
                assert await expire_steps(store, NOW + 1) == many + 1
                assert await expire_steps(store, NOW + 1) == 0
                assert await store.reader.traces(StepKey.SENDER, "a@one.test") == ["new"]
                assert await store.reader.traces(None, "") == ["new"]
                assert await store.reader.steps("old0") == []
                await index_steps(store)
                assert await store.reader.traces(StepKey.SENDER, "a@one.test") == ["new"]
                assert await expire_steps(store, NOW + 101) == 1
                clock.seconds = NOW + 200
                await tell(store, step("newer", sender="a@one.test"))  # ids are never given twice
                await index_steps(store)
                assert await store.reader.traces(StepKey.SENDER, "a@one.test") == ["newer"]

        asyncio.run(run())

    def test_rows_of_a_clock_that_was_wrong_do_not_hold_up_others(self, open_store: OpenStore) -> None:
        clock = SettableClock(NOW + 1e8)

        async def run() -> None:
            async with open_store(clock) as opened:
                await tell(opened.store, step("future"))
                clock.seconds = NOW
                await tell(opened.store, step("past"))
                assert await expire_steps(opened.store, NOW + 1) == 1
                assert await opened.store.reader.traces(None, "") == ["future"]

        asyncio.run(run())

    @on_store
    async def test_two_processes_that_index_do_no_harm(self, opened: Opened) -> None:
        names = [f"t{number}" for number in range(700)]
        await tell(opened.store, *(step(name, sender="a@one.test") for name in names))
        await asyncio.gather(*(index_steps(opened.store) for _ in range(3)))
        assert await opened.store.reader.traces(StepKey.SENDER, "a@one.test", limit=1000) == names[::-1]

    @on_store
    async def test_hostile_facts_are_kept_within_bounds(self, opened: Opened) -> None:
        reply = "\0\x1b[31m\r\nfalse line\udcff \N{SNOWMAN}" + "x" * 100_000
        await tell(opened.store, step("t1", reply=reply, recipient="a\udc80@one.test"), step("t1"))
        (first, second) = await opened.store.reader.steps("t1")
        assert first.facts["reply"] == reply[:1000].replace("\udcff", "?")
        assert first.facts["recipient"] == "a?@one.test"
        assert second.facts == {}
        await index_steps(opened.store)
        assert await opened.store.reader.traces(StepKey.RECIPIENT, "a?@one.test") == ["t1"]
        assert await opened.store.reader.traces(StepKey.SENDER, "\udc80") == []

    @on_store
    async def test_facts_at_the_bound(self, opened: Opened) -> None:
        await tell(opened.store, *(step("t1", reply="x" * length) for length in (999, 1000)))
        await tell(opened.store, step("t2", reply="x" * 1001, reason="y" * 1001))
        assert [len(one.facts["reply"]) for one in await opened.store.reader.steps("t1")] == [999, 1000]
        (one,) = await opened.store.reader.steps("t2")
        assert {name: len(value) for name, value in one.facts.items()} == {"reply": 1000, "reason": 1000}


async def _failing(store: Store, work: object) -> None:
    with pytest.raises(KeyError):
        await store.transact(work)  # type: ignore[arg-type]


async def _last(store: Store) -> int:
    rows = await store.reader.step_rows(0, 10_000)  # type: ignore[attr-defined]
    return int(rows[-1].step_id)
