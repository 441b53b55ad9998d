"""Comparing accounts with their directories again and again: one worker of all, by a lease for each."""

from __future__ import annotations

import asyncio
import random

from postier.base.clock import Clock
from postier.base.log import Log
from postier.directories.sync import SyncOptions, SyncReport, sync_directory
from postier.directories.terms import listing_terms
from postier.store.api import LdapDirectory, Store, StoreError
from postier.store.lease import give_back_lease, take_lease

__all__ = ["LEASE_SECONDS", "compare", "keep_comparing"]

LEASE_SECONDS = 1200
"""Longer than any comparison takes; who ends gives the lease back."""
LOOK_SECONDS = 30.0
PLAIN = SyncOptions()

log = Log("directory")


async def keep_comparing(
    store: Store, clock: Clock, owner: str, every: int, pause: float = LOOK_SECONDS
) -> None:
    """For ever, each directory every `every` seconds; 0 for never."""
    while every:
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        try:
            for directory in await store.reader.ldap_directories():
                state = await store.reader.sync_state(directory.name)
                if state.at + every <= clock.now():
                    report = await compare(store, clock, directory, owner)
                    if report is not None:
                        _tell(directory, report)
        except (StoreError, OSError, ValueError) as error:
            log.fault("not compared", why=error)


async def compare(
    store: Store, clock: Clock, directory: LdapDirectory, owner: str, options: SyncOptions = PLAIN
) -> SyncReport | None:
    """None while somebody else does it. Raises StoreError."""
    role = f"directory:{directory.name}"
    if not options.dry_run and not await take_lease(store, clock, role, owner, LEASE_SECONDS):
        return None
    try:
        report = await sync_directory(store, clock, directory, listing_terms, options)
    finally:
        if not options.dry_run:
            await give_back_lease(store, role, owner)
    return report


def _tell(directory: LdapDirectory, report: SyncReport) -> None:
    for change in report.changes:
        log.info("changed", directory=directory.name, what=change)
    for problem in report.problems:
        log.fault("problem", directory=directory.name, why=problem)
    if report.stopped:
        log.error("not compared", directory=directory.name, why=report.stopped)
    else:
        log.info("compared", directory=directory.name, what=report.words)
