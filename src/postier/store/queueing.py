"""What the store keeps of outgoing mail: values and interfaces, part of store.api."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from postier.blobs.api import BlobRef
from postier.store.values import AccountId, BlobId

__all__ = [
    "Due",
    "QueueEntry",
    "QueueFigures",
    "QueueReader",
    "QueueRecipient",
    "QueueState",
    "QueueTotal",
    "QueueTx",
    "RecipientState",
]


class QueueState(enum.StrEnum):
    WAITING = "waiting"
    HELD = "held"


class RecipientState(enum.StrEnum):
    """PENDING recipients are tried when the entry is due; the others are final and wait for their report."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class QueueRecipient:
    """One recipient of an entry. `forward_path` as it goes on the wire.

    `status`: the enhanced code, `diagnostic` the remote's own words, `remote` who said them, of the last
    attempt. `notify`, `orcpt`: RFC 3461 parameters, "" where none.
    """

    position: int
    forward_path: str
    state: RecipientState
    attempts: int = 0
    status: str = ""
    diagnostic: str = ""
    remote: str = ""
    last_attempt: int = 0
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A message on its way out to one destination.

    `reverse_path`: "" is the null path. `destination`: A-label domain or address literal; all recipients
    share it. `next_attempt`, `arrived`: seconds since 1970. `account_id`: who submitted it, or None.
    `body` (RFC 6152, 3030), `smtputf8`, `requiretls` (RFC 8689): what the transport must keep.
    `lease_until`: while in the future, one worker works on it. `trace_id`: names the message in the log.
    `envid`, `ret`: RFC 3461. `release_at`: no attempt before (RFC 4865), 0 for none; until then its sender
    may take it back. `language`: of the sender, for reports ("fr"), "" where unknown. `faults`: attempts in
    a row that a bug of ours ended.
    """

    entry_id: int
    trace_id: str
    account_id: AccountId | None
    reverse_path: str
    destination: str
    blob_id: BlobId
    blob: BlobRef
    arrived: int
    next_attempt: int
    attempts: int
    state: QueueState
    recipients: tuple[QueueRecipient, ...]
    body: str = "7BIT"
    smtputf8: bool = False
    lease_until: int = 0
    delay_notified: bool = False
    envid: str = ""
    ret: str = ""
    reason: str = ""
    requiretls: bool = False
    release_at: int = 0
    language: str = ""
    faults: int = 0

    @property
    def begins(self) -> int:
        """The moment from which its age counts."""
        return max(self.arrived, self.release_at)


class QueueFigures(NamedTuple):
    """Entries by state. `due`: those of `waiting` whose time has come; `oldest_due`: since when the first
    of them waits for its turn, `oldest`: when the oldest entry came, seconds since 1970, 0 for none."""

    waiting: int
    held: int
    due: int
    oldest_due: int
    oldest: int


class Due(NamedTuple):
    """A waiting entry that nobody works on: when it may be tried, and for whom it is."""

    next_attempt: int
    entry_id: int
    destination: str


class QueueTotal(NamedTuple):
    """How many entries of one state are in a step of ages, and when the oldest of them arrived."""

    state: str
    age: int
    entries: int
    oldest: int


class QueueReader(Protocol):
    async def queue_entries(
        self,
        limit: int = 1000,
        after: int = 0,
        *,
        destination: str | None = None,
        reverse_path: str | None = None,
        state: QueueState | None = None,
        trace_id: str | None = None,
    ) -> list[QueueEntry]:
        """By entry_id, ascending, those past `after`; only those that have what is given."""
        ...

    async def queue_entry(self, entry_id: int) -> QueueEntry | None: ...

    async def queue_state(self, entry_id: int) -> QueueState | None:
        """None if there is no such entry."""
        ...

    async def queue_totals(
        self, ages: Sequence[int], now: int, after: int, limit: int
    ) -> tuple[list[QueueTotal], int]:
        """Of at most `limit` entries past `after` how many there are, by state and age: step 0 of ages is
        younger than ages[0] seconds, and so on, the last is at least ages[-1]. Also the last entry counted;
        no totals where there are no more."""
        ...

    async def next_due(self, after: int = -1) -> int | None:
        """When the earliest waiting entry without a lease is due, seconds since 1970, of those that are due
        past `after`; None if none waits."""
        ...

    async def due_entries(self, now: int, limit: int, after: Due | None = None) -> list[Due]:
        """Due at `now` and without a lease, by time and entry_id, those past `after`."""
        ...

    async def due_for(self, destination: str, now: int, limit: int) -> list[Due]:
        """The first of those that are due for a destination and have no lease."""
        ...

    async def late_destinations(self, arrived: int, limit: int) -> list[tuple[str, int, int]]:
        """Where most is waiting that came by `arrived` and was tried in vain: destination, entries, and when
        the oldest came."""
        ...

    async def queue_figures(self, now: int) -> QueueFigures:
        """How much waits, for watchers."""
        ...


class QueueTx(QueueReader, Protocol):
    async def add_queue_entry(
        self,
        *,
        trace_id: str,
        account_id: AccountId | None,
        reverse_path: str,
        destination: str,
        blob_id: BlobId,
        recipients: Sequence[QueueRecipient],
        arrived: int,
        next_attempt: int,
        body: str = "7BIT",
        smtputf8: bool = False,
        requiretls: bool = False,
        envid: str = "",
        ret: str = "",
        release_at: int = 0,
        language: str = "",
    ) -> int:
        """The number of the entry. An entry with `release_at` is not due before."""
        ...

    async def lease(
        self, entry_ids: Sequence[int], now: int, owner: str, lease_until: int
    ) -> list[QueueEntry]:
        """Those of `entry_ids` that are still due and without a lease, in their order, now with one."""
        ...

    async def release_leases(self, owner_prefix: str) -> int:
        """Give back what owners of that prefix held (a worker that died). Returns how many."""
        ...

    async def update_queue_entry(
        self,
        entry_id: int,
        *,
        recipients: Sequence[QueueRecipient],
        next_attempt: int,
        attempts: int,
        delay_notified: bool,
        reason: str,
        state: QueueState = QueueState.WAITING,
        faults: int = 0,
    ) -> None:
        """Writes the entry back and gives up the lease."""
        ...

    async def remove_queue_entry(self, entry_id: int) -> None:
        """The entry is done; its blob goes when nothing else refers to it."""
        ...
