"""Several devices of one person, on the real store: each gets everything once, and nothing is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from postier.accounts import mailboxes, people
from postier.accounts.login import Door, Entry
from postier.accounts.pop3_rules import Pop3Usual, change_rules
from postier.accounts.resting import bring_back, expire_resting
from postier.base.address import Address
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.net.api import Session
from postier.pop3.session import Pop3Services, Pop3Settings, pop3_session
from postier.pop3.snapshots import Snapshots
from postier.sasl.api import Credentials, Proof
from postier.store.api import AccountId, Domain, Mailbox, NewMessage, Store, StoreUnavailable, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.testing.connection import MemoryConnection
from postier.testing.login import FakeLogin
from postier.testing.store_audit import audit
from postier.testing.store_helpers import SettableClock

DAY = 24 * 3600
TIM = Address.parse("tim@a.example")


class DeviceLogin(FakeLogin):
    """The password says which app password it is."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def authenticate(self, proof: Proof, door: Door) -> Entry:
        assert isinstance(proof, Credentials)
        account = await self.store.reader.account_named(proof.authentication_id)
        assert account is not None
        return Entry(account, int(proof.password))


class House:
    """A server with one person in it."""

    def __init__(self, folder: Path, store: Store, blobs: LocalBlobs, clock: SettableClock) -> None:
        self.folder, self.store, self.blobs, self.clock = folder, store, blobs, clock
        self.usual = Pop3Usual()
        self.snapshots = Snapshots()
        self.person = AccountId(1)

    def session(self) -> Session:
        login: Any = DeviceLogin(self.store)
        services = Pop3Services(self.store, self.blobs, login, clock=self.clock, snapshots=self.snapshots)
        return pop3_session(services, Pop3Settings(usual=self.usual))

    async def connect(self, device: int) -> MemoryConnection:
        connection = MemoryConnection(tls=True)
        connection.start(self.session())
        connection.feed(b"USER tim@a.example\r\nPASS %d\r\n" % device)
        await connection.quiet()
        connection.output()
        return connection

    async def say(self, device: int, text: str) -> bytes:
        connection = await self.connect(device)
        connection.feed(text.encode())
        return await connection.finish()

    async def ids(self, device: int) -> list[str]:
        lines = (await self.say(device, "UIDL\r\n")).decode().split("\r\n")[1:-2]
        return [line.split()[1] for line in lines]

    async def fetch_and_delete(self, device: int) -> list[bytes]:
        """As a program does that leaves nothing behind: the texts it got."""
        count = len(await self.ids(device))
        fetched = "".join(f"RETR {number}\r\nDELE {number}\r\n" for number in range(1, count + 1))
        return re.findall(rb"body \d+", await self.say(device, fetched + "QUIT\r\n"))

    async def inbox(self) -> Mailbox:
        return await mailboxes.find(self.store.reader, self.person, "INBOX")

    async def deliver(self, *numbers: int) -> None:
        inbox = await self.inbox()

        async def work(tx: Tx) -> None:
            for number in numbers:
                blob_id, ref = await tx.add_blob(b"", b"Subject: x\r\n\r\nbody %d\r\n" % number)
                new = NewMessage(blob_id, ref.size, 1, 1, b"", b"", b"", b"", "", "", "")
                await tx.append(self.person, inbox.mailbox_id, [new])

        await self.store.transact(work)

    async def place(self) -> Mailbox:
        return await mailboxes.find(self.store.reader, self.person, "Fetched by POP3")


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    clock, blobs = SettableClock(), LocalBlobs(folder, "test")
    store = await open_sqlite(folder / "postier.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="test")
    house = House(folder, store, blobs, clock)
    if await store.reader.account_named(TIM.lookup_key) is None:
        await store.transact(lambda tx: tx.add_domain(Domain("a.example", None)))
        house.person = await people.add_person(store, TIM, "")
    try:
        yield house
    finally:
        await store.close()
    assert await audit(folder / "postier.db", blobs) == []


@pytest.fixture
def in_house(tmp_path: Path) -> Callable[[Callable[[House], Awaitable[None]]], None]:
    def run(story: Callable[[House], Awaitable[None]]) -> None:
        async def main() -> None:
            async with open_house(tmp_path) as house:
                await story(house)

        asyncio.run(main())

    return run


def test_two_devices_each_get_everything_once(in_house: Any) -> None:
    async def story(house: House) -> None:
        await house.deliver(1, 2, 3)
        before = await house.ids(7)
        assert await house.fetch_and_delete(7) == [b"body 1", b"body 2", b"body 3"]
        assert await house.ids(7) == []
        assert await house.ids(8) == before  # the same unique-ids, though the messages rest by now
        await house.deliver(4)
        assert await house.fetch_and_delete(8) == [b"body 1", b"body 2", b"body 3", b"body 4"]
        assert await house.ids(8) == []
        assert await house.fetch_and_delete(7) == [b"body 4"]
        assert (await house.inbox()).messages == 0
        assert (await house.place()).messages == 4  # for a third device, and for IMAP
        house.clock.seconds += 30 * DAY + 1
        await expire_resting(house.store, house.clock.now())
        assert (await house.place()).messages == 0

    in_house(story)


def test_the_own_password_is_one_device(in_house: Any) -> None:
    async def story(house: House) -> None:
        await house.deliver(1)
        assert await house.fetch_and_delete(0) == [b"body 1"]
        assert await house.fetch_and_delete(0) == []
        assert await house.fetch_and_delete(1) == [b"body 1"]

    in_house(story)


def test_a_session_goes_on_while_another_device_deletes(in_house: Any) -> None:
    """What came to rest in the middle of a session is still fetched, and deleted, by its number."""

    async def story(house: House) -> None:
        await house.deliver(1, 2)
        slow = await house.connect(8)
        assert await house.fetch_and_delete(7) == [b"body 1", b"body 2"]
        slow.feed(b"RETR 2\r\nTOP 1 9\r\nDELE 2\r\nQUIT\r\n")
        output = await slow.finish()
        assert b"body 2" in output
        assert b"body 1" in output
        assert output.endswith(b"+OK Goodbye\r\n")
        assert await house.fetch_and_delete(8) == [b"body 1"]

    in_house(story)


def test_two_sessions_of_a_device_delete_the_same(in_house: Any) -> None:
    async def story(house: House) -> None:
        await house.deliver(1, 2)
        one, two = await house.connect(7), await house.connect(7)
        one.feed(b"DELE 1\r\nDELE 2\r\nQUIT\r\n")
        assert (await one.finish()).endswith(b"+OK Goodbye\r\n")
        two.feed(b"DELE 1\r\nQUIT\r\n")
        assert (await two.finish()).endswith(b"+OK Goodbye\r\n")
        assert (await house.place()).messages == 2
        assert await house.ids(7) == []

    in_house(story)


def test_what_imap_expunged_is_told_and_quit_goes_well(in_house: Any) -> None:
    async def story(house: House) -> None:
        await house.deliver(1, 2)
        connection = await house.connect(7)
        inbox = await house.inbox()
        await house.store.transact(lambda tx: tx.expunge(house.person, inbox.mailbox_id, [Uid(1)]))
        connection.feed(b"RETR 1\r\nTOP 1 1\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n")
        assert (await connection.finish()).splitlines() == [
            b"-ERR The message was removed meanwhile",
            b"-ERR The message was removed meanwhile",
            b"+OK",
            b"+OK",
            b"+OK Goodbye",
        ]
        assert (await house.place()).messages == 1

    in_house(story)


def test_brought_back_it_is_there_again_for_all(in_house: Any) -> None:
    async def story(house: House) -> None:
        await house.deliver(1, 2)
        old = await house.ids(7)
        await house.fetch_and_delete(7)
        await house.fetch_and_delete(8)
        place, inbox = await house.place(), await house.inbox()
        await house.store.transact(
            lambda tx: tx.move(house.person, place.mailbox_id, [Uid(1)], inbox.mailbox_id)
        )
        assert await house.fetch_and_delete(8) == [b"body 1"]
        assert await house.fetch_and_delete(7) == [b"body 1"]
        assert await bring_back(house.store, house.person) == 2
        new = await house.ids(7)
        assert len(new) == 2
        assert not set(new) & set(old)

    in_house(story)


def test_switched_off_deleted_is_gone(in_house: Any) -> None:
    async def story(house: House) -> None:
        await house.deliver(1, 2)
        await house.say(7, "DELE 1\r\nQUIT\r\n")
        await change_rules(house.store, house.person, lambda rules: rules._replace(rest=False))
        assert len(await house.ids(8)) == 1  # what rests is for IMAP alone now
        await house.say(7, "DELE 1\r\nQUIT\r\n")
        assert (await house.place()).messages == 1
        house.usual = Pop3Usual(rest=0)
        await change_rules(house.store, house.person, lambda rules: rules._replace(rest=True))
        assert len(await house.ids(8)) == 1

    in_house(story)


def test_nothing_is_deleted_where_the_commit_fails(in_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: House) -> None:
        await house.deliver(1, 2)
        connection = await house.connect(7)

        async def fail(*_: object) -> None:
            raise StoreUnavailable("disk full")

        monkeypatch.setattr("postier.store.sql.resting.RestingTx.note_deleted", fail)
        connection.feed(b"DELE 1\r\nDELE 2\r\nQUIT\r\n")
        assert (await connection.finish()).endswith(b"-ERR [SYS/TEMP] Temporary failure, try later\r\n")
        monkeypatch.undo()
        assert (await house.inbox()).messages == 2
        assert len(await house.ids(7)) == 2
        assert await house.store.reader.resting_of(house.person) == []

    in_house(story)


def test_unique_ids_are_for_ever(tmp_path: Path) -> None:
    """docs/pop3.md: made of INBOX's UIDVALIDITY and the UID there; flags, restarts and resting change
    nothing, and what comes into INBOX anew is new."""

    async def first() -> list[str]:
        async with open_house(tmp_path) as house:
            await house.deliver(1, 2, 3)
            inbox = await house.inbox()
            before = await house.ids(7)
            assert all(re.fullmatch(r"[\x21-\x7e]{1,70}", one) for one in before)
            await house.say(7, "DELE 2\r\nQUIT\r\n")
            assert await house.ids(8) == before

            async def away_and_back(tx: Tx) -> None:
                archive = await tx.mailbox_named(house.person, "Archive")
                assert archive is not None
                await tx.copy(house.person, inbox.mailbox_id, [Uid(1)], house.person, inbox.mailbox_id)
                await tx.copy(house.person, inbox.mailbox_id, [Uid(1)], house.person, inbox.mailbox_id)
                await tx.move(house.person, inbox.mailbox_id, [Uid(3)], archive.mailbox_id)
                await tx.move(house.person, archive.mailbox_id, [Uid(1)], inbox.mailbox_id)

            await house.store.transact(away_and_back)
            after = await house.ids(8)
            assert after[:2] == before[:2]
            assert len(set(after) | set(before)) == 6
            return after

    async def second() -> list[str]:
        async with open_house(tmp_path) as house:
            return await house.ids(8)

    assert asyncio.run(first()) == asyncio.run(second())


def test_the_login_delay_is_kept_and_told(in_house: Any) -> None:
    """RFC 2449 6.5 and 8.1.1: before the login it may be another's, after it one's own."""

    async def story(house: House) -> None:
        house.usual = Pop3Usual(expire=90 * DAY, login_delay=60)
        capa = MemoryConnection(tls=True)
        capa.start(house.session())
        capa.feed(b"CAPA\r\n")
        said = await capa.finish()
        assert b"\r\nLOGIN-DELAY 60\r\n" in said
        assert b"\r\nEXPIRE 90\r\n" in said
        await house.connect(7)
        again = MemoryConnection(tls=True)
        again.start(house.session())
        again.feed(b"USER tim@a.example\r\nPASS 7\r\nUSER tim@a.example\r\nPASS 8\r\n")
        said = await again.finish()
        assert b"-ERR [LOGIN-DELAY] Too soon after the last login, wait 60 s\r\n" in said
        assert said.endswith(b"+OK 0 messages\r\n")
        await change_rules(
            house.store, house.person, lambda rules: rules._replace(login_delay=0, expire=30 * DAY)
        )
        said = await house.say(7, "CAPA\r\n")
        assert b"\r\nEXPIRE 30\r\n" in said
        assert b"LOGIN-DELAY" not in said
        capa = MemoryConnection(tls=True)
        capa.start(house.session())
        capa.feed(b"CAPA\r\n")
        said = await capa.finish()
        assert b"\r\nLOGIN-DELAY 60 USER\r\n" in said
        assert b"\r\nEXPIRE 30 USER\r\n" in said

    in_house(story)


def test_one_store_may_be_left_in_the_middle(tmp_path: Path) -> None:
    """A connection that breaks has deleted nothing, whatever was marked."""

    async def story() -> None:
        async with open_house(tmp_path) as house:
            await house.deliver(*range(10))
            await house.say(7, "".join(f"DELE {number}\r\n" for number in range(1, 11)))
            assert len(await house.ids(7)) == 10

    asyncio.run(story())


def test_what_is_remembered_of_a_maildrop_is_never_old(in_house: Any) -> None:
    """Snapshots are kept from login to login."""

    async def story(house: House) -> None:
        await house.deliver(*range(150))
        ids = await house.ids(7)
        assert await house.ids(7) == ids
        await house.deliver(150)
        assert len(await house.ids(7)) == 151
        await house.say(8, "DELE 1\r\nDELE 2\r\nQUIT\r\n")
        assert len(await house.ids(7)) == 151
        assert len(await house.ids(8)) == 149
        await house.say(7, "DELE 2\r\nQUIT\r\n")
        assert (await house.ids(7))[:2] == [ids[0], ids[2]]
        await change_rules(house.store, house.person, lambda rules: rules._replace(rest=False))
        assert len(await house.ids(7)) == 149
        await change_rules(house.store, house.person, lambda rules: rules._replace(rest=True))
        assert len(await house.ids(7)) == 150
        house.clock.seconds += 30 * DAY + 1
        await expire_resting(house.store, house.clock.now())
        assert len(await house.ids(7)) == 149

    in_house(story)


def test_snapshots_have_a_bound(monkeypatch: pytest.MonkeyPatch, in_house: Any) -> None:
    async def story(house: House) -> None:
        monkeypatch.setattr("postier.pop3.snapshots.ROOM", 550)
        await house.deliver(*range(150))
        for device in (1, 2, 3, 1):
            assert len(await house.ids(device)) == 150
        assert len(house.snapshots._kept) == 2
        assert house.snapshots._messages == 500

    in_house(story)


def test_many_go_in_steps(in_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 1939 6: where a step fails, those before it have gone, and rest; nothing is lost."""

    async def story(house: House) -> None:
        monkeypatch.setattr("postier.pop3.maildrop.REMOVED_AT_ONCE", 4)
        await house.deliver(*range(10))
        connection = await house.connect(7)
        connection.feed("".join(f"DELE {number}\r\n" for number in range(1, 11)).encode())
        await connection.quiet()
        connection.output()
        steps = 0
        transact = house.store.transact

        async def sometimes(work: Any, *, durable: bool = True) -> Any:
            nonlocal steps
            steps += 1
            if steps == 2:
                raise StoreUnavailable("disk full")
            return await transact(work, durable=durable)

        monkeypatch.setattr(house.store, "transact", sometimes)
        connection.feed(b"QUIT\r\n")
        assert await connection.finish() == b"-ERR [SYS/TEMP] Temporary failure, try later\r\n"
        monkeypatch.undo()
        assert (await house.inbox()).messages == 6
        assert (await house.place()).messages == 4
        assert len(await house.ids(7)) == 6

    in_house(story)


@pytest.mark.parametrize("seed", range(4))
def test_many_devices_at_once_each_get_every_message_once(in_house: Any, seed: int) -> None:
    """Sessions overlap, break, and take only some; mail comes meanwhile."""

    async def story(house: House) -> None:
        random = Random(seed)
        delivered = 0
        got: dict[int, list[bytes]] = {device: [] for device in range(4)}

        async def visit(device: int, *, all_: bool) -> None:
            connection = await house.connect(device)
            connection.feed(b"STAT\r\n")
            await connection.quiet()
            count = int(connection.output().split()[1])
            chosen = [n for n in range(1, count + 1) if all_ or random.random() < 0.6]
            connection.feed("".join(f"RETR {n}\r\nDELE {n}\r\n" for n in chosen).encode())
            await connection.quiet()
            await asyncio.sleep(0)
            fetched = re.findall(rb"body \d+", connection.output())
            assert len(fetched) == len(chosen)
            if all_ or random.random() < 0.7:
                connection.feed(b"QUIT\r\n")
                got[device] += fetched
            await connection.finish()

        for _ in range(6):
            arriving = range(delivered, delivered := delivered + random.randrange(1, 9))
            await asyncio.gather(house.deliver(*arriving), *(visit(device, all_=False) for device in got))
        for device in got:
            await visit(device, all_=True)
        for fetched in got.values():
            assert sorted(fetched) == sorted(b"body %d" % number for number in range(delivered))

    in_house(story)
