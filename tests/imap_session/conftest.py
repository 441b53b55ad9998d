"""A real store in a folder of its own, one account in it, and sessions over connections in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from postier.accounts.delivery import deliver, new_message
from postier.accounts.login import InvalidCredentials
from postier.accounts.mailboxes import create_defaults
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.session.session import ImapSession
from postier.imap.wire.core import ImapServer
from postier.message.analysis import analyse
from postier.net.api import Connection
from postier.store.api import Account, AccountId, AccountKind, Domain, Store, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.testing.connection import MemoryConnection

NOW = 1_700_000_000
SETTINGS = ImapSettings(hostname="mail.b.example", allow_plaintext=True)


class StandingClock:
    def now(self) -> float:
        return float(NOW)

    def monotonic(self) -> float:
        return 0.0


class OneLogin:
    """Anybody in the directory with the password "secret"."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def authenticate(self, name: str, password: str, *, peer: str, protocol: str) -> Account:
        account = await self._store.reader.account_named(name)
        if account is None or password != "secret":
            raise InvalidCredentials(0.0)
        return account


@dataclass
class World:
    """A store with the account bob@b.example, and what sessions on it need."""

    services: ImapServices
    account_id: AccountId
    settings: ImapSettings = SETTINGS

    @property
    def store(self) -> Store:
        return self.services.store

    async def session(self, connection: Connection) -> None:
        await ImapSession(connection, ImapServer(), self.services, self.settings).run()

    async def client(self, *commands: bytes) -> Client:
        """A client that has logged in and given `commands`."""
        client = Client(MemoryConnection())
        client.connection.start(self.session)
        await client.connection.quiet()
        client.connection.output()
        await client.command(b"LOGIN bob@b.example secret")
        for command in commands:
            await client.command(command)
        return client

    async def deliver(self, data: bytes, *, mailbox: str = "INBOX", flags: int = 0, date: int = NOW) -> Uid:
        async def work(tx: Tx) -> Uid:
            blob_id, _ = await tx.add_blob(b"", data)
            message = new_message(analyse(data), blob_id, prefix=b"", internal_date=date, flags=flags)
            return await deliver(tx, self.account_id, message, mailbox=mailbox)

        return await self.store.transact(work)


class Client:
    """The other end of a connection in memory: gives commands, keeps what was answered."""

    def __init__(self, connection: MemoryConnection) -> None:
        self.connection = connection
        self.count = 0

    async def send(self, data: bytes) -> bytes:
        """Everything that comes back before the session waits again."""
        self.connection.feed(data)
        await self.connection.quiet()
        return self.connection.output()

    async def command(self, command: bytes) -> bytes:
        """The whole answer; the tagged response must be OK."""
        answer = await self.attempt(command)
        assert answer.splitlines()[-1].startswith(b"c%d OK" % self.count), answer
        return answer

    async def attempt(self, command: bytes) -> bytes:
        self.count += 1
        return await self.send(b"c%d %b\r\n" % (self.count, command))

    async def untagged(self, command: bytes) -> bytes:
        """The answer without its tagged line."""
        answer = await self.command(command)
        return answer[: answer.rindex(b"c%d OK" % self.count)]


@contextlib.asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """A new store in `folder`, closed at the end."""
    bus, clock = MemoryBus(), StandingClock()
    blobs = LocalBlobs(folder / "blobs", "test")
    store = await open_sqlite(folder / "mail.sqlite", blobs=blobs, bus=bus, clock=clock, owner="test")

    async def work(tx: Tx) -> AccountId:
        await tx.add_domain(Domain("b.example", None))
        account_id = await tx.add_account("bob@b.example", AccountKind.PERSON, "")
        await create_defaults(tx, account_id)
        return account_id

    account_id = await store.transact(work)
    services = ImapServices(store, blobs, bus, OneLogin(store), clock)  # type: ignore[arg-type]
    try:
        yield World(services, account_id)
    finally:
        await store.close()


@pytest.fixture
def run_world(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    """`run_world(test)` runs the coroutine function `test(world)` in a loop of its own."""

    async def main(test: Callable[[World], Awaitable[None]]) -> None:
        async with open_world(tmp_path) as world:
            await test(world)

    return lambda test: asyncio.run(main(test))
