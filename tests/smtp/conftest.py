"""A small world for the sessions: b.example is ours, with people and aliases, on the real store."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postier.accounts.delivery import deliver, new_message
from postier.accounts.directory import POSTMASTER_META, Directory
from postier.accounts.login import Login
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.accounts.people import add_alias, add_person
from postier.base.address import Address
from postier.base.networks import Networks
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.dns.api import Resolver
from postier.mailauth.dkim.keys import PrivateKey, generate_ed25519
from postier.mailauth.dkim.sign import Signer
from postier.message.analysis import analyse
from postier.net.api import Session
from postier.smtp.inbound.dialogue import InboundServices, InboundSettings, Role
from postier.smtp.inbound.session import inbound_session
from postier.store.api import Domain, Store, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.connection import MemoryConnection
from postier.testing.dns import Zone, ZoneResolver

PASSWORD = "correct horse"
KEY = generate_ed25519()
OPEN: dict[str, object] = {"lmtp_from": Networks(["0.0.0.0/0"])}
_HASH = hash_password(PASSWORD)
_VERIFIER = PasswordVerifier(ProofTable())
_numbers = itertools.count()


class StandingClock:
    """10 November 2026, noon, for ever."""

    def now(self) -> float:
        return 1_794_312_000.0

    def monotonic(self) -> float:
        return 1000.0


@dataclass
class Stored:
    """A message in a mailbox, or in the queue (`destination`, `recipients`)."""

    where: str
    data: bytes
    destination: str = ""
    recipients: tuple[str, ...] = ()


@dataclass
class World:
    """`zone`: the DNS that SPF, DKIM and DMARC see. `key` signs what b.example sends."""

    template: Path
    folder: Path
    zone: Zone = field(default_factory=dict)
    key: PrivateKey = KEY

    @asynccontextmanager
    async def opened(self, **settings: object) -> AsyncIterator[tuple[InboundSettings, InboundServices]]:
        folder = self.folder / str(next(_numbers))
        shutil.copytree(self.template, folder)
        blobs = LocalBlobs(folder, "w0")
        clock = StandingClock()
        store = await open_sqlite(folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="w0")
        services = InboundServices(
            store=store,
            blobs=blobs,
            directory=Directory(store),
            login=Login(store, clock, _VERIFIER, limited=False),
            resolver=self.resolver(),
            clock=clock,
            signers_for=_signers_for,
        )
        try:
            yield InboundSettings("mx.b.example", **{**OPEN, **settings}), services  # type: ignore[arg-type]
        finally:
            await store.close()

    def resolver(self) -> Resolver:
        return ZoneResolver(self.zone)

    def make_session(self, role: Role = Role.MX, **settings: object) -> Callable[[], object]:
        """For transcripts: a new world for each time it is played."""

        @asynccontextmanager
        async def make() -> AsyncIterator[Session]:
            async with self.opened(**settings) as (found, services):
                yield inbound_session(found, services, role)

        return make

    async def converse(
        self,
        said: Sequence[bytes],
        role: Role = Role.MX,
        *,
        tls: bool = False,
        change: Callable[[InboundServices], InboundServices] = lambda services: services,
        after: Callable[[InboundServices], Awaitable[None]] | None = None,
        **settings: object,
    ) -> tuple[str, list[Stored]]:
        """Say each packet when the session is quiet; all it answered, and all that is stored then."""
        async with self.opened(**settings) as (found, services):
            connection = MemoryConnection(tls=tls)
            connection.start(inbound_session(found, change(services), role))
            output = b""
            for packet in said:
                await connection.quiet()
                output += connection.output()
                connection.feed(packet)
            await connection.quiet()
            output += connection.output() + await connection.finish()
            if after is not None:
                await after(services)
            return output.decode(), await stored(services)


async def stored(services: InboundServices) -> list[Stored]:
    reader = services.store.reader
    found = []
    for account in await reader.accounts():
        for mailbox in await reader.mailboxes(account.account_id):
            uids = list(await reader.uids(account.account_id, mailbox.mailbox_id))
            refs = await reader.blob_refs(account.account_id, mailbox.mailbox_id, uids)  # type: ignore[arg-type]
            for uid in uids:
                data = await services.blobs.read(refs[uid])  # type: ignore[index]
                if account.name.startswith("full"):
                    continue
                found.append(Stored(f"{account.name}/{mailbox.name}", data))
    for entry in await reader.queue_entries():
        data = await services.blobs.read(entry.blob)
        paths = tuple(recipient.forward_path for recipient in entry.recipients)
        found.append(Stored("queue", data, entry.destination, paths))
    return found


async def _signers_for(domain: str) -> Sequence[Signer]:
    return (Signer("b.example", "s1", KEY),) if domain == "b.example" else ()


async def _populate(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await tx.add_domain(Domain("b.example", None))

    await store.transact(work)
    for name, quota in (("bob", 0), ("carol", 0), ("full", 100), ("small", 3000)):
        await add_person(store, Address.parse(f"{name}@b.example"), _HASH, quota=quota)
    await add_alias(store, Address.parse("team@b.example"), [_at("bob"), _at("carol")])
    await add_alias(store, Address.parse("crowd@b.example"), [_at("full"), _at("carol")])
    await add_alias(store, Address.parse("dépôt@b.example"), [Address.parse("bob@else.example")])
    await add_alias(store, Address.parse("away@b.example"), [_at("bob"), Address.parse("bob@else.example")])

    async def more(tx: Tx) -> None:
        bob = await tx.account_named("bob@b.example")
        assert bob is not None
        await tx.set_meta(POSTMASTER_META, str(bob.account_id))
        full = await tx.account_named("full@b.example")
        assert full is not None
        blob_id, _ = await tx.add_blob(b"", b"x" * 100)
        message = new_message(analyse(b"x" * 100), blob_id, prefix=b"", internal_date=0)
        await deliver(tx, full.account_id, message)

    await store.transact(more)


def _at(name: str) -> Address:
    return Address.parse(f"{name}@b.example")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")

    async def make() -> None:
        blobs = LocalBlobs(folder, "w0")
        store = await open_sqlite(
            folder / "store.db", blobs=blobs, bus=MemoryBus(), clock=StandingClock(), owner="w0"
        )
        await _populate(store)
        await store.close()

    asyncio.run(make())
    return folder


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    return World(template, tmp_path)
