"""What every engine promises of the device ledger; part of StoreContract."""

from __future__ import annotations

import asyncio
from typing import Any

from postier.store.api import (
    AccountId,
    DeviceCounts,
    DeviceNote,
    KeepDevices,
    MailboxId,
    Store,
    SyncPoint,
)
from postier.testing.store_helpers import Opened, OpenStore, add_person, on_store

__all__ = ["DevicesContract", "note"]

NOW = 1_700_000_000
TODAY = NOW // 86_400
KEEP = KeepDevices(devices=3, points=2, first_day=TODAY - 29)
LARGEST = 2**53


def note(account_id: AccountId, identity: str = "id:imap:K-9 Mail", **changes: Any) -> DeviceNote:
    plain = DeviceNote(account_id, identity, 0, 1, "K-9 Mail", "6", "", "", "TLSv1.3", "192.0.2.1", NOW, NOW)
    return plain._replace(**changes)


async def write(store: Store, *notes: DeviceNote, now: int = NOW, keep: KeepDevices = KEEP) -> None:
    await store.transact(lambda tx: tx.note_devices(notes, now, keep))


class DevicesContract:
    @on_store
    async def test_what_is_noted_is_added_to_what_is_known(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        days = {
            TODAY - 1: DeviceCounts(listing=5, sessions=1),
            TODAY: DeviceCounts(listing=7, bodies=LARGEST),
        }
        await write(store, note(alice, days=days))
        later = note(
            alice, protocols=4, name="", version="7", peer="192.0.2.9", last_seen=NOW + 5, last_sent=NOW
        )
        await write(store, later._replace(days={TODAY: DeviceCounts(listing=1, sent=1)}), now=NOW + 5)
        (device,) = await store.reader.devices(alice)
        assert device[:3] == (alice, 1, "id:imap:K-9 Mail")
        assert (device.protocols, device.name, device.version, device.peer) == (
            5,
            "K-9 Mail",
            "7",
            "192.0.2.9",
        )
        assert (device.first_seen, device.last_seen, device.last_sent) == (NOW, NOW + 5, NOW)
        assert device.counts == DeviceCounts(listing=13, bodies=LARGEST, sessions=1, sent=1)
        assert [
            (day.device_id, day.day, day.counts.listing) for day in await store.reader.device_days(alice)
        ] == [
            (1, TODAY - 1, 5),
            (1, TODAY, 8),
        ]

    def test_two_processes_add_to_one_device(self, open_store: OpenStore) -> None:
        async def run() -> None:
            async with open_store() as one, open_store() as other:
                alice, inbox = await add_person(one.store)
                counts = {TODAY: DeviceCounts(listing=1, sessions=1)}

                async def add(store: Store, first: int) -> None:
                    for number in range(first, first + 20):
                        point = SyncPoint(alice, inbox, 7, told_uid=number, listed_low=number)
                        await write(store, note(alice, days=counts, points=(point,)))

                await asyncio.gather(add(one.store, 100), add(other.store, 110))
                (device,) = await other.store.reader.devices(alice)
                assert (device.counts.listing, device.counts.sessions) == (40, 40)
                (point,) = await one.store.reader.device_points(alice, 1)
                assert (point.told_uid, point.listed_low) == (129, 100)

        asyncio.run(run())

    @on_store
    async def test_each_account_has_devices_of_its_own(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        assert await store.reader.devices(alice) == []
        await write(store, note(alice), note(ben), note(ben, "app:1", app_password=1, last_seen=NOW + 1))
        assert [device.device_id for device in await store.reader.devices(alice)] == [1]
        assert [(d.device_id, d.app_password) for d in await store.reader.devices(ben)] == [(2, 1), (1, 0)]

    @on_store
    async def test_devices_are_bounded_and_those_without_an_app_password_go_first(
        self, opened: Opened
    ) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        await write(store, note(alice, "app:1", app_password=1, last_seen=NOW - 999))
        for number in range(10):
            one = note(
                alice, f"id:imap:{number}", last_seen=NOW + number, days={TODAY: DeviceCounts(sessions=1)}
            )
            await write(store, one._replace(points=(SyncPoint(alice, MailboxId(1), 7),)), now=NOW + number)
        names = [device.identity for device in await store.reader.devices(alice)]
        assert names == ["id:imap:9", "id:imap:8", "app:1"]
        assert len(await store.reader.device_days(alice)) == 2

    @on_store
    async def test_old_days_and_the_points_moved_longest_ago_go(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        one = DeviceCounts(sessions=1)
        await write(store, note(alice, days={TODAY - 30: one, TODAY - 29: one, TODAY: one}))
        assert [day.day for day in await store.reader.device_days(alice)] == [TODAY - 29, TODAY]
        assert (await store.reader.devices(alice))[0].counts.sessions == 3
        for box in (1, 2, 3):
            await write(store, note(alice, points=(SyncPoint(alice, MailboxId(box), 7, at=NOW + box),)))
        assert [point.mailbox_id for point in await store.reader.device_points(alice, 1)] == [2, 3]

    @on_store
    async def test_points_only_rise_while_the_uidvalidity_stays(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        for point in (
            SyncPoint(alice, inbox, 7, 100, 20, 10, 20, 0, NOW),
            SyncPoint(alice, inbox, 7, 90, 30, 5, 12, 8, NOW - 1),
            SyncPoint(alice, inbox, 7),
        ):
            await write(store, note(alice, points=(point,)))
        assert await store.reader.device_points(alice, 1) == [
            SyncPoint(alice, inbox, 7, 100, 30, 5, 20, 8, NOW)
        ]
        await write(store, note(alice, points=(SyncPoint(alice, inbox, 8, 3, 2),)))
        assert await store.reader.device_points(alice, 1) == [SyncPoint(alice, inbox, 8, 3, 2)]

    @on_store
    async def test_a_time_to_come_gives_way_to_a_clock_that_went_back(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        await write(store, note(alice, last_seen=NOW + 10**9), now=NOW + 10**9)
        await write(store, note(alice, last_seen=NOW - 5))
        assert (await store.reader.devices(alice))[0].last_seen == NOW - 5
        await write(store, note(alice, last_seen=NOW - 9))
        assert (await store.reader.devices(alice))[0].last_seen == NOW - 5

    @on_store
    async def test_who_lost_messages_to_pop3_is_found(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        await write(store, note(ben, days={TODAY - 2: DeviceCounts(deleted=1)}))
        await write(store, note(alice, days={TODAY: DeviceCounts(sessions=1)}))
        assert await store.reader.accounts_deleting(TODAY - 2) == [ben]
        assert await store.reader.accounts_deleting(TODAY - 1) == []

    @on_store
    async def test_a_device_keeps_the_name_of_its_app_password(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        number = await store.transact(lambda tx: tx.add_app_password(alice, "Phone", b"verifier"))
        phone = note(alice, f"app:{number}", app_password=number)
        await write(store, phone, note(alice))
        await store.transact(lambda tx: tx.remove_app_password(alice, number))
        await write(store, phone)
        devices = await store.reader.devices(alice)
        assert {device.identity: device.label for device in devices} == {
            phone.identity: "Phone",
            "id:imap:K-9 Mail": "",
        }

    @on_store
    async def test_a_device_is_forgotten_whole(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        full = note(alice, days={TODAY: DeviceCounts(sessions=1)}, points=(SyncPoint(alice, inbox, 7),))
        await write(store, full)
        assert not await store.transact(lambda tx: tx.forget_device(alice, 2))
        assert await store.transact(lambda tx: tx.forget_device(alice, 1))
        assert not await store.transact(lambda tx: tx.forget_device(alice, 1))
        assert await store.reader.devices(alice) == []
        assert await store.reader.device_days(alice) == []
        assert await store.reader.device_points(alice, 1) == []

    @on_store
    async def test_an_account_that_is_gone_has_no_devices(self, opened: Opened) -> None:
        store = opened.store
        alice, inbox = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        full = note(alice, days={TODAY: DeviceCounts(deleted=1)}, points=(SyncPoint(alice, inbox, 7),))
        await write(store, full, note(ben, points=(SyncPoint(alice, inbox, 7),)))
        await store.transact(lambda tx: tx.remove_account(alice))
        await write(store, full, note(ben, name="Mutt"))
        assert await store.reader.devices(alice) == []
        assert await store.reader.device_days(alice) == []
        assert await store.reader.device_points(alice, 1) == []
        assert await store.reader.device_points(ben, 1) == []
        assert [device.name for device in await store.reader.devices(ben)] == ["Mutt"]
