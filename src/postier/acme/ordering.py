"""One order, from its beginning to the certificate (RFC 8555 7.4); each step is in the store before the next.

A process may be killed after each of them. Before the authority hears of an order, the try is counted and its
key kept; once it has one, its URL is kept; what comes after is read from the authority each time. So an order
whose URL is known is taken up by whoever comes next, and one whose URL is not is left to run out at the
authority: never are there two. All is written within the lease, by its holder alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from postier.acme.client import AcmeClient, Authorization, Challenge, Order, in_thread
from postier.acme.keys import Issued, certificate_id, check_chain, make_request
from postier.acme.plan import AcmePlan
from postier.acme.problems import AcmeProblem, advice
from postier.acme.proving import choose, show, withdraw
from postier.acme.services import AcmeServices
from postier.base.log import Log
from postier.store.api import Renewal, StoredCertificate, Tx
from postier.store.lease import hold_lease

__all__ = ["LEASE", "ROLE", "LeaseLost", "Ordering", "keep"]

ROLE = "certificates"
LEASE = 300
"""Seconds; longer than any single step."""
_LONGEST_PAUSE = 30

Result = TypeVar("Result")
log = Log("acme")


class LeaseLost(Exception):
    """Somebody else looks after the certificates now."""


async def keep(services: AcmeServices, renewal: Renewal) -> None:
    """Write it down, as the holder of the lease. Raises LeaseLost, StoreError."""

    async def work(tx: Tx) -> None:
        await _hold(services, tx)
        await tx.set_renewal(renewal)

    await services.store.transact(work)


async def _hold(services: AcmeServices, tx: Tx) -> None:
    if not await hold_lease(tx, int(services.clock.now()), ROLE, services.owner, LEASE):
        raise LeaseLost


class Ordering:
    """`renewal`: as it is in the store, with the order under way in it, if there is one."""

    def __init__(self, services: AcmeServices, plan: AcmePlan, client: AcmeClient, renewal: Renewal) -> None:
        self._services = services
        self._plan = plan
        self._client = client
        self.renewal = renewal

    async def begin(self, key: str, names: tuple[str, ...], current: StoredCertificate | None) -> None:
        """A new order. Raises AcmeProblem, LeaseLost, StoreError."""
        now = int(self._services.clock.now())
        begun = replace(
            self.renewal,
            directory=self._plan.directory,
            order="",
            names=names,
            key=key,
            tries=(*self.renewal.tries, now),
        )
        await self._keep(begun)
        replaces = certificate_id(current.chain) if current and current.origin == "acme" else ""
        profile = self._plan.profile
        order = await self._ask(lambda: self._client.new_order(names, profile=profile, replaces=replaces))
        log.info("order begun", subject=begun.subject, names=" ".join(names), order=order.url)
        await self._keep(replace(begun, order=order.url))

    async def finish(self) -> tuple[str, Issued]:
        """Take the order where it is, and bring it to its end: the chain, and what it says. The order stays
        under way until what comes of it is stored. Raises AcmeProblem, LeaseLost, StoreError."""
        end = self._now() + self._services.pauses.proof
        order, before = await self._look(), ""
        while order.status != "valid":
            if order.status == before or order.status == "processing":
                await self._rest(order.wait)
            match order.status:
                case "pending":
                    await self._prove(order)
                case "ready":
                    await self._finalize(order)
                case "processing":
                    pass
                case _:
                    await self._give_up()
                    raise _refused(order.problem or f"the order is {order.status}", order.problem_type)
            if self._now() > end:
                raise AcmeProblem("the authority does not come to an end; the order is taken up later")
            before, order = order.status, await self._look()
        issued = order
        chain = await self._ask(lambda: self._client.certificate(issued))
        try:
            return check_chain(chain, self.renewal.key, self.renewal.names, self._services.clock.now())
        except AcmeProblem:
            await self._give_up()
            raise

    async def _finalize(self, order: Order) -> None:
        request = make_request(self.renewal.key, self.renewal.names)
        await self._ask(lambda: self._client.finalize(order, request))

    async def _look(self) -> Order:
        url = self.renewal.order
        try:
            order = await self._ask(lambda: self._client.order(url))
        except AcmeProblem as problem:
            if problem.type and problem.type not in ("rateLimited", "serverInternal"):
                await self._give_up()  # the authority does not know it any more
            raise
        if set(order.names) != set(self.renewal.names):
            await self._give_up()
            raise AcmeProblem("the authority's order is for other names")
        return order

    async def _prove(self, order: Order) -> None:
        open_: list[Authorization] = []
        for url in order.authorizations:
            found = await self._authorization(url)
            if found.status == "pending":
                open_.append(found)
            elif found.status != "valid":
                await self._give_up()
                raise self._failed(found)
        try:
            proofs = [(each, choose(each, self._plan.challenge)) for each in open_]
        except AcmeProblem:
            await self._give_up()
            raise
        for each, _ in proofs:
            if each.name not in {name.removeprefix("*.") for name in self.renewal.names}:
                await self._give_up()
                raise AcmeProblem("the authority asks about a name that was not asked for")
        rows = await show(self._services, proofs)
        try:
            doubt = await self._answer_all([challenge for _, challenge in proofs])
            for each, _ in proofs:
                await self._await_verdict(each.url, doubt)
        finally:
            await withdraw(self._services, rows)

    async def _answer_all(self, challenges: Sequence[Challenge]) -> AcmeProblem | None:
        """What the authority has against an answer. It may be that one before has failed already, and the
        order with it: then that is what is to be told."""
        try:
            for challenge in challenges:
                if challenge.status == "pending":
                    await self._ask(lambda one=challenge: self._client.answer(one))  # type: ignore[misc]
        except AcmeProblem as problem:
            if not problem.type:
                raise
            return problem
        return None

    async def _await_verdict(self, url: str, doubt: AcmeProblem | None) -> None:
        end = self._now() + self._services.pauses.proof
        while True:
            found = await self._authorization(url)
            if found.status == "valid":
                return
            if found.status != "pending":
                await self._give_up()
                raise self._failed(found)
            if doubt is not None:
                raise doubt
            if self._now() > end:
                raise AcmeProblem(
                    f"the authority does not decide about {found.name}; the order is taken up later"
                )
            await self._rest(found.wait)

    async def _authorization(self, url: str) -> Authorization:
        return await self._ask(lambda: self._client.authorization(url))

    def _failed(self, found: Authorization) -> AcmeProblem:
        name = ("*." if found.wildcard else "") + found.name
        text = found.problem or f"the proof is {found.status}"
        problem = _refused(f"{name}: {text}", found.problem_type, self._plan.challenge)
        problem.names = (name,)
        return problem

    async def _give_up(self) -> None:
        await self._keep(replace(self.renewal, order="", key=""))

    async def _keep(self, renewal: Renewal) -> None:
        await keep(self._services, renewal)
        self.renewal = renewal

    async def _ask(self, call: Callable[[], Result]) -> Result:
        """The lease is held for longer than a call takes."""
        await self._services.store.transact(lambda tx: _hold(self._services, tx), durable=False)
        return await in_thread(call)

    async def _rest(self, told: int) -> None:
        await asyncio.sleep(min(max(self._services.pauses.poll, told), _LONGEST_PAUSE))

    def _now(self) -> float:
        return self._services.clock.monotonic()


def _refused(text: str, kind: str, challenge: str = "") -> AcmeProblem:
    what = advice(kind, challenge)
    return AcmeProblem(f"the authority says: {text}" + (f"; {what}" if what else ""), kind)
