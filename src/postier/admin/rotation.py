"""Signing keys on their way: one worker of all looks at the DNS every hour and moves on what may be moved.

What is decided is in accounts/dkim_keys.py; this asks the DNS and the queue, and commits. A crash between
any two steps loses nothing: the next turn looks again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from postier.accounts import domains
from postier.accounts.audit import BY_SERVER
from postier.accounts.dkim_keys import DkimKey, KeyState, RotationUnderWay, Seen, advance, rotation_is_due
from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.base.log import Log
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.dns.edit import UpdateError
from postier.mailauth.dkim.key_record import are_same_key
from postier.store.api import Store, StoreError
from postier.store.lease import take_lease

__all__ = ["KEEP_BEYOND_QUEUE", "RotationPlan", "keep_signing_keys", "look_for", "turn_keys"]

PAUSE = 3600
KEEP_BEYOND_QUEUE = 2 * 86_400
"""Seconds that a retired key stays published after what it signed has left our queue: others queue too."""
_AS_IT_SHOULD_BE = {KeyState.ANNOUNCED: Seen.YES, KeyState.WITHDRAWN: Seen.NO}
Publish = Callable[[Domain], Awaitable[None]]

log = Log("keys")


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """`keep`: seconds for which a retired key stays published at least. `publish`: brings a domain's keys
    into the DNS, None where people do; raises UpdateError. `every`: seconds after which keys are replaced
    where it is there, 0 for never."""

    keep: int
    publish: Publish | None = None
    every: int = 0


async def keep_signing_keys(
    store: Store,
    open_resolver: Callable[[], Resolver],
    clock: Clock,
    owner: str,
    plan: RotationPlan,
    pause: float = PAUSE,
) -> None:
    """For ever. A fresh resolver for each turn, so that no old answer is believed."""
    while True:
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        try:
            if await take_lease(store, clock, "keys", owner, PAUSE):
                await turn_keys(store, open_resolver(), clock, plan)
        except StoreError as error:
            log.fault("keys not looked after", why=error)


async def turn_keys(store: Store, resolver: Resolver, clock: Clock, plan: RotationPlan) -> None:
    """Every domain once."""
    for record in await store.reader.domains():
        try:
            await _turn_domain(store, resolver, clock, Domain(record.name), plan)
        except domains.NoSuchDomain:
            continue  # removed meanwhile, with its keys


async def _turn_domain(
    store: Store, resolver: Resolver, clock: Clock, domain: Domain, plan: RotationPlan
) -> None:
    before = await _keys(store, domain)
    if plan.publish and plan.every and rotation_is_due(before, clock.now(), plan.every):
        try:
            await store.transact(lambda tx: domains.rotate_keys(tx, domain, clock, by=BY_SERVER))
        except RotationUnderWay:
            log.debug("rotated by somebody else", domain=domain)
        before = await _keys(store, domain)
    watched = [key for key in before if key.state in _AS_IT_SHOULD_BE]
    seen = dict(
        zip(
            [key.selector for key in watched],
            await asyncio.gather(*(look_for(resolver, domain, key) for key in watched)),
            strict=True,
        )
    )
    if plan.publish and any(seen[key.selector] is not _AS_IT_SHOULD_BE[key.state] for key in watched):
        await _publish(plan.publish, domain)
    oldest = (await store.reader.queue_figures(int(clock.now()))).oldest
    after: tuple[DkimKey, ...] = ()

    def change(keys: tuple[DkimKey, ...]) -> tuple[DkimKey, ...]:
        nonlocal after
        after = advance(keys, seen, clock.now(), oldest_waiting=oldest, keep=plan.keep)
        return after

    await store.transact(lambda tx: domains.change_keys(tx, domain, change, by=BY_SERVER))
    _tell(domain, before, after)


async def _keys(store: Store, domain: Domain) -> tuple[DkimKey, ...]:
    record = await store.reader.domain(domain.ascii)
    if record is None:
        raise domains.NoSuchDomain(domain.ascii)
    return domains.settings_of(record).dkim


async def _publish(publish: Publish, domain: Domain) -> None:
    try:
        await publish(domain)
    except UpdateError as error:
        log.error("keys not published", domain=domain, why=error)


async def look_for(resolver: Resolver, domain: Domain, key: DkimKey) -> Seen:
    """Whether the DNS shows this very key, and no other beside it, to those who verify."""
    try:
        found = (await resolver.txt(f"{key.selector}._domainkey.{domain}")).records
    except NotFound:
        return Seen.NO
    except TemporaryFailure:
        return Seen.UNKNOWN
    matching = [text for text in found if are_same_key(text, key.text.encode())]
    if key.state is KeyState.WITHDRAWN:
        return Seen.YES if matching else Seen.NO
    return Seen.YES if len(found) == len(matching) == 1 else Seen.NO


def _tell(domain: Domain, before: Sequence[DkimKey], after: Sequence[DkimKey]) -> None:
    states = {key.selector: key.state for key in before}
    for key in after:
        if states.pop(key.selector, key.state) is not key.state:
            log.info("signing key", domain=domain, selector=key.selector, state=key.state)
    for selector in states:
        log.info("signing key", domain=domain, selector=selector, state="gone")
