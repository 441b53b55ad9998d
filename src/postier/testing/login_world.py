"""A Login on a real store, with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.login import Door, Entry, InvalidCredentials, Login, ScramRules
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.sasl.api import Credentials
from postier.store.api import Account, AccountId, AccountKind, Domain, Store, Tx
from postier.store.sqlite import open_sqlite

PEER = "192.0.2.7"
ELSEWHERE = "198.51.100.1"
ALICE = "alice@b.example"
RIGHT = "right"
_numbers = itertools.count()


class Clock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class World:
    """One account: ALICE, with the password "right"."""

    store: Store
    bus: MemoryBus
    clock: Clock
    verifier: PasswordVerifier
    login: Login
    alice: AccountId

    def make_login(self, **options: Any) -> Login:
        return Login(self.store, self.clock, self.verifier, **options)

    async def enter(
        self, password: str = RIGHT, *, name: str = ALICE, peer: str = PEER, protocol: str = "imap"
    ) -> Entry:
        return await self.login.authenticate(Credentials("", name, password), Door(protocol, peer, "s"))

    async def guess(self, *, name: str = ALICE, peer: str = PEER) -> float:
        """A wrong password that was not tried before; the seconds its answer is held back."""
        with pytest.raises(InvalidCredentials) as refused:
            await self.enter(f"wrong {next(_numbers)}", name=name, peer=peer)
        return refused.value.delay

    async def change(self, work: Callable[[Tx], Awaitable[Any]]) -> Any:
        return await self.store.transact(work)

    async def account(self) -> Account:
        return await self.store.reader.account(self.alice)


def in_world(folder: Path, work: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """Run `work`; `options` are Login's."""

    async def whole() -> None:
        bus, clock = MemoryBus(), Clock()
        blobs = LocalBlobs(folder, "test")
        store = await open_sqlite(folder / "postier.db", blobs=blobs, bus=bus, clock=SystemClock(), owner="t")
        verifier = PasswordVerifier(ProofTable(), threads=1, most_waiting=options.pop("most_waiting", 64))
        try:

            async def make(tx: Tx) -> AccountId:
                await tx.add_domain(Domain("b.example", None))
                return await tx.add_account(ALICE, AccountKind.PERSON, hash_password(RIGHT))

            alice = await store.transact(make)
            rules = options.pop("rules", ScramRules("on", 4096))
            login = Login(store, clock, verifier, rules=rules, **options)
            await work(World(store, bus, clock, verifier, login, alice))
            await login.settle()
        finally:
            verifier.close()
            await store.close()

    asyncio.run(whole())
