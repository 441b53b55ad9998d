"""How the tests of the store open it and fill it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from postier.base.clock import Clock
from postier.blobs.api import Blobs
from postier.bus.api import Bus
from postier.store.api import AccountId, AccountKind, BlobId, MailboxId, NewMessage, Store, Tx

__all__ = ["OpenStore", "Opened", "SettableClock", "add_person", "letter", "on_store"]


class SettableClock:
    """A clock that stands still until it is told."""

    def __init__(self, seconds: float = 1_700_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Opened:
    """An open store and what it was opened with."""

    store: Store
    blobs: Blobs
    bus: Bus


class OpenStore(Protocol):
    """Opens the one store of a test, again each time it is called; several may be open at once."""

    def __call__(self, clock: Clock | None = None) -> AbstractAsyncContextManager[Opened]: ...


Test = Callable[[Any, Opened], Awaitable[None]]


def on_store(test: Test) -> Callable[[Any, OpenStore], None]:
    """Run an async test with a store opened for it."""

    def run(self: Any, open_store: OpenStore) -> None:
        async def with_store() -> None:
            async with open_store() as opened:
                await test(self, opened)

        asyncio.run(with_store())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def add_person(
    store: Store, name: str = "alice@orchard.test", *, quota: int = 0
) -> tuple[AccountId, MailboxId]:
    """An account and its INBOX."""

    async def work(tx: Tx) -> tuple[AccountId, MailboxId]:
        account_id = await tx.add_account(name, AccountKind.PERSON, "", quota=quota)
        return account_id, (await tx.create_mailbox(account_id, "INBOX")).mailbox_id

    return await store.transact(work)


def letter(blob_id: BlobId, **changes: Any) -> NewMessage:
    """A message of 100 bytes that belongs to no conversation, unless `changes` says otherwise."""
    plain = NewMessage(
        blob_id=blob_id,
        size=100,
        internal_date=1_600_000_000,
        sent_date=1_500_000_000,
        envelope=b"(envelope)",
        body_structure=b"(structure)",
        parts=b"\x00parts",
        header=b"Subject: A letter\r\n",
        preview="Dear \N{SNOWMAN}",
        base_subject="a letter",
        message_id="",
    )
    return plain._replace(**changes)
