"""What a POP3 session tells the ledger of devices, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from postier.accounts import people
from postier.accounts.delivery import deliver, new_message
from postier.accounts.devices import DeviceLedger
from postier.accounts.login import Login
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.base.address import Address
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.message.analysis import analyse
from postier.net.api import Session
from postier.pop3.session import Pop3Services, Pop3Settings, pop3_session
from postier.store.api import Account, Device, Domain, Store, SyncPoint, Tx, Uid
from postier.store.sqlite import open_sqlite
from postier.testing.connection import MemoryConnection
from postier.testing.store_helpers import SettableClock

TIM = Address.parse("tim@a.example")
SMALL = b"Subject: small\r\n\r\n.Hello\r\n"
LINE = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\r\n"
BIG = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nText\r\n--x\r\n"
    b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + LINE * 300 + b"\r\n--x--\r\n"
)


class House:
    def __init__(self, store: Store, session: Session, ledger: DeviceLedger) -> None:
        self.store, self.session, self.ledger = store, session, ledger

    async def tim(self) -> Account:
        account = await self.store.reader.account_named(TIM.lookup_key)
        assert account is not None
        return account

    async def deliver(self, data: bytes) -> Uid:
        account = await self.tim()

        async def work(tx: Tx) -> Uid:
            blob_id, _ = await tx.add_blob(b"", data)
            message = new_message(analyse(data), blob_id, prefix=b"", internal_date=1)
            return await deliver(tx, account.account_id, message)

        return await self.store.transact(work)

    async def talk(self, said: bytes, peer: str = "192.0.2.1") -> MemoryConnection:
        connection = MemoryConnection(tls=True, peer=(peer, 1))
        connection.start(self.session)
        connection.feed(b"USER Tim@a.example\r\nPASS secret\r\n")
        await connection.quiet()
        connection.feed(said)
        await connection.finish()
        return connection

    async def devices(self) -> list[Device]:
        await self.ledger.write()
        return await self.store.reader.devices((await self.tim()).account_id)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    clock, bus, blobs = SettableClock(), MemoryBus(), LocalBlobs(folder, "test")
    store = await open_sqlite(folder / "postier.db", blobs=blobs, bus=bus, clock=clock, owner="test")
    verifier = PasswordVerifier(ProofTable())
    ledger = DeviceLedger(store, clock)
    login = Login(store, clock, verifier, limited=False)
    services = Pop3Services(store, blobs, login, clock=clock, devices=ledger)
    try:
        await store.transact(lambda tx: tx.add_domain(Domain("a.example", None)))
        await people.add_person(store, TIM, hash_password("secret"))
        yield House(store, pop3_session(services, Pop3Settings()), ledger)
    finally:
        verifier.close()
        await store.close()


def test_octets_are_told_by_kind_and_all_of_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as here:
            await here.deliver(SMALL)
            await here.deliver(BIG)
            connection = await here.talk(b"STAT\r\nUIDL\r\nTOP 2 0\r\nRETR 1\r\nRETR 2\r\nRETR 9\r\nQUIT\r\n")
            (device,) = await here.devices()
            counts = device.counts
            assert counts.attachments == 300 * len(LINE)
            assert counts.bodies == len(SMALL) + len(BIG) - counts.attachments
            assert counts.content_out == counts.wire_out == connection.bytes_out
            assert counts.content_in == counts.wire_in == connection.bytes_in
            assert (counts.sessions, counts.deleted, counts.uploads) == (1, 0, 0)
            assert (device.identity, device.tls, device.peer) == (
                "net:pop3:192.0.2.0/24",
                "TLSv1.3",
                "192.0.2.1",
            )

    asyncio.run(main())


def test_how_far_it_has_come_and_what_it_removed(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as here:
            for data in (SMALL, BIG, SMALL):
                await here.deliver(data)
            await here.talk(b"STAT\r\nQUIT\r\n")
            (device,) = await here.devices()
            account_id = (await here.tim()).account_id
            (point,) = await here.store.reader.device_points(account_id, device.device_id)
            assert point[4:8] == (3, 0, 0, 0)
            await here.talk(b"UIDL\r\nRETR 2\r\nDELE 2\r\nDELE 1\r\n")  # no QUIT: nothing goes
            (device,) = await here.devices()
            assert (device.counts.sessions, device.counts.deleted) == (2, 0)
            await here.talk(b"DELE 2\r\nDELE 1\r\nQUIT\r\n")
            (device,) = await here.devices()
            assert (device.counts.deleted, device.counts.deleted_octets) == (2, len(SMALL) + len(BIG))
            (point,) = await here.store.reader.device_points(account_id, device.device_id)
            assert isinstance(point, SyncPoint)
            assert point[4:8] == (3, 1, 3, 2)

    asyncio.run(main())


def test_a_device_in_two_networks_with_the_accounts_password_looks_like_two(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as here:
            for peer in ("192.0.2.1", "192.0.2.200", "2001:db8:7::1", "2001:db8:7:9::1", "198.51.100.1"):
                await here.talk(b"STAT\r\nQUIT\r\n", peer)
            assert sorted((d.identity, d.counts.sessions) for d in await here.devices()) == [
                ("net:pop3:192.0.2.0/24", 2),
                ("net:pop3:198.51.100.0/24", 1),
                ("net:pop3:2001:db8:7::/48", 2),
            ]

    asyncio.run(main())


def test_an_empty_maildrop_is_noted_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as here:
            await here.talk(b"UIDL\r\nLIST\r\nRETR 1\r\nQUIT\r\n")
            (device,) = await here.devices()
            assert (device.counts.bodies, device.counts.sessions) == (0, 1)

    asyncio.run(main())
