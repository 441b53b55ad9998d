"""A maildrop of plain dicts and lists, for the POP3 session."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from postier.accounts.login import Door, InvalidCredentials, TooManyFailures
from postier.blobs.api import BlobRef, BlobUnreadable
from postier.net.api import Session
from postier.pop3.session import Pop3Services, Pop3Settings, pop3_session
from postier.store.api import Pop3Extremes, Pop3Rules, StoreUnavailable
from postier.testing.login import FakeLogin
from postier.testing.store_helpers import SettableClock

CHUNK = 7  # small, so that every message is cut everywhere


@dataclass
class World(FakeLogin):
    """INBOX as {uid: bytes}; `expunged` is what QUIT took away; switches make things fail."""

    messages: dict[int, bytes] = field(default_factory=dict)
    expunged: list[int] = field(default_factory=list)
    rules: Pop3Rules = Pop3Rules(rest=False)  # noqa: RUF009 - a value
    last_login: float = 0.0
    chunk: int = CHUNK
    language: str = ""
    clock: SettableClock = field(default_factory=SettableClock)
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

    async def size_columns(
        self, account_id: int, mailbox_id: int, first: int, limit: int
    ) -> tuple[array[int], array[int]]:
        self._check()
        rows = [(uid, len(data)) for uid, data in sorted(self.messages.items()) if uid >= first][:limit]
        return array("I", [uid for uid, _ in rows]), array("Q", [size for _, size in rows])

    async def pop3_rules(self, account_id: int) -> Pop3Rules:
        self._check()
        return self.rules

    async def pop3_extremes(self) -> Pop3Extremes:
        self._check()
        return Pop3Extremes()

    async def pop3_login(self, account_id: int, device: int) -> float:
        return self.last_login

    async def note_pop3_login(self, account_id: int, device: int, at: float) -> None:
        self.last_login = at

    async def resting(self, account_id: int, validity: int, origin: int) -> None:
        self._check()

    async def note_deleted(self, account_id: int, validity: int, origins: Any, device: int) -> None:
        self._check()

    async def domain(self, name: str) -> None:
        self._check()

    async def blob_refs(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> dict[int, BlobRef]:
        self._check()
        return {u: BlobRef("p", u, 0, len(self.messages[u])) for u in uids if u in self.messages}

    async def transact(self, work: Callable[[Any], Awaitable[None]], *, durable: bool = True) -> None:
        await work(self)

    async def expunge(self, account_id: int, mailbox_id: int, uids: list[int]) -> list[int]:
        self._check()
        gone = [uid for uid in uids if self.messages.pop(uid, None) is not None]
        self.expunged += gone
        return gone

    def _check(self) -> None:
        if self.store_down:
            raise StoreUnavailable("the disk /secret/path is full")

    # the blobs
    async def stream(self, ref: BlobRef) -> AsyncIterator[bytes]:
        data = self.messages[ref.offset]
        if ref.offset in self.unreadable:
            raise BlobUnreadable("pack p")
        for start in range(0, len(data), self.chunk):
            if self.broken_after is not None and start >= self.broken_after:
                raise BlobUnreadable("pack p")
            yield data[start : start + self.chunk]

    # the login
    async def account(self, name: str, password: str, door: Door) -> Any:
        assert door.protocol == "pop3"
        self.logins.append((name, door.peer))
        if self.refused:
            raise TooManyFailures(60)
        if (name, password) != ("tim", "tan staaf"):
            raise InvalidCredentials(0)
        return SimpleNamespace(account_id=1, name="tim@a.example", language=self.language, modseq=1)

    def session(self, **settings: Any) -> Session:
        services: Any = self
        stands_on = Pop3Services(services, services, services, clock=self.clock)
        return pop3_session(stands_on, Pop3Settings(**settings))


@pytest.fixture
def make_world() -> type[World]:
    return World
