"""Coming back with QRESYNC (RFC 7162 3.2.5): what is told, also where the tombstones are gone."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from postier.imap.session.resync import matched_up_to
from postier.imap.session.view import View
from postier.imap.wire.grammar import Grammar
from postier.store.sql.removal import TOMBSTONE_SECONDS

THIRDS = View(array("I", range(3, 30_000, 3)))
"""RFC 7162 3.2.5.2: only UIDs that three divides are there."""


@pytest.mark.parametrize(
    ("numbers", "uids", "highest"),
    [
        ("4,12", "12,36", 36),
        ("4,12", "12,37", 12),  # the second pair does not match
        ("1:3", "3,6,9", 9),
        ("1:2", "3:4", 3),
        ("1:100", "1:100", 0),
        ("9999,20000", "29997,60000", 29997),  # past the end
        ("5", "14", 0),
        ("1:4294967295", "1:4294967295", 0),
    ],
)
def test_sequence_match_data(numbers: str, uids: str, highest: int) -> None:
    sets = [Grammar(text.encode()).sequence_set() for text in (numbers, uids)]
    assert matched_up_to(THIRDS, *sets) == highest


async def _with_old_tombstones(world: Any) -> Any:
    """UIDs 1 to 9 of which 3, 6 and 9 are left; nobody remembers when the others went. A QRESYNC client."""
    for _ in range(9):
        await world.deliver(world.plain)
    client = await world.client(b"ENABLE QRESYNC", b"SELECT INBOX")
    await client.command(b"UID STORE 1:2,4:5,7 +FLAGS.SILENT \\Deleted")
    await client.command(b"EXPUNGE")
    world.clock.moment += TOMBSTONE_SECONDS + 10
    await client.command(b"UID STORE 8 +FLAGS.SILENT \\Deleted")
    assert await client.command(b"EXPUNGE") == b"* VANISHED 8\r\n"
    return client


async def _told(client: Any, parameters: bytes) -> list[bytes]:
    answer: bytes = await client.command(b"SELECT INBOX (QRESYNC (1700000000 %b))" % parameters)
    return [line for line in answer.splitlines() if b"VANISHED" in line or b"FETCH" in line]


def test_without_tombstones_everything_that_is_not_there_is_told(in_world: Any) -> None:
    async def test(world: Any) -> None:
        client = await _with_old_tombstones(world)
        assert await _told(client, b"12") == [b"* VANISHED (EARLIER) 1:2,4:5,7:8"]
        assert await _told(client, b"12 2:5,100:200") == [b"* VANISHED (EARLIER) 2,4:5"]
        assert await _told(client, b"1 1:9 (1:2 3,6)") == [
            b"* VANISHED (EARLIER) 7:8",
            *[b"* %d FETCH (UID %d MODSEQ (%d) FLAGS ())" % (n, 3 * n, 2 + 3 * n) for n in (1, 2, 3)],
        ]
        assert await _told(client, b"12 1:9 (1:3 3,6,9)") == []
        assert await _told(client, b"13") == [b"* VANISHED (EARLIER) 8"]
        answer = await client.command(b"UID FETCH 1:7 FLAGS (CHANGEDSINCE 12 VANISHED)")
        assert answer == b"* VANISHED (EARLIER) 1:2,4:5,7\r\n"

    in_world(test)


def test_ranges_past_the_highest_uid(in_world: Any) -> None:
    async def test(world: Any) -> None:
        client = await world.client(b"ENABLE QRESYNC")
        assert await _told(client, b"1") == []
        assert await _told(client, b"1 1:4294967295") == []

    in_world(test)


def test_what_the_session_still_counts_is_not_told_as_gone_earlier(in_world: Any) -> None:
    """RFC 7162 3.2.10.2: VANISHED takes a message out of the count, VANISHED (EARLIER) does not."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"ENABLE QRESYNC", b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX", b"STORE 2 +FLAGS.SILENT \\Deleted")
        await one.command(b"NOOP")
        await two.command(b"EXPUNGE")
        answer = await one.command(b"FETCH 1 UID")
        assert answer == b"* 1 FETCH (UID 1)\r\n* OK [HIGHESTMODSEQ 6] Highest\r\n"
        answer = await one.command(b"UID FETCH 1:* FLAGS (CHANGEDSINCE 5 VANISHED)")
        assert answer == b"* VANISHED 2\r\n* OK [HIGHESTMODSEQ 7] Highest\r\n"
        assert await one.command(b"FETCH 2 UID") == b"* 2 FETCH (UID 3)\r\n"

    in_world(test)
