"""Which MTA-STS policy binds us towards a domain now (RFC 8461 3.3, 5.1).

A policy that was fetched once binds until it expires, whatever the DNS and the policy host say meanwhile:
who can silence them must not be able to silence it. It is fetched when the domain publishes another id,
and again once a day, so that one in use never expires. A fetch that failed is not repeated for some
minutes. What is not fetched yet can't protect: the first message waits for the fetch.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from postier.base.clock import Clock
from postier.base.log import Log
from postier.dns.api import DnsError, Resolver
from postier.smtp.outbound.mta_sts import PolicyError, StsPolicy, parse_policy, record_id
from postier.smtp.outbound.sts_fetch import FetchError, PolicyFetcher
from postier.store.api import FetchedPolicy, Store

__all__ = ["NO_POLICY", "StsAnswer", "StsPolicies"]

log = Log("mta-sts")

REFRESH = 86_400
RETRY = 300
"""Seconds between fetches of a policy that can't be had."""
FAILURES_KEPT = 10_000


class StsAnswer(NamedTuple):
    """`policy`: None where none binds us. `failure`: the result type of RFC 8460 if the newest can't be
    had, though the domain says that there is one."""

    policy: StsPolicy | None = None
    document: str = ""
    failure: str = ""
    detail: str = ""


NO_POLICY = StsAnswer()


class StsPolicies:
    """One for a process; what it learns is the store's, and so everybody's."""

    def __init__(self, resolver: Resolver, fetcher: PolicyFetcher, store: Store, clock: Clock) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._store = store
        self._clock = clock
        self._failed: OrderedDict[tuple[str, str], tuple[float, StsAnswer]] = OrderedDict()
        self._flights: dict[tuple[str, str], asyncio.Task[StsAnswer]] = {}

    async def policy_for(self, domain: str) -> StsAnswer:
        """`domain`: A-labels, of the recipients. Raises StoreError."""
        now = self._clock.now()
        kept = await self._store.reader.fetched_policy(domain)
        if kept is not None and kept.expires <= now:
            kept = None
        published = await self._published_id(domain)
        if published is None:
            return _answer(kept)
        if kept is not None and kept.policy_id == published and now - kept.fetched < REFRESH:
            return _answer(kept)
        new = await self._fetched(domain, published)
        if new.policy is not None or kept is None:
            return new
        return _answer(kept)._replace(failure=new.failure, detail=new.detail)

    async def _published_id(self, domain: str) -> str | None:
        try:
            return record_id((await self._resolver.txt(f"_mta-sts.{domain}")).records)
        except DnsError:
            return None

    async def _fetched(self, domain: str, policy_id: str) -> StsAnswer:
        """Join the fetch under way, or start one unless the last one failed just now."""
        key = (domain, policy_id)
        until, failure = self._failed.get(key, (0.0, NO_POLICY))
        if until > self._clock.monotonic():
            return failure
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(domain, policy_id), name="MTA-STS policy")
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def _fetch(self, domain: str, policy_id: str) -> StsAnswer:
        try:
            document = await self._fetcher.fetch(domain)
            policy = parse_policy(document)
        except FetchError as error:
            return self._note_failure(domain, policy_id, error.result_type, str(error))
        except PolicyError as error:
            return self._note_failure(domain, policy_id, "sts-policy-invalid", str(error))
        now = int(self._clock.now())
        fetched = FetchedPolicy(domain, policy_id, now, now + policy.max_age, document.decode())
        await self._store.transact(lambda tx: tx.set_fetched_policy(fetched))
        return StsAnswer(policy, fetched.policy)

    def _note_failure(self, domain: str, policy_id: str, result_type: str, detail: str) -> StsAnswer:
        log.info("policy not fetched", domain=domain, why=detail)
        answer = StsAnswer(failure=result_type, detail=detail)
        self._failed[domain, policy_id] = (self._clock.monotonic() + RETRY, answer)
        self._failed.move_to_end((domain, policy_id))
        if len(self._failed) > FAILURES_KEPT:
            self._failed.popitem(last=False)
        return answer


def _answer(kept: FetchedPolicy | None) -> StsAnswer:
    return NO_POLICY if kept is None else StsAnswer(parse_policy(kept.policy.encode()), kept.policy)
