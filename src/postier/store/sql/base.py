"""What every noun stands on: a connection to ask, and within a transaction a ledger to note changes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from postier.blobs.api import BlobRef, Spool
from postier.store.api import AccountId, ModSeq
from postier.store.sql.connection import Connection
from postier.store.sql.ledger import Ledger

__all__ = ["BlobSink", "Reads", "Writes"]


class BlobSink(Protocol):
    """The writing side of a Blobs: what an engine needs beside its rows."""

    async def append(self, prefix: bytes, body: Spool | bytes) -> BlobRef:
        """Store the bytes; they are durable once the sink was synced. Raises OSError."""
        ...


class Reads:
    """Asks. `now`: seconds since 1970, to tell which leases are over."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        self._connection = connection
        self._time = now

    async def _settle(self) -> None:
        """A transaction writes what its ledger holds here, before a query that would see it."""

    async def _settle_counters(self) -> None:
        """The like, before a query that sees accounts and mailboxes alone."""


class Writes(Reads):
    """Changes. `now`: the one moment at which all of the transaction happens, seconds since 1970."""

    def __init__(self, connection: Connection, sink: BlobSink, now: int, thread_key: bytes) -> None:
        super().__init__(connection, lambda: now)
        self._ledger = Ledger(connection)
        self._sink = sink
        self._now = now
        self._thread_key = thread_key
        self.stored: list[Spool] = []
        """The spools whose bytes this transaction took."""

    async def _settle(self) -> None:
        await self._ledger.settle()

    async def _settle_counters(self) -> None:
        await self._ledger.settle_counters()

    async def settle(self) -> None:
        """Write what the ledger still holds. Whoever runs the work calls this at its end."""
        await self._ledger.settle()

    def stamp(self, account_id: AccountId) -> ModSeq | None:
        account = self._ledger.accounts.get(account_id)
        return ModSeq(account.modseq) if account is not None and account.touched else None

    @property
    def topics(self) -> dict[int, int]:
        """What the bus shall hear after the commit: topic and number."""
        return self._ledger.topics
