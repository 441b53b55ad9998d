"""What one worker of all does now and then: forget what is old, give space back, turn signing keys."""

from __future__ import annotations

import asyncio
import random

from postier.accounts.audit import expire_audit
from postier.accounts.backoff import FORGET_AFTER, KNOWN_SECONDS
from postier.accounts.pop3_expire import expire_inboxes
from postier.accounts.resting import expire_resting
from postier.admin.rotation import KEEP_BEYOND_QUEUE, RotationPlan, keep_signing_keys
from postier.backend import Backend, open_resolver, pop3_usual
from postier.base.log import Log
from postier.blobs.api import BlobUnreadable
from postier.filter.greylist import forget_expired
from postier.publishing import key_publisher
from postier.reports.out.daily import OPEN_DAYS
from postier.smtp.outbound.tls_results import DAY, KEEP_DAYS
from postier.store.api import StoreError, Tx
from postier.store.lease import take_lease
from postier.store.reclaim import reclaim
from postier.store.step_index import expire_steps

__all__ = ["sweep", "turn_keys"]

log = Log("app")

SWEEP_SECONDS = 3600


async def sweep(backend: Backend, owner: str) -> None:
    """Forget what is old and give back the space of deleted messages, on one worker of all, once an hour."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.5, 1.0))
        try:
            if await take_lease(backend.store, backend.clock, "sweep", owner, SWEEP_SECONDS):
                await _forget_failures(backend)
                if backend.settings.policy.greylist:
                    await forget_expired(backend.store, backend.clock.now())
                await expire_audit(backend.store, backend.clock.now() - backend.settings.audit.keep)
                before = backend.clock.now() - backend.settings.trace.keep
                forgotten = await expire_steps(backend.store, before)
                await expire_inboxes(backend.store, pop3_usual(backend.settings), backend.clock.now())
                rested = await expire_resting(backend.store, backend.clock.now())
                done = await reclaim(backend.store, backend.blobs)
                log.info(
                    "swept",
                    steps=forgotten,
                    rested=rested,
                    packs_emptied=done.emptied,
                    files_removed=done.removed,
                )
        except (StoreError, BlobUnreadable, OSError) as error:
            log.error("sweep failed", exception=error)


async def turn_keys(backend: Backend, owner: str) -> None:
    settings = backend.settings
    plan = RotationPlan(
        settings.queue.give_up_after + KEEP_BEYOND_QUEUE, key_publisher(backend), settings.dkim.rotate_after
    )
    await keep_signing_keys(backend.store, lambda: open_resolver(settings), backend.clock, owner, plan)


async def _forget_failures(backend: Backend) -> None:
    now = int(backend.clock.now())
    keep = backend.settings.suppression.keep

    async def work(tx: Tx) -> None:
        await tx.forget_login_failures(now - FORGET_AFTER)
        await tx.forget_known(now - KNOWN_SECONDS)
        portal = backend.settings.portal
        await tx.forget_web_sessions(now - portal.idle_timeout, now - portal.session_lifetime)
        await tx.forget_suppressions(now - keep, now)
        await tx.forget_fetched_policies(now)
        await tx.forget_tls_results(now // DAY - KEEP_DAYS)
        await tx.forget_old_dmarc_results(now // DAY - OPEN_DAYS)
        await tx.forget_reports(now - backend.settings.reports.keep)

    await backend.store.transact(work, durable=False)
