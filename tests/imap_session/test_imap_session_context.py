"""Contexts: what a client makes of ADDTO and REMOVEFROM is what a new search finds."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from postier.imap.session import contexts
from postier.imap.wire.commands import parse_command
from postier.imap.wire.search_responses import Correlator
from postier.imap.wire.updates import CancelUpdate, context_change
from postier.imap.wire.values import BadCommand, State

CHANGE = re.compile(rb'\* ESEARCH \(TAG "(\w+)"\)( UID)?((?: (?:ADDTO|REMOVEFROM) \([^)]*\))+)\r\n')
ITEM = re.compile(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)")


def expanded(numbers: bytes) -> list[int]:
    found = []
    for piece in numbers.split(b","):
        low, _, high = piece.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


class Reader:
    """A client with a sorted and an unsorted context of UIDs."""

    def __init__(self) -> None:
        self.lists: dict[bytes, list[int]] = {}

    def hear(self, answer: bytes) -> None:
        for tag, _, items in CHANGE.findall(answer):
            known = self.lists[tag]
            for name, payload in ITEM.findall(items):
                words = payload.split()
                for position, numbers in zip(map(int, words[::2]), words[1::2], strict=True):
                    self.apply(known, name, position, expanded(numbers))

    def apply(self, known: list[int], name: bytes, position: int, uids: list[int]) -> None:
        if name == b"REMOVEFROM":
            if position:
                assert known[position - 1 : position - 1 + len(uids)] == uids
            for uid in uids:
                known.remove(uid)
        elif position:
            assert position <= len(known) + 1
            known[position - 1 : position - 1] = uids
        else:
            known[:] = sorted(known + uids)


SEARCHES = {
    b"s1": (b"UID SEARCH RETURN (UPDATE)", b"FLAGGED", b"UID SEARCH FLAGGED"),
    b"s2": (b"UID SORT RETURN (UPDATE)", b"(SUBJECT) UTF-8 SEEN", b"UID SORT (SUBJECT) UTF-8 SEEN"),
    b"s3": (
        b"UID SORT RETURN (UPDATE)",
        b"(REVERSE SIZE ARRIVAL) UTF-8 UNDELETED",
        b"UID SORT (REVERSE SIZE ARRIVAL) UTF-8 UNDELETED",
    ),
}


@pytest.mark.parametrize("seed", range(3))
def test_a_client_that_listens_knows_the_result(seed: int, in_world: Any) -> None:
    chance = random.Random(seed)

    async def test(world: Any) -> None:
        await world.fill()
        client, other = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        reader = Reader()
        for tag, (start, keys, _) in SEARCHES.items():
            reader.lists[tag] = []
            whole = start.replace(b"UPDATE", b"UPDATE ALL")
            answer = await client.send(b"%b %b %b\r\n" % (tag, whole, keys))
            found = re.search(rb" ALL (\S+)", answer)
            reader.lists[tag] = expanded(found[1]) if found else []
        for _ in range(80):
            who = chance.choice((client, other))
            reader.hear(await client.command(chance.choice((b"NOOP", b"SEARCH 1", b"CHECK"))))
            await other.command(b"NOOP")
            reader.hear(await client.command(b"NOOP"))
            uid = chance.randrange(1, 12)
            flag = chance.choice((b"\\Seen", b"\\Flagged", b"\\Deleted"))
            change = chance.choice((b"+FLAGS.SILENT", b"-FLAGS.SILENT", b"FLAGS"))
            command = chance.choice(
                (
                    b"UID STORE %d %b (%b)" % (uid, change, flag),
                    b"UID STORE %d:%d %b (%b)" % (uid, uid + 3, change, flag),
                    b"UID COPY %d:%d INBOX" % (uid, uid + 1),
                    b"UID EXPUNGE %d" % uid,
                    b"EXPUNGE",
                )
            )
            answer = await who.command(command)
            if who is client:
                reader.hear(answer)
            reader.hear(await client.command(b"NOOP"))
            for tag, (_, _, again) in SEARCHES.items():
                now = await client.command(again)
                line = next(line for line in now.splitlines() if line.startswith((b"* SEARCH", b"* SORT")))
                assert reader.lists[tag] == [int(number) for number in line.split()[2:]], (tag, command)

    in_world(test)


def test_updates_come_in_idle(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client, other = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await client.send(b"t SEARCH RETURN (UPDATE) FLAGGED\r\n")
        await client.send(b"i IDLE\r\n")
        await other.command(b"STORE 2 +FLAGS (\\Flagged \\Deleted)")
        assert b'* ESEARCH (TAG "t") ADDTO (0 2)\r\n' in await client.news()
        await other.command(b"EXPUNGE")
        news = await client.news()
        assert news.startswith(b'* ESEARCH (TAG "t") REMOVEFROM (0 2)\r\n* 2 EXPUNGE\r\n')

    in_world(test)


def test_an_expunge_that_must_wait_is_told_to_contexts_at_once(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client, other = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await client.send(b"t SEARCH RETURN (UPDATE) ALL\r\n")
        await other.command(b"STORE 2 +FLAGS.SILENT \\Deleted")
        await other.command(b"EXPUNGE")
        answer = await client.command(b"SEARCH 1")
        assert b'* ESEARCH (TAG "t") REMOVEFROM (0 2)\r\n' in answer
        assert b"EXPUNGE" not in answer
        assert (await client.command(b"NOOP")).startswith(b"* 2 EXPUNGE\r\n")

    in_world(test)


def test_a_sorted_result_that_is_too_long_is_not_kept(in_world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("postier.imap.session.updates.LONGEST_SORTED", 2)

    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        refused = await client.send(b"B02 UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 ALL\r\n")
        assert refused.startswith(b'* ESEARCH (TAG "B02") UID COUNT 3\r\n* NO [NOUPDATE "B02"] ')
        kept = await client.send(b"B03 UID SEARCH RETURN (UPDATE COUNT) ALL\r\n")
        assert b"NOUPDATE" not in kept
        fewer = await client.send(b"B04 UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 2:3\r\n")
        assert b"NOUPDATE" not in fewer

    in_world(test)


def test_the_rfcs_own_lines() -> None:
    b01 = Correlator(b"B01")
    added = context_change(b01, by_uid=True, added=[(0, [32768, 32769])])
    assert added == b'* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769)\r\n'
    removed = context_change(b01, by_uid=True, removed=[(0, [32768])])
    assert removed == b'* ESEARCH (TAG "B01") UID REMOVEFROM (0 32768)\r\n'
    c01 = context_change(Correlator(b"C01"), by_uid=False, added=[(1, [2733]), (1, [2731, 2732])])
    assert c01 == b'* ESEARCH (TAG "C01") ADDTO (1 2733 1 2731:2732)\r\n'
    assert contexts.MOST_CONTEXTS >= 1  # RFC 5267 4.3.1: at least one


def test_cancel_update() -> None:
    def parse(arguments: bytes) -> object:
        return parse_command(b"a CANCELUPDATE" + arguments, State.SELECTED)

    assert parse(b' "B01"') == CancelUpdate(b"a", (b"B01",))
    assert parse(b' "B01" "B02"') == CancelUpdate(b"a", (b"B01", b"B02"))
    assert isinstance(parse(b' "a"' * 100), CancelUpdate)
    for wrong in (b"", b" ", b' "a" ', b' "a"' * 101, b' ("a")'):
        assert isinstance(parse(wrong), BadCommand)
