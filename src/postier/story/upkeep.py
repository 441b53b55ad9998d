"""The keys of the stories, kept up on one worker of all."""

from __future__ import annotations

import asyncio

from postier.base.clock import Clock
from postier.base.log import Log
from postier.store.api import Store, StoreError
from postier.store.lease import take_lease
from postier.store.step_index import has_steps_to_index, index_steps

__all__ = ["keep_keys"]

PAUSE = 15.0
LEASE = 300

log = Log("story")


async def keep_keys(store: Store, clock: Clock, owner: str, pause: float = PAUSE) -> None:
    """For ever: what was written since the last look gets its keys. A lease that holds is not taken anew."""
    held_until = 0.0
    while True:
        await asyncio.sleep(pause)
        try:
            if not await has_steps_to_index(store):
                continue
            if clock.now() > held_until - LEASE / 2:
                if not await take_lease(store, clock, "stories", owner, LEASE):
                    continue
                held_until = clock.now() + LEASE
            await index_steps(store)
        except StoreError as error:
            log.fault("stories without keys", why=error)
