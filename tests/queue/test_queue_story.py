"""The story of what goes out: each attempt in the transaction that writes down what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from postier.queue import manage
from postier.queue.api import Outcome
from postier.store.api import Domain, Step, StoreUnavailable
from postier.story.facts import FACTS

Open = Callable[[], AbstractAsyncContextManager[Any]]
LATER = (Outcome.TEMPORARY, "4.2.0", "450 4.2.0 busy")
NEVER = (Outcome.PERMANENT, "5.1.1", "550 5.1.1 nobody")
REMOTE = "mx.far.example [192.0.2.7]:25"


async def story(w: Any, trace_id: str = "trace1") -> list[Step]:
    steps: list[Step] = await w.store.reader.steps(trace_id)
    assert all(step.facts.keys() <= FACTS.keys() for step in steps)
    return steps


def kinds(steps: list[Step]) -> list[str]:
    return [step.kind.value for step in steps]


def test_an_attempt_that_is_put_off_and_one_that_succeeds(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: LATER
            w.transport.facts = {"tls policy": "opportunistic"}
            entry_id = await w.enqueue()
            await w.worker.run_due()
            [first] = await story(w)
            entry = await manage.show(w.store.reader, entry_id)
            assert first.kind.value == "attempted"
            assert first.when == w.clock.now()
            assert first.facts == {
                "recipient": "bob@far.example",
                "entry": str(entry_id),
                "attempt": "1",
                "status": "4.2.0",
                "reply": "450 4.2.0 busy",
                "remote": REMOTE,
                "policy": "opportunistic",
                "next_attempt": str(entry.next_attempt),
            }
            w.transport.answer = lambda _: (Outcome.DELIVERED, "2.0.0", "250 ok")
            w.clock.seconds = entry.next_attempt
            await w.worker.run_due()
            [_, second] = await story(w)
            assert second.kind.value == "delivered"
            assert second.facts["attempt"] == "2"
            assert second.facts["reply"] == "250 ok"
            assert "next_attempt" not in second.facts

    asyncio.run(go())


def test_each_recipient_has_its_own_end_and_the_report_its_own_story(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda path: NEVER if path.startswith("no") else LATER
            await w.enqueue("no@far.example", "later@far.example", account=w.alice)
            await w.worker.run_due()
            steps = await story(w)
            assert [(step.kind.value, step.facts["recipient"]) for step in steps] == [
                ("bounced", "no@far.example"),
                ("attempted", "later@far.example"),
            ]
            [told] = await story(w, steps[0].facts["report"])
            assert "report" not in steps[1].facts
            assert told.kind.value == "delivered"
            assert told.facts["about"] == "trace1"
            assert told.facts["sender"] == "<>"
            assert told.facts["account"] == str(w.alice)
            assert told.facts["mailbox"] == "INBOX"
            assert told.facts["message_id"]

    asyncio.run(go())


def test_delay_and_expiry(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: LATER
            await w.enqueue(account=w.alice)
            await w.worker.run_due()
            w.clock.seconds += 5 * 3600
            await w.worker.run_due()
            w.clock.seconds += 6 * 86400
            await w.worker.run_due()
            steps = await story(w)
            assert kinds(steps) == ["attempted", "attempted", "delayed", "expired"]
            assert "report" not in steps[1].facts
            assert steps[2].facts["report"] != steps[3].facts["report"]
            assert steps[3].facts["reply"] == "450 4.2.0 busy"
            assert len(await w.inbox(w.alice)) == 2

    asyncio.run(go())


def test_a_report_to_nobody_is_none(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NEVER
            await w.enqueue(notify="NEVER")
            await w.worker.run_due()
            [step] = await story(w)
            assert step.kind.value == "bounced"
            assert "report" not in step.facts

    asyncio.run(go())


def test_a_result_that_is_written_at_the_second_try_is_one_step(world: Open, monkeypatch: Any) -> None:
    async def no_pause(seconds: float) -> None: ...

    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue()
            (entry,) = await w.store.transact(
                lambda tx: tx.lease([1], int(w.clock.now()), "x", int(w.clock.now()) + 9)
            )
            assert entry.entry_id == entry_id
            real, failures = w.store.transact, [1, 1]

            async def transact(work: Any, **options: Any) -> Any:
                if failures:
                    failures.pop()

                    async def and_fail(tx: Any) -> None:
                        await work(tx)
                        raise StoreUnavailable("the disk is full")

                    return await real(and_fail, **options)
                return await real(work, **options)

            monkeypatch.setattr(w.store, "transact", transact)
            monkeypatch.setattr("postier.queue.attempt.asyncio.sleep", no_pause)
            await w.worker._attempts.run(entry, entry.destination)
            assert failures == []
            assert kinds(await story(w)) == ["delivered"]

    asyncio.run(go())


def test_a_destination_that_has_become_ours(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.enqueue("alice@far.example", "nobody@far.example", sender="x@else.example")
            await w.store.transact(lambda tx: tx.add_domain(Domain("far.example", None)))
            await w.store.transact(
                lambda tx: tx.set_address("alice@far.example", [(w.alice, None)])  # type: ignore[list-item]
            )
            await w.worker.run_due()
            by_kind = {step.kind.value: step.facts for step in await story(w)}
            assert by_kind["delivered"] == {"account": str(w.alice), "mailbox": "INBOX"}
            assert by_kind["bounced"]["recipient"] == "nobody@far.example"
            assert len(by_kind) == 2

    asyncio.run(go())


def test_who_steps_in_is_part_of_the_story(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            entry_id = await w.enqueue("a@far.example", "b@far.example")
            assert await manage.apply(w.store, w.clock, manage.HOLD, [entry_id])
            assert await manage.apply(w.store, w.clock, manage.RELEASE, [entry_id])
            assert not await manage.apply(w.store, w.clock, manage.RELEASE, [entry_id])
            assert await manage.apply(w.store, w.clock, manage.DROP, [entry_id])
            assert not await manage.apply(w.store, w.clock, manage.DROP, [entry_id])
            steps = await story(w)
            assert kinds(steps) == ["held"] * 2 + ["released"] * 2 + ["dropped"] * 2
            assert steps[0].facts == {
                "recipient": "a@far.example",
                "destination": "far.example",
                "entry": str(entry_id),
                "by": "administrator",
            }

    asyncio.run(go())
