"""Steps without a transaction: never waiting, bounded, and what is lost is said."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postier.store.api import Step, StepKind, StoreUnavailable
from postier.story.recorder import StepRecorder


class FakeTx:
    def __init__(self) -> None:
        self.steps: list[Step] = []

    async def add_steps(self, steps: list[Step]) -> None:
        self.steps += steps


class FakeStore:
    """Remembers each transaction; refuses while `broken`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.broken = False
        self.durable: list[bool] = []

    async def transact(self, work: Callable[[Any], Awaitable[Any]], *, durable: bool = True) -> Any:
        if self.broken:
            raise StoreUnavailable("full")
        tx = FakeTx()
        await work(tx)
        self.batches.append([step.trace_id for step in tx.steps])
        self.durable.append(durable)


def on_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        asyncio.run(test(*args, **named))  # type: ignore[arg-type]

    return run


def _step(number: int) -> Step:
    return Step(f"t{number}", 0.0, StepKind.REFUSED, {})


def _recorder(store: FakeStore, **options: Any) -> StepRecorder:
    return StepRecorder(store, **options)  # type: ignore[arg-type]


@on_loop
async def test_what_is_noted_is_one_transaction() -> None:
    store = FakeStore()
    recorder = _recorder(store, pause=0.001)
    task = asyncio.create_task(recorder.run())
    for number in range(3):
        recorder.note(_step(number))
    assert store.batches == []
    recorder.stop()
    await task
    assert store.batches == [["t0", "t1", "t2"]]
    assert store.durable == [False]


@on_loop
async def test_it_goes_on_for_what_comes_later() -> None:
    store = FakeStore()
    recorder = _recorder(store, pause=0.001)
    task = asyncio.create_task(recorder.run())
    for number in range(3):
        recorder.note(_step(number))
        while len(store.batches) <= number:
            await asyncio.sleep(0.001)
    recorder.stop()
    await task
    assert store.batches == [["t0"], ["t1"], ["t2"]]


@pytest.mark.parametrize(("noted", "dropped"), [(7, 0), (8, 1), (7000, 6993)])
@on_loop
async def test_what_is_too_much_is_dropped_and_counted(
    noted: int, dropped: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FakeStore()
    recorder = _recorder(store, capacity=7, batch=3)
    for number in range(noted):
        recorder.note(_step(number))
    assert recorder.dropped == dropped
    recorder.stop()
    await recorder.run()
    assert store.batches == [["t0", "t1", "t2"], ["t3", "t4", "t5"], ["t6"]]
    said = capsys.readouterr().err.count("steps dropped")
    assert said == (1 if dropped else 0)


@on_loop
async def test_a_store_that_refuses_is_asked_again() -> None:
    store = FakeStore()
    recorder = _recorder(store)
    recorder.note(_step(1))
    store.broken = True
    assert not await recorder.write()
    recorder.note(_step(2))
    store.broken = False
    assert await recorder.write()
    assert store.batches == [["t1", "t2"]]


@on_loop
async def test_stopping_does_not_wait_for_a_store_that_refuses() -> None:
    store = FakeStore()
    store.broken = True
    recorder = _recorder(store)
    recorder.note(_step(1))
    recorder.stop()
    await asyncio.wait_for(recorder.run(), 5)
    assert store.batches == []
