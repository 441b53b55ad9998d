"""kill -9 at every step: whoever comes next takes the order up, or abandons it; never are there two.

A process that is killed does nothing more: from that moment neither its calls to the authority nor its
transactions have any effect, and nothing of what stands behind `finally` either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postier.acme.client import AcmeClient
from postier.acme.ordering import LEASE
from postier.acme.plan import AcmePlan
from postier.acme.renewing import Renewer
from postier.testing.acme_scene import HOST, Scene

OnScene = Callable[[Callable[[Scene], Awaitable[None]]], None]
METHODS = {
    "directory",
    "register",
    "tell_contact",
    "new_order",
    "order",
    "authorization",
    "answer",
    "finalize",
    "certificate",
    "renewal_window",
}
STEPS = 40


class Killed(BaseException):
    """What happens to a process."""


class Life:
    """Of one process: `steps` calls and transactions, and then none any more. `after`: the last one still
    had its effect, and only its answer was lost."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self._left = steps
        self._after = after

    def begin(self) -> None:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise Killed

    def end(self) -> None:
        if self._left <= 0:
            self._left = -1
            raise Killed

    @property
    def is_over(self) -> bool:
        return self._left <= 0


class MortalStore:
    def __init__(self, store: Any, life: Life) -> None:
        self._store = store
        self._life = life
        self.reader = store.reader

    async def transact(self, work: Any, *, durable: bool = True) -> Any:
        self._life.begin()
        result = await self._store.transact(work, durable=durable)
        self._life.end()
        return result


class MortalClient:
    def __init__(self, client: AcmeClient, life: Life) -> None:
        self._client = client
        self._life = life

    def close(self) -> None:
        self._client.close()

    def __getattr__(self, name: str) -> Any:
        assert name in METHODS
        method = getattr(self._client, name)

        def call(*arguments: Any, **more: Any) -> Any:
            self._life.begin()
            result = method(*arguments, **more)
            self._life.end()
            return result

        return call


async def live(scene: Scene, owner: str, life: Life) -> bool:
    """One turn of a process; whether it lived to the end of it."""

    def make_client(plan: AcmePlan, key: str, account: str) -> Any:
        return MortalClient(AcmeClient(plan.directory, key, account), life)

    scene.changes = {"store": MortalStore(scene.store, life), "make_client": make_client}
    try:
        await Renewer(scene.services(owner), scene.plan).turn()
    except Killed:
        return False
    finally:
        scene.changes = {}
    return True


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whoever_comes_next_ends_what_was_begun(on_scene: OnScene, after: bool) -> None:
    async def test(scene: Scene) -> None:
        lived = False
        steps = 0
        while not lived:
            steps += 1
            assert steps < STEPS
            orders, subject = len(scene.authority.orders), f"n{steps}.orchard.test"
            scene.wanted[0] = scene.wanted[0].__class__(subject, (subject,))
            scene.zone[subject] = scene.zone[HOST]
            lived = await live(scene, f"victim {steps}", Life(steps, after=after))
            scene.clock.seconds += LEASE + 1  # what it held runs out
            outcome = await scene.one()
            assert outcome.state in ("renewed", "good"), (steps, outcome)
            certificate = await scene.certificate(subject)
            assert certificate is not None
            renewal = await scene.renewal(subject)
            assert (renewal.order, renewal.key) == ("", "")
            made = len(scene.authority.orders) - orders
            assert made <= 2
            assert scene.authority.issued <= len(scene.authority.orders)
            if made == 2:  # killed between the authority's word and ours: it could not be known
                assert sum(1 for order in scene.authority.orders.values() if not order.chain) >= 1
                assert len(renewal.tries) == 2  # and both are counted
            assert len(scene.authority.accounts) == 1
        assert steps > 12
        assert sum(1 for order in scene.authority.orders.values() if not order.chain) <= 1
        scene.clock.seconds += 3601
        await scene.one()
        assert await scene.store.reader.acme_challenges("http-01") == []

    on_scene(test)


def test_a_process_that_slept_past_its_lease_writes_nothing(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        def make_client(plan: AcmePlan, key: str, account: str) -> AcmeClient:
            client = AcmeClient(plan.directory, key, account)
            finalize = client.finalize

            def slow(*arguments: Any) -> Any:
                order = finalize(*arguments)
                scene.clock.seconds += LEASE + 1
                return order

            client.finalize = slow  # type: ignore[method-assign]
            return client

        async def somebody_else(_: Any) -> None:
            raise AssertionError

        scene.changes = {"make_client": make_client}
        services = scene.services("sleeper")
        turn = Renewer(services, scene.plan).turn()
        from postier.acme import ordering
        from postier.store.lease import take_lease

        before = ordering.in_thread

        async def in_thread(call: Any) -> Any:
            result = await before(call)
            await take_lease(scene.store, scene.clock, ordering.ROLE, "somebody else", LEASE)
            return result

        ordering.in_thread = in_thread  # type: ignore[assignment]
        try:
            assert await turn == []
        finally:
            ordering.in_thread = before
        assert await scene.certificate() is None
        assert scene.authority.asked.count("certificate") == 0
        scene.changes = {}
        scene.clock.seconds += LEASE + 1
        assert (await scene.one()).state == "renewed"
        assert len(scene.authority.orders) == 1  # it took the order up

    on_scene(test)
