"""What an administrator can do with the queue while the server runs.

An entry that a worker is trying right now is left alone, so that no other worker tries it too; only `DROP`
removes it even then, and the worker finds nothing to write its results to.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.base.clock import Clock
from postier.queue.story import managed_steps
from postier.store.api import AccountId, QueueEntry, QueueState, Reader, StepKind, Store, Tx

__all__ = [
    "CANCEL",
    "DROP",
    "HOLD",
    "RELEASE",
    "RETRY",
    "Verb",
    "Wanted",
    "apply",
    "cancel_message",
    "entries",
    "show",
]

PAGE = 500
BATCH = 100
"""Entries that one transaction changes."""
ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: those that have all that is given. `sender` "<>" is the null path. `older_than`:
    seconds since it came. `host`: the name of the host that spoke last for one of the recipients."""

    destination: str = ""
    sender: str = ""
    recipient: str = ""
    state: QueueState | None = None
    older_than: float = 0.0
    trace_id: str = ""
    host: str = ""

    def matches(self, entry: QueueEntry, now: float) -> bool:
        return (
            self.destination in ("", entry.destination)
            and self.sender in ("", entry.reverse_path or "<>")
            and self.state in (None, entry.state)
            and self.trace_id in ("", entry.trace_id)
            and entry.arrived + self.older_than <= now
            and (not self.recipient or any(_same(self.recipient, r.forward_path) for r in entry.recipients))
            and (not self.host or any(_same(self.host, _host(r.remote)) for r in entry.recipients))
        )


async def entries(reader: Reader, wanted: Wanted, now: float, *, after: int = 0) -> AsyncIterator[QueueEntry]:
    """By entry_id, those past `after`; a page of the queue is held at a time."""
    while page := await reader.queue_entries(
        PAGE,
        after,
        destination=wanted.destination or None,
        reverse_path=_PATHS.get(wanted.sender, wanted.sender),
        state=wanted.state,
        trace_id=wanted.trace_id or None,
    ):
        for entry in page:
            if wanted.matches(entry, now):
                yield entry
        after = page[-1].entry_id


_PATHS = {"": None, "<>": ""}


async def show(reader: Reader, entry_id: int) -> QueueEntry | None:
    return await reader.queue_entry(entry_id)


@dataclass(frozen=True, slots=True)
class Verb:
    """`allowed` decides by the entry and the moment; `step`: what the story of the message says."""

    allowed: Callable[[QueueEntry, int], bool]
    change: Callable[[Tx, QueueEntry, int], Awaitable[None]]
    step: StepKind


def _is_free(entry: QueueEntry, now: int) -> bool:
    return entry.lease_until <= now


async def _make_due(tx: Tx, entry: QueueEntry, now: int) -> None:
    await _write(tx, entry, QueueState.WAITING, max(now, entry.release_at))


async def _keep(tx: Tx, entry: QueueEntry, now: int) -> None:
    await _write(tx, entry, QueueState.HELD, entry.next_attempt)


async def _remove(tx: Tx, entry: QueueEntry, now: int) -> None:
    await tx.remove_queue_entry(entry.entry_id)


RETRY = Verb(
    lambda entry, now: entry.state is QueueState.WAITING and _is_free(entry, now),
    _make_due,
    StepKind.RELEASED,
)
"""Make it due."""
HOLD = Verb(
    lambda entry, now: entry.state is QueueState.WAITING and _is_free(entry, now), _keep, StepKind.HELD
)
"""No attempts until RELEASE; its age goes on."""
RELEASE = Verb(lambda entry, _: entry.state is QueueState.HELD, _make_due, StepKind.RELEASED)
"""Let it go on, now."""
DROP = Verb(lambda *_: True, _remove, StepKind.DROPPED)
"""Remove it; nobody is told."""


CANCEL = Verb(lambda entry, now: entry.release_at > now and _is_free(entry, now), _remove, StepKind.CANCELLED)
"""Take it back before it leaves: only what is to leave later."""


async def cancel_message(
    store: Store, clock: Clock, trace_id: str, *, by: str = ADMINISTRATOR, sender: AccountId | None = None
) -> bool:
    """Take a message back that is to leave later (RFC 4865): all of its entries, or none, in one transaction.

    False where there is none, or one of them may leave already, or `sender` is given and did not submit it.
    """

    async def work(tx: Tx) -> bool:
        now = clock.now()
        found = await tx.queue_entries(trace_id=trace_id)
        if not found or not all(CANCEL.allowed(entry, int(now)) for entry in found):
            return False
        if sender is not None and any(entry.account_id != sender for entry in found):
            return False
        for entry in found:
            await CANCEL.change(tx, entry, int(now))
            await tx.add_steps(managed_steps(entry, CANCEL.step, now, by))
        return True

    return await store.transact(work)


async def apply(
    store: Store,
    clock: Clock,
    verb: Verb,
    entry_ids: Sequence[int],
    *,
    by: str = ADMINISTRATOR,
    actor: Actor = BY_SERVER,
) -> list[int]:
    """Do it to each of these that is there and in a state for it; they are returned. Some at a time are one
    transaction, with the steps of their stories, and an entry of the audit log for each sender here."""
    done: list[int] = []
    left = iter(entry_ids)
    while batch := tuple(itertools.islice(left, BATCH)):

        async def work(tx: Tx, batch: Sequence[int] = batch) -> list[int]:
            now = clock.now()
            changed, senders = [], Counter[AccountId | None]()
            for entry_id in batch:
                entry = await tx.queue_entry(entry_id)
                if entry is not None and verb.allowed(entry, int(now)):
                    await verb.change(tx, entry, int(now))
                    await tx.add_steps(managed_steps(entry, verb.step, now, by))
                    changed.append(entry_id)
                    senders[entry.account_id] += 1
            for sender, count in senders.items():
                concerned = None if sender is None else await tx.account(sender)
                said = {"what": verb.step.value, "count": str(count)}
                await note(tx, actor, AuditKind.QUEUE, concerned, **said)
            return changed

        done += await store.transact(work)
    return done


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


def _same(asked: str, found: str) -> bool:
    return asked.casefold() == found.casefold()


def _host(remote: str) -> str:
    """Of "name [address]:port"."""
    return remote.partition(" ")[0]
