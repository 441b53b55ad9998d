"""A strict client at the end of a connection in memory, and what takes several commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postier.testing.imap_client import StrictClient
from postier.testing.imap_view import Cache

__all__ = ["Peer", "resynchronise"]


class Peer:
    """`wire` sends octets and gives what comes back: `await wire.send(data)`, `await wire.greeting()`.

    `mode` is what the client enables, b"" for nothing. `before`: the UIDs that were known when the last
    command was given. `read_only`: of the selected mailbox.
    """

    def __init__(self, wire: Any, client: StrictClient, mode: bytes) -> None:
        self.wire = wire
        self.client = client
        self.mode = mode
        self.before: list[int] = []
        self.read_only = False
        self._is_idle = False

    async def begin(self) -> None:
        self.client.receive(await self.wire.greeting())
        await self.must(b"LOGIN bob@b.example secret")
        if self.mode:
            await self.must(b"ENABLE " + self.mode)

    # ------------------------------------------------------------------ commands

    async def give(self, text: bytes) -> StrictClient:
        """The command to its end; ends IDLE before."""
        await self._end_idle()
        self.before = [uid for uid in self.client.view.uids if uid is not None]
        self.client.receive(await self.wire.send(self.client.command(text)))
        assert self.client.is_done, f"no answer to {text!r}"
        if self.client.said == "OK" and text.startswith((b"SELECT", b"EXAMINE")):
            self.read_only = self.client.code == "READ-ONLY"
            assert self.read_only == text.startswith(b"EXAMINE")
        return self.client

    async def must(self, text: bytes) -> StrictClient:
        client = await self.give(text)
        assert client.said == "OK", (text, client.tagged)
        return client

    async def start_idle(self) -> None:
        if not self._is_idle:
            self.client.receive(await self.wire.send(self.client.command(b"IDLE")))
            self._is_idle = True

    async def _end_idle(self) -> None:
        if self._is_idle:
            self._is_idle = False
            self.client.receive(await self.wire.send(b"DONE\r\n"))
            assert self.client.said == "OK"

    async def drop(self) -> None:
        """The cable is pulled; returns when the session has ended."""
        self.wire.connection.reset()
        await self.wire.connection.task

    async def complete(self) -> bool:
        """Ask for what is new until every message's UID and flags are known; False if nothing is selected."""
        await self._end_idle()
        view = self.client.view
        while self.client.selected and None in view.uids:  # the answer itself may bring more
            first = view.uids.index(None) + 1
            await self.give(b"FETCH %d:* (UID%b)" % (first, b" MODSEQ" if view.aware else b""))
            await self.give(b"FETCH %d:* FLAGS" % first)
            if first <= len(view.uids) and view.uids[first - 1] is None:  # gone meanwhile
                await self.must(b"NOOP")
        return bool(self.client.selected)

    async def pick(self, pick: Sequence[int], *, by_uid: bool) -> tuple[bytes, list[int]]:
        """Some messages of the view, as a set of numbers and as UIDs; none of an empty mailbox."""
        if not await self.complete() or not self.client.view.uids:
            return b"", []
        known = self.client.view.known_uids()
        places = sorted({number % len(known) for number in pick})
        uids = [known[place] for place in places]
        numbers = uids if by_uid else [place + 1 for place in places]
        return b",".join(b"%d" % number for number in numbers), uids

    async def search(self, keys: bytes, *, by_uid: bool, extended: bool) -> list[int]:
        """The UIDs found."""
        options = b"RETURN (ALL) " if extended else b""
        client = await self.must(b"%bSEARCH %b%b" % (b"UID " if by_uid else b"", options, keys))
        (answer,) = [answer for answer in client.answers if answer.name in ("SEARCH", "ESEARCH")]
        assert answer.name == ("ESEARCH" if extended else "SEARCH")
        found = answer.value.get("ALL", []) if extended else answer.value[0]
        if extended:
            assert answer.value["UID"] == by_uid
        return list(found) if by_uid else [self.before[number - 1] for number in found]

    # ------------------------------------------------------------------ what must have been answered

    def expect_store(self, uids: list[int], there: list[int], refused: list[int], *, by_uid: bool) -> None:
        """Of `uids` those `there` are left; `refused` have changed since."""
        code = self.client.tagged.code if self.client.tagged else None
        if refused:
            numbers = [number if by_uid else self.before[number - 1] for number in code.value] if code else []
            assert code is not None
            assert code.name == "MODIFIED"
            assert sorted(numbers) == refused
        elif len(there) < len(uids) and not by_uid:
            assert (self.client.said, self.client.code) == ("NO", "EXPUNGEISSUED"), self.client.tagged
        else:
            assert self.client.said == "OK", self.client.tagged

    def expect_copies(self, uidvalidity: int, sources: list[int], copies: list[int]) -> None:
        """COPYUID, in the tagged OK of COPY or in an untagged one of MOVE (RFC 4315 3, RFC 6851 4.3)."""
        answers = [*self.client.answers, self.client.tagged]
        codes = [
            answer.code for answer in answers if answer and answer.code and answer.code.name == "COPYUID"
        ]
        expected = [(uidvalidity, sources, copies)] if sources else []
        assert [code.value for code in codes] == expected, self.client.tagged


async def resynchronise(peer: Peer, name: bytes, cache: Cache, pick: Sequence[int]) -> None:
    """Bring `cache` up to date as RFC 7162 6 has a client do it: by QRESYNC where it is enabled, else by
    CHANGEDSINCE and a look at which UIDs are left. `pick` chooses among the ways of asking."""
    uids = sorted(cache.flags)
    if peer.mode == b"QRESYNC" and pick[0] % 3:
        known = (b"", b" " + _as_set(uids) if uids else b"", _with_matches(uids))[pick[0] % 3]
        await peer.must(b"SELECT %b (QRESYNC (%d %d%b))" % (name, cache.uidvalidity, cache.modseq, known))
    else:
        await peer.must(b"SELECT %b (CONDSTORE)" % name)
        await _ask_for_changes(peer, cache, uids)
    client = peer.client
    gone = set(client.view.earlier)
    for uid in uids:
        if uid in gone:
            del cache.flags[uid]
        elif uid in client.view.flags:
            cache.flags[uid] = client.view.flags[uid]


async def _ask_for_changes(peer: Peer, cache: Cache, uids: list[int]) -> None:
    if not uids:
        return
    quick = b" VANISHED" if peer.mode == b"QRESYNC" else b""
    await peer.must(b"UID FETCH %b (FLAGS) (CHANGEDSINCE %d%b)" % (_as_set(uids), cache.modseq, quick))
    if not quick:
        left = await peer.search(b"UID " + _as_set(uids), by_uid=True, extended=False)
        peer.client.view.earlier = [uid for uid in uids if uid not in left]


def _as_set(uids: Sequence[int]) -> bytes:
    return b",".join(b"%d" % uid for uid in uids)


def _with_matches(uids: Sequence[int]) -> bytes:
    """Known UIDs, and for some of them the sequence numbers they had (RFC 7162 3.2.5.2)."""
    if not uids:
        return b""
    some = list(enumerate(uids, 1))[::2]
    numbers, matches = zip(*some, strict=True)
    return b" %b (%b %b)" % (_as_set(uids), _as_set(numbers), _as_set(matches))
