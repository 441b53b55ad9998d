"""What an IMAP session tells the ledger of devices: checked against the octets of the connection itself."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

from postier.accounts.devices import DeviceLedger
from postier.message.analysis import analyse
from postier.message.parts import PartIndex
from postier.store.api import Device, SyncPoint

BLOCK = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\r\n"
BIG = (
    b"From: Carol <carol@c.example>\r\nSubject: Holidays\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=xx\r\n\r\n--xx\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    b"--xx\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + BLOCK * 250
    + b"\r\n--xx--\r\n"
)
PICTURE = len(BLOCK) * 250


async def metered(world: Any) -> DeviceLedger:
    ledger = DeviceLedger(world.store, world.clock)
    world.services = replace(world.services, devices=ledger)
    return ledger


async def noted(world: Any) -> Device:
    await world.services.devices.write()
    (device,) = await world.store.reader.devices(world.account_id)
    return device  # type: ignore[no-any-return]


async def point(world: Any, device: Device) -> SyncPoint:
    (found,) = await world.store.reader.device_points(world.account_id, device.device_id)
    return found  # type: ignore[no-any-return]


def test_the_index_of_parts_tells_what_is_attached() -> None:
    parts = PartIndex.decode(analyse(BIG).parts)
    assert parts.attached(0, len(BIG)) == PICTURE
    start = BIG.index(BLOCK)
    assert parts.attached(start, start + 10) == 10
    assert parts.attached(start - 5, start + 5) == 5
    assert parts.attached(0, start) == parts.attached(start + PICTURE, len(BIG)) == 0
    assert parts.attached(0, 0) == 0


def test_octets_are_told_by_kind_and_all_of_them(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        await world.fill()
        await world.deliver(BIG)
        client = await world.client(b'ID ("name" "Probe" "version" "1")', b"SELECT INBOX")
        await client.command(b"FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE)")
        await client.command(b"FETCH 1:* BODY.PEEK[HEADER]")
        await client.command(b"FETCH 4 BODY.PEEK[1]")
        await client.command(b"FETCH 4 BODY.PEEK[2]<0.1000>")
        await client.command(b"FETCH 4 BINARY.PEEK[2]")
        await client.command(b"FETCH 4 BODY.PEEK[]")
        await client.command(b"FETCH 1 BODY.PEEK[TEXT]")
        await client.send(b"a APPEND Drafts {%d+}\r\n%b\r\n" % (len(BIG), BIG))
        await client.command(b"LOGOUT")
        counts = (await noted(world)).counts
        decoded = 250 * 60
        text = world.plain.partition(b"\r\n\r\n")[2]
        assert counts.attachments == 1000 + decoded + PICTURE
        assert counts.bodies == len(b"Hello") + len(BIG) - PICTURE + len(text)
        assert counts.uploads == len(BIG)
        assert counts.sessions == 1
        assert counts.content_out == counts.wire_out == client.connection.bytes_out
        assert counts.content_in == counts.wire_in == client.connection.bytes_in
        assert (counts.wire_bodies, counts.wire_attachments) == (counts.bodies, counts.attachments)

    in_world(test)


def test_compression_shows(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        for _ in range(50):
            await world.deliver(world.plain)
        client = await world.client(b"SELECT INBOX", b"COMPRESS DEFLATE")
        pack = zlib.compressobj(wbits=-15)

        async def command(text: bytes) -> bytes:
            answer: bytes = await client.send(pack.compress(text) + pack.flush(zlib.Z_SYNC_FLUSH))
            return answer

        before = len(client.connection.output())
        listing = await command(b"a FETCH 1:* (UID FLAGS ENVELOPE)\r\n")
        bodies = await command(b"b FETCH 1:* BODY.PEEK[]\r\n")
        await command(b"c LOGOUT\r\n")
        counts = (await noted(world)).counts
        assert before == 0
        assert counts.bodies == 50 * len(world.plain)
        assert counts.wire_out == client.connection.bytes_out
        assert counts.content_out > 3 * counts.wire_out
        assert len(listing) < counts.wire_listing < len(listing) + len(bodies) + 1500
        assert 0 < counts.wire_bodies <= len(bodies)
        assert counts.wire_in == client.connection.bytes_in

    in_world(test)


def test_how_far_it_has_come(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        await world.fill()
        inbox = await world.store.reader.mailbox_named(world.account_id, "INBOX")
        client = await world.client(b"SELECT INBOX", b"UNSELECT")
        device = await noted_while_it_lasts(world)
        assert await point(world, device) == SyncPoint(
            world.account_id,
            inbox.mailbox_id,
            inbox.uidvalidity,
            inbox.modseq,
            3,
            0,
            0,
            0,
            world.clock.moment,
        )
        await client.command(b"SELECT INBOX")
        await client.command(b"UID FETCH 2:3 (FLAGS)")
        assert (await point(world, await noted_while_it_lasts(world)))[5:8] == (2, 3, 0)
        await client.command(b"UID FETCH 2 BODY.PEEK[]")
        await world.deliver(world.plain)
        assert b"4 EXISTS" in await client.command(b"NOOP")
        inbox = await world.store.reader.mailbox_named(world.account_id, "INBOX")
        now = await point(world, await noted_while_it_lasts(world))
        assert now[3:8] == (inbox.modseq, 4, 2, 3, 2)
        await client.command(b"UID FETCH 4 (ENVELOPE BODY.PEEK[HEADER])")
        await client.command(b"LOGOUT")
        assert (await point(world, await noted(world)))[3:8] == (inbox.modseq, 4, 2, 4, 2)

    in_world(test)


async def noted_while_it_lasts(world: Any) -> Device:
    world.clock.moment += 3600
    return await noted(world)


def test_a_client_in_idle_is_noted_with_what_it_was_told(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        client = await world.client(b"SELECT INBOX")
        await client.send(b"a IDLE\r\n")
        world.clock.moment += 10
        assert (await point(world, await noted(world))).told_uid == 0
        await world.deliver(world.plain)
        assert b"1 EXISTS" in await client.news()
        world.clock.moment += 10
        device = await noted(world)
        assert (await point(world, device)).told_uid == 1
        assert device.last_seen == world.clock.moment
        world.clock.moment += 10
        assert (
            await noted(world)
        ).last_seen == world.clock.moment - 10  # nothing happened: nothing is written

    in_world(test)


def test_the_same_program_is_one_device_and_another_is_not(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        for number, said in enumerate(
            (
                b'("name" "K-9 Mail" "version" "6.0" "os" "Android")',
                b'("name" "k-9  mail" "version" "6.1" "os" "Android")',
                b'("name" "K-9 Mail" "os" "Android" "AGUID" "7")',
                b'("name" "Mutt")',
                b"NIL",
            )
        ):
            client = world.connect(peer=(f"192.0.{number}.1", 1))
            await client.greeting()
            if number == 1:  # also before the login
                await client.command(b"ID " + said)
            await client.command(b"LOGIN bob@b.example secret")
            await client.command(b"ID " + said)
            await client.command(b"LOGOUT")
        await world.services.devices.write()
        devices = await world.store.reader.devices(world.account_id)
        assert sorted((d.identity, d.name, d.version, d.peer, d.counts.sessions) for d in devices) == [
            ("id:imap:k-9 mail||android|", "k-9 mail", "6.1", "192.0.1.1", 2),
            ("id:imap:k-9 mail||android|7", "K-9 Mail", "", "192.0.2.1", 1),
            ("id:imap:mutt|||", "Mutt", "", "192.0.3.1", 1),
            ("net:imap:192.0.4.0/24", "", "", "192.0.4.1", 1),
        ]

    in_world(test)


def test_each_login_of_a_connection_counts_its_own(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        eve = await world.add_person("eve@b.example")
        client = await world.client(b"SELECT INBOX", b"UNAUTHENTICATE")
        await client.command(b"LOGIN eve@b.example secret")
        await client.command(b"LOGOUT")
        await world.services.devices.write()
        (bobs,) = await world.store.reader.devices(world.account_id)
        (eves,) = await world.store.reader.devices(eve)
        assert bobs.counts.wire_out + eves.counts.wire_out == client.connection.bytes_out
        assert bobs.counts.wire_in + eves.counts.wire_in == client.connection.bytes_in
        assert eves.counts.wire_out < 1000

    in_world(test)


def test_what_a_hostile_program_says_of_itself_is_cut_and_harmless(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        client = await world.client()
        name = b"\x1b]0;owned\x07\x1b[2J" + b"A" * 1000
        await client.send(b'a ID ("name" {%d+}\r\n%b "os" "\x1b[31m")\r\n' % (len(name), name))
        await client.command(b"LOGOUT")
        device = await noted(world)
        assert device.name.startswith("]0;owned [2JAAA")
        assert len(device.name) <= 60
        assert device.os == "[31m"
        assert (device.name + device.os + device.identity).isprintable()
        assert len(device.identity) < 300

    in_world(test)


def test_ten_thousand_names_of_one_account_are_a_bounded_number_of_devices(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await metered(world)
        client = await world.client()
        for number in range(300):
            await client.command(b'ID ("name" "%d")' % number)
            if number % 2:
                await noted_or_nothing(world)
        for number in range(300):
            other = await world.client(b'ID ("name" "n%d")' % number)
            await other.command(b"LOGOUT")
        await world.services.devices.write()
        assert len(await world.store.reader.devices(world.account_id)) == 100

    in_world(test)


async def noted_or_nothing(world: Any) -> None:
    world.clock.moment += 3600
    await world.services.devices.write()
