"""A real store in a folder of its own, one account in it, and sessions over connections in memory."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.delivery import deliver, new_message
from postier.accounts.login import Door, InvalidCredentials, TooManyFailures
from postier.accounts.mailboxes import create_defaults
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.session.session import ImapSession
from postier.imap.wire.core import ImapServer
from postier.message.analysis import analyse
from postier.net.api import Connection, Session
from postier.store.api import Account, AccountId, AccountKind, Domain, Flag, Store, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.testing.connection import MemoryConnection
from postier.testing.login import FakeLogin

NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 +0000
SETTINGS = ImapSettings(hostname="mail.b.example", allow_plaintext=True)

PLAIN = b"""\
From: Alice <alice@a.example>
To: bob@b.example
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and
 greetings
Date: Tue, 14 Nov 2023 23:30:00 -0500
Message-ID: <1@a.example>
X-Odd: yes

Hello Bob,
the quick brown fox.
""".replace(b"\n", b"\r\n")

MIXED = b"""\
From: Carol <carol@c.example>
To: bob@b.example, dave@d.example
Cc: erin@e.example
Subject: Two parts
Date: Wed, 15 Nov 2023 08:00:00 +0000
Message-ID: <2@c.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=xx

--xx
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

R3LDvMOfZSBhdXMgS8O2bG4=
--xx
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=a.bin

attached bytes
--xx--
""".replace(b"\n", b"\r\n")

NESTED = b"""\
From: Frank <frank@f.example>
To: bob@b.example
Subject: Fwd
Date: Thu, 16 Nov 2023 09:00:00 +0000
Content-Type: message/rfc822

From: inner@i.example
Subject: Inner

Inside text
""".replace(b"\n", b"\r\n")


class StandingClock:
    """Stands until somebody moves `moment`."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> float:
        return float(self.moment)

    def monotonic(self) -> float:
        return 0.0


class PlainLogin(FakeLogin):
    """Anybody in the directory with the password "secret"; "patience" is refused unseen."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def account(self, name: str, password: str, door: Door) -> Account:
        account = await self._store.reader.account_named(name)
        if password == "patience":
            raise TooManyFailures(60.0)
        if account is None or password != "secret":
            raise InvalidCredentials(0.0)
        return account


@dataclass(slots=True)
class World:
    """A store with the account bob@b.example, and what sessions on it need."""

    services: ImapServices
    account_id: AccountId
    settings: ImapSettings = SETTINGS

    plain = PLAIN
    mixed = MIXED
    nested = NESTED

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def clock(self) -> Any:
        return self.services.clock

    def deafen(self) -> None:
        """From now on the bus tells nothing, as that of another process that is late."""
        self.services.bus.publish = lambda topic, number: None  # type: ignore[method-assign]

    async def session(self, connection: Connection) -> None:
        await ImapSession(connection, ImapServer(), self.services, self.settings).run()

    def connect(self, **options: object) -> Client:
        """A client that has not said anything; `options` are MemoryConnection's."""
        client = Client(MemoryConnection(**options))  # type: ignore[arg-type]
        client.connection.start(self.session)
        return client

    async def client(self, *commands: bytes, as_: str = "bob@b.example") -> Client:
        """A client that has logged in and given `commands`."""
        client = self.connect()
        await client.greeting()
        await client.command(b"LOGIN %b secret" % as_.encode())
        for command in commands:
            await client.command(command)
        return client

    async def add_person(self, name: str) -> AccountId:
        return await self.store.transact(lambda tx: _person(tx, name))

    async def deliver(self, data: bytes, *, mailbox: str = "INBOX", flags: int = 0, date: int = NOW) -> Uid:
        async def work(tx: Tx) -> Uid:
            blob_id, _ = await tx.add_blob(b"", data)
            message = new_message(analyse(data), blob_id, prefix=b"", internal_date=date, flags=flags)
            return await deliver(tx, self.account_id, message, mailbox=mailbox)

        return await self.store.transact(work)

    async def fill(self) -> None:
        """The three messages above in INBOX, the first of them \\Seen, a day apart."""
        await self.deliver(PLAIN, flags=Flag.SEEN)
        await self.deliver(MIXED, date=NOW + 86400)
        await self.deliver(NESTED, date=NOW + 2 * 86400)


