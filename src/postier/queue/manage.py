"""What an administrator can do with the queue while the server runs.

An entry that a worker is trying right now is left alone, so that no other worker tries it too; only `drop`
removes it even then, and the worker finds nothing to write its results to.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence

from postier.base.clock import Clock
from postier.queue.story import managed_steps
from postier.store.api import QueueEntry, QueueState, Reader, Step, StepKind, Store, Tx

__all__ = ["drop", "hold", "list_entries", "release", "retry_now", "show"]

PAGE = 1000
ADMINISTRATOR = "administrator"


async def list_entries(reader: Reader, *, destination: str = "", sender: str = "") -> list[QueueEntry]:
    """Every entry, oldest first; only those for a destination, or from a reverse-path, where one is given."""
    found: list[QueueEntry] = []
    after = 0
    while page := await reader.queue_entries(PAGE, after):
        found += [
            entry
            for entry in page
            if destination in ("", entry.destination) and sender in ("", entry.reverse_path)
        ]
        after = page[-1].entry_id
    return found


async def show(reader: Reader, entry_id: int) -> QueueEntry | None:
    return await reader.queue_entry(entry_id)


async def retry_now(store: Store, clock: Clock, entry_id: int) -> bool:
    """Make the entry due. False if there is none, it is held, or it is being tried right now."""
    now = int(clock.now())
    return await _change(
        store,
        entry_id,
        lambda entry: entry.state is QueueState.WAITING and entry.lease_until <= now,
        lambda tx, entry: _write(tx, entry, QueueState.WAITING, now),
    )


async def hold(store: Store, clock: Clock, entry_id: int) -> bool:
    """No attempts until `release`; its age goes on. False if there is no such entry or it is being tried."""
    now = int(clock.now())
    return await _change(
        store,
        entry_id,
        lambda entry: entry.lease_until <= now,
        lambda tx, entry: _write(tx, entry, QueueState.HELD, entry.next_attempt),
        functools.partial(managed_steps, kind=StepKind.HELD, now=clock.now(), by=ADMINISTRATOR),
    )


async def release(store: Store, clock: Clock, entry_id: int) -> bool:
    """Let a held entry go on, now. False if there is none or it is not held."""
    now = int(clock.now())
    return await _change(
        store,
        entry_id,
        lambda entry: entry.state is QueueState.HELD,
        lambda tx, entry: _write(tx, entry, QueueState.WAITING, now),
        functools.partial(managed_steps, kind=StepKind.RELEASED, now=clock.now(), by=ADMINISTRATOR),
    )


async def drop(store: Store, clock: Clock, entry_id: int) -> bool:
    """Remove the entry; nobody is told. False if there is none."""
    return await _change(
        store,
        entry_id,
        lambda _: True,
        lambda tx, entry: tx.remove_queue_entry(entry.entry_id),
        functools.partial(managed_steps, kind=StepKind.DROPPED, now=clock.now(), by=ADMINISTRATOR),
    )


async def _change(
    store: Store,
    entry_id: int,
    allowed: Callable[[QueueEntry], bool],
    change: Callable[[Tx, QueueEntry], Awaitable[None]],
    steps: Callable[[QueueEntry], Sequence[Step]] = lambda _: (),
) -> bool:
    async def work(tx: Tx) -> bool:
        entry = await tx.queue_entry(entry_id)
        if entry is None or not allowed(entry):
            return False
        await change(tx, entry)
        await tx.add_steps(steps(entry))
        return True

    return await store.transact(work)


async def _write(tx: Tx, entry: QueueEntry, state: QueueState, next_attempt: int) -> None:
    await tx.update_queue_entry(
        entry.entry_id,
        recipients=entry.recipients,
        next_attempt=next_attempt,
        attempts=entry.attempts,
        delay_notified=entry.delay_notified,
        reason=entry.reason,
        state=state,
    )
