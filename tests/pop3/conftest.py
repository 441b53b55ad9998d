"""A maildrop of plain dicts and lists, for the POP3 session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from postier.accounts.login import Door, InvalidCredentials, TooManyFailures
from postier.blobs.api import BlobRef, BlobUnreadable
from postier.net.api import Session
from postier.pop3.session import Pop3Services, Pop3Settings, pop3_session
from postier.store.api import StoreUnavailable
from postier.testing.login import FakeLogin

CHUNK = 7  # small, so that every message is cut everywhere


@dataclass
class World(FakeLogin):
    """INBOX as {uid: bytes}; `expunged` is what QUIT took away; switches make things fail."""

    messages: dict[int, bytes] = field(default_factory=dict)
    expunged: list[int] = field(default_factory=list)
    store_down: bool = False
    broken_after: int | None = None
    refused: bool = False
    unreadable: set[int] = field(default_factory=set)
    logins: list[tuple[str, str]] = field(default_factory=list)

    # the store
    @property
    def reader(self) -> World:
        return self

    async def mailbox_named(self, account_id: int, name: str) -> Any:
        self._check()
        assert name == "INBOX"
        return SimpleNamespace(account_id=account_id, mailbox_id=1, uidvalidity=0x1234, name=name)

    async def facts(
        self, account_id: int, mailbox_id: int, ranges: Any, columns: Any, limit: int = 0
    ) -> list[tuple[int, int]]:
        self._check()
        assert columns == ("size",)
        ((low, high),) = ranges
        rows = [(uid, len(data)) for uid, data in sorted(self.messages.items()) if low <= uid <= high]
        return rows[:limit]

    async def blob_refs(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> dict[int, BlobRef]:
        self._check()
        return {u: BlobRef("p", u, 0, len(self.messages[u])) for u in uids if u in self.messages}

    async def transact(self, work: Callable[[Any], Awaitable[None]]) -> None:
        await work(self)

    async def expunge(self, account_id: int, mailbox_id: int, uids: list[int]) -> None:
        self._check()
        for uid in uids:
            if self.messages.pop(uid, None) is not None:
                self.expunged.append(uid)

    def _check(self) -> None:
        if self.store_down:
            raise StoreUnavailable("the disk /secret/path is full")

    # the blobs
    async def stream(self, ref: BlobRef) -> AsyncIterator[bytes]:
        data = self.messages[ref.offset]
        if ref.offset in self.unreadable:
            raise BlobUnreadable("pack p")
        for start in range(0, len(data), CHUNK):
            if self.broken_after is not None and start >= self.broken_after:
                raise BlobUnreadable("pack p")
            yield data[start : start + CHUNK]

    # the login
    async def account(self, name: str, password: str, door: Door) -> Any:
        assert door.protocol == "pop3"
        self.logins.append((name, door.peer))
        if self.refused:
            raise TooManyFailures(60)
        if (name, password) != ("tim", "tan staaf"):
            raise InvalidCredentials(0)
        return SimpleNamespace(account_id=1, name="tim")

    def session(self, **settings: Any) -> Session:
        services: Any = self
        return pop3_session(Pop3Services(services, services, services), Pop3Settings(**settings))


@pytest.fixture
def make_world() -> type[World]:
    return World