class Client:
    """The other end of a connection in memory: gives commands, keeps what was answered."""

    def __init__(self, connection: MemoryConnection) -> None:
        self.connection = connection
        self.count = 0

    async def greeting(self) -> bytes:
        await self.connection.quiet()
        return self.connection.output()

    async def send(self, data: bytes) -> bytes:
        """Everything that comes back before the session waits again."""
        self.connection.feed(data)
        await self.connection.quiet()
        return self.connection.output()

    async def attempt(self, command: bytes) -> bytes:
        """The whole answer."""
        self.count += 1
        return await self.send(b"c%d %b\r\n" % (self.count, command))

    async def command(self, command: bytes) -> bytes:
        """The answer without its tagged line, which must be OK."""
        answer = await self.attempt(command)
        start = answer.rfind(b"c%d OK" % self.count)
        assert start >= 0, answer
        return answer[:start]

    async def news(self) -> bytes:
        """What comes unasked, once the bus has been heard."""
        for _ in range(3):
            await asyncio.sleep(0)
        await self.connection.quiet()
        return self.connection.output()


@contextlib.asynccontextmanager
async def open_world(settings: ImapSettings = SETTINGS) -> AsyncIterator[World]:
    """A new store in a folder of its own, gone at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bus, clock = MemoryBus(), StandingClock()
        blobs = LocalBlobs(folder / "blobs", "test")
        store = await open_sqlite(folder / "mail.sqlite", blobs=blobs, bus=bus, clock=clock, owner="test")
        account_id = await store.transact(_bob)
        services = ImapServices(store, blobs, bus, PlainLogin(store), clock)  # type: ignore[arg-type]
        try:
            yield World(services, account_id, settings)
        finally:
            await store.close()
            blobs.close()


async def _bob(tx: Tx) -> AccountId:
    await tx.add_domain(Domain("b.example", None))
    return await _person(tx, "bob@b.example")


async def _person(tx: Tx, name: str) -> AccountId:
    account_id = await tx.add_account(name, AccountKind.PERSON, "")
    await create_defaults(tx, account_id)
    return account_id


@pytest.fixture
def worlds() -> Callable[..., contextlib.AbstractAsyncContextManager[World]]:
    """`async with worlds() as world`: see open_world."""
    return open_world


@pytest.fixture
def in_world() -> Callable[..., None]:
    """`in_world(test)` runs the coroutine function `test(world)` in a loop and a store of its own; keywords
    change the settings."""

    async def main(test: Callable[[World], Awaitable[None]], settings: ImapSettings) -> None:
        async with open_world(settings) as world:
            await test(world)
            await _end_all()

    def run(test: Callable[[World], Awaitable[None]], **changes: object) -> None:
        asyncio.run(main(test, replace(SETTINGS, **changes)))  # type: ignore[arg-type]

    return run


@pytest.fixture
def world_maker() -> Callable[..., contextlib.AbstractAsyncContextManager[World]]:
    """`async with world_maker() as world`, for tests that keep a loop of their own."""
    return open_world


async def _end_all() -> None:
    """Sessions that a test left open end before their store does."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    sessions = [task for task in others if "MemoryConnection" in repr(task)]
    for task in sessions:
        task.cancel()
    await asyncio.gather(*sessions, return_exceptions=True)


@pytest.fixture
def sessions_over_three_messages() -> Callable[..., contextlib.AbstractAsyncContextManager[Session]]:
    """A session maker for testing.transcript: each play has a new store, filled as World.fill says."""

    @contextlib.asynccontextmanager
    async def make(**changes: object) -> AsyncIterator[Session]:
        async with open_world(replace(SETTINGS, **changes)) as world:  # type: ignore[arg-type]
            await world.fill()
            yield world.session

    return make
