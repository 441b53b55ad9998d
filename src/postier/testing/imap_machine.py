"""Sessions that do anything at all in two mailboxes, while others go offline and come back: a state machine.

Each client knows what it was told and nothing else (imap_client), names messages by the numbers that follow
from that, and loses its connection at any moment. A model (imap_model) says what the mailboxes hold.
After every step the store must hold the same; after NOOP so must the client's view; and a client that comes
back with what it had kept must arrive there by QRESYNC or CHANGEDSINCE alone (RFC 7162 6).

Subclass with `open_world`, an async context manager of a world that has `connect()`, `deliver()`, `store`
and `account_id`, and run it by `hypothesis.stateful.run_state_machine_as_test`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from postier.testing.imap_client import StrictClient
from postier.testing.imap_model import Box, Held
from postier.testing.imap_peer import Peer, resynchronise
from postier.testing.imap_view import Cache

__all__ = ["ImapMachine"]

MODES = (b"", b"CONDSTORE", b"QRESYNC", b"QRESYNC")
"""What each of the clients has enabled."""

FLAGS = (b"\\Seen", b"\\Flagged", b"\\Deleted", b"\\Deleted", b"\\Answered", b"$Work", b"$Fun")
SYSTEM = (b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Draft")
BOXES = (b"INBOX", b"Other")
MANY = 61 * 86400
"""Seconds after which the tombstones of what was expunged are forgotten."""

who = st.integers(0, len(MODES) - 1)
boxes = st.sampled_from(BOXES)
picks = st.lists(st.integers(0, 9), min_size=1, max_size=4)
flag_sets = st.lists(st.sampled_from(FLAGS), max_size=2, unique=True).map(frozenset)
signs = st.sampled_from((b"+", b"+", b"-", b""))
yes = st.booleans()


class ImapMachine(RuleBasedStateMachine):
    """`steps` counts what was done by all examples together."""

    open_world: ClassVar[Any]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.boxes = {name: Box(name) for name in BOXES}
        self.texts = (b"text %d\r\n" % number for number in itertools.count(1))
        self.peers: list[Peer] = []
        self.away: dict[int, tuple[bytes, Cache, list[int]]] = {}
        self.world: Any = None

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """One step: the work, then the store is looked at."""
        type(self).steps += 1

        async def step() -> None:
            await work
            for box in self.boxes.values():
                await self._watch(box)

        self.runner.run(step())

    @initialize(selected=st.tuples(boxes, boxes, boxes, boxes), count=st.integers(1, 4))
    def start(self, selected: tuple[bytes, ...], count: int) -> None:
        async def work() -> None:
            self.world = await self.stack.enter_async_context(self.open_world())
            first = await self._connect(b"")
            await first.must(b"CREATE Other")
            for _ in range(count):
                await self._append(first, b"INBOX", [frozenset()])
            await first.drop()
            self.peers = [await self._connect(mode) for mode in MODES]
            for peer, box in zip(self.peers, selected, strict=True):
                await peer.must(b"SELECT " + box)

        self.do(work())

    def teardown(self) -> None:
        self.runner.run(self._end())
        self.runner.close()

    async def _end(self) -> None:
        for by, peer in enumerate(self.peers):
            if by not in self.away:
                await peer.drop()
        await self.stack.aclose()

    # ------------------------------------------------------------------ messages come

    @rule(by=who, box=boxes, flags=st.lists(flag_sets, min_size=1, max_size=3))
    def append(self, by: int, box: bytes, flags: list[frozenset[bytes]]) -> None:
        async def work() -> None:
            await self._append(await self._peer(by), box, flags)

        self.do(work())

    async def _append(self, peer: Peer, name: bytes, flags: list[frozenset[bytes]]) -> None:
        """One message, or several at once (RFC 3502), and their UIDs as RFC 4315 has them told."""
        box = self.boxes[name]
        texts = [next(self.texts) for _ in flags]
        pieces = [
            b"(%b) {%d+}\r\n%b" % (b" ".join(sorted(each)), len(text), text)
            for each, text in zip(flags, texts, strict=True)
        ]
        client = await peer.must(b"APPEND %b %b" % (name, b" ".join(pieces)))
        uids = [box.add(Held(text, each)) for each, text in zip(flags, texts, strict=True)]
        assert client.tagged is not None
        assert client.tagged.code is not None
        assert client.tagged.code.name == "APPENDUID"
        assert client.tagged.code.value[1] == uids

    @rule()
    def deliver(self) -> None:
        async def work() -> None:
            text = next(self.texts)
            await self.world.deliver(b"\r\n" + text)
            self.boxes[b"INBOX"].add(Held(b"\r\n" + text, frozenset()))

        self.do(work())

    # ------------------------------------------------------------------ flags

    @rule(by=who, pick=picks, sign=signs, flags=flag_sets, by_uid=yes, silent=yes)
    def store(
        self, by: int, pick: list[int], sign: bytes, flags: frozenset[bytes], by_uid: bool, silent: bool
    ) -> None:
        self.do(self._store(by, pick, sign, flags, by_uid, silent, 0))

    @rule(by=st.integers(1, len(MODES) - 1), pick=picks, sign=signs, flags=flag_sets, by_uid=yes, back=picks)
    def store_unless_changed(
        self, by: int, pick: list[int], sign: bytes, flags: frozenset[bytes], by_uid: bool, back: list[int]
    ) -> None:
        """UNCHANGEDSINCE, with a MODSEQ around those that the messages have."""
        modseq = max(1, max((box.modseq for box in self.boxes.values()), default=1) - back[0])
        self.do(self._store(by, pick, sign, flags, by_uid, False, modseq))

    async def _store(
        self, by: int, pick: list[int], sign: bytes, flags: frozenset[bytes], by_uid: bool, silent: bool,
        unchanged: int,
    ) -> None:  # fmt: skip
        peer = await self._peer(by)
        where, uids = await peer.pick(pick, by_uid=by_uid)
        if not uids:
            return
        box = self.boxes[peer.client.selected]
        listed = b" ".join(sorted(flags))
        condition = b" (UNCHANGEDSINCE %d)" % unchanged if unchanged else b""
        item = b"%bFLAGS%b (%b)" % (sign, b".SILENT" if silent else b"", listed)
        client = await peer.give(b"%bSTORE %b%b %b" % (b"UID " if by_uid else b"", where, condition, item))
        if peer.read_only:
            assert client.said == "NO", client.tagged
            return
        there = box.present(uids)
        refused = [uid for uid in there if unchanged and box.modseqs[uid] > unchanged]
        changed = [uid for uid in there if uid not in refused]
        box.change(changed, sign, flags)
        peer.expect_store(uids, there, refused, by_uid=by_uid)
        for uid in changed if silent else ():
            if client.view.flags.get(uid) is not None:
                client.view.assume(uid, box.messages[uid].flags)

    @rule(by=who, pick=picks, by_uid=yes)
    def read(self, by: int, pick: list[int], by_uid: bool) -> None:
        """FETCH BODY[TEXT] sets \\Seen, and gives the text of this message."""

        async def work() -> None:
            peer = await self._peer(by)
            where, uids = await peer.pick(pick[:1], by_uid=by_uid)
            if not uids:
                return
            box = self.boxes[peer.client.selected]
            held = box.messages.get(uids[0])
            client = await peer.give(b"%bFETCH %b (UID BODY[])" % (b"UID " if by_uid else b"", where))
            told = [answer.value["BODY[]"] for answer in client.untagged("FETCH") if "BODY[]" in answer.value]
            assert told == ([held.text] if held else []), client.answers
            if held and not peer.read_only:
                box.change(uids, b"+", frozenset({b"\\Seen"}))

        self.do(work())

    # ------------------------------------------------------------------ messages go

    @rule(by=who, pick=picks, some=yes)
    def expunge(self, by: int, pick: list[int], some: bool) -> None:
        async def work() -> None:
            peer = await self._peer(by)
            where, uids = await peer.pick(pick, by_uid=True)
            if not uids:
                return
            seen = uids if some else peer.client.view.known_uids()
            box = self.boxes[peer.client.selected]
            client = await peer.give(b"UID EXPUNGE " + where if some else b"EXPUNGE")
            assert client.said == ("NO" if peer.read_only else "OK"), client.tagged
            if not peer.read_only:
                gone = [uid for uid in box.present(seen) if b"\\Deleted" in box.messages[uid].flags]
                box.remove(gone)
                if gone and peer.client.view.quick:
                    assert client.code == "HIGHESTMODSEQ", client.tagged

        self.do(work())

    @rule(by=who, pick=picks, into=boxes, by_uid=yes, moving=yes)
    def copy_or_move(self, by: int, pick: list[int], into: bytes, by_uid: bool, moving: bool) -> None:
        async def work() -> None:
            peer = await self._peer(by)
            where, uids = await peer.pick(pick, by_uid=by_uid)
            if not uids:
                return
            box, other = self.boxes[peer.client.selected], self.boxes[into]
            verb = (b"UID " if by_uid else b"") + (b"MOVE" if moving else b"COPY")
            client = await peer.give(b"%b %b %b" % (verb, where, into))
            there = box.present(uids)
            if (moving and peer.read_only) or (len(there) < len(uids) and not by_uid):
                assert client.said == "NO", client.tagged  # all or nothing (RFC 3501 6.4.7)
                return
            assert client.said == "OK", client.tagged
            copies = [other.add(box.messages[uid]) for uid in there]
            if moving:
                box.remove(there)
            peer.expect_copies(other.uidvalidity, there, copies)

        self.do(work())

    @rule(by=who, pick=picks, into=boxes, flags=flag_sets, by_uid=yes)
    def replace(self, by: int, pick: list[int], into: bytes, flags: frozenset[bytes], by_uid: bool) -> None:
        """A message takes the place of another, in its mailbox or elsewhere (RFC 8508)."""

        async def work() -> None:
            peer = await self._peer(by)
            where, uids = await peer.pick(pick[:1], by_uid=by_uid)
            if not uids:
                return
            box, text = self.boxes[peer.client.selected], next(self.texts)
            verb = b"UID REPLACE" if by_uid else b"REPLACE"
            listed = b" ".join(sorted(flags))
            client = await peer.give(
                b"%b %b %b (%b) {%d+}\r\n%b" % (verb, where, into, listed, len(text), text)
            )
            if peer.read_only or not box.present(uids):
                assert client.said == "NO", client.tagged
                return
            assert client.said == "OK", client.tagged
            box.remove(uids)
            uid = self.boxes[into].add(Held(text, flags))
            codes = [answer.code for answer in [*client.answers, client.tagged] if answer and answer.code]
            assert [code.value[1] for code in codes if code.name == "APPENDUID"] == [[uid]]

        self.do(work())

    # ------------------------------------------------------------------ looking

    @rule(by=who, flag=st.sampled_from(FLAGS), by_uid=yes, extended=yes, numbered=yes)
    def search(self, by: int, flag: bytes, by_uid: bool, extended: bool, numbered: bool) -> None:
        async def work() -> None:
            peer = await self._peer(by)
            if await peer.complete():
                key = b"KEYWORD " + flag if flag.startswith(b"$") else flag[1:].upper()
                keys = (b"1:* " if numbered else b"") + key
                found = await peer.search(keys, by_uid=by_uid, extended=extended)
                messages = self.boxes[peer.client.selected].messages
                told = {uid for uid in found if uid in messages}
                seen = {uid for uid in peer.before if uid in messages}
                assert told == {uid for uid in seen if flag in messages[uid].flags}

        self.do(work())

    @rule(by=who)
    def check(self, by: int) -> None:
        """After NOOP a client's view is the mailbox, with what it was told of flags before."""

        async def work() -> None:
            await self._check(await self._peer(by))

        self.do(work())

    async def _check(self, peer: Peer) -> None:
        if not await peer.complete():
            return
        await peer.must(b"NOOP")
        await peer.complete()
        box = self.boxes[peer.client.selected]
        assert peer.client.view.known_uids() == list(box.messages)
        assert peer.client.view.flags == box.flags()
        if peer.client.view.aware:
            assert peer.client.view.modseqs == {uid: box.modseqs[uid] for uid in box.messages}

    @rule(by=who, name=boxes)
    def status(self, by: int, name: bytes) -> None:
        async def work() -> None:
            items = b"MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ"
            peer = await self._peer(by)
            client = await peer.must(b"STATUS %b (%b)" % (name, items))
            box = self.boxes[name]
            told = client.untagged("STATUS")[0].value[1]
            assert (told["MESSAGES"], told["UNSEEN"]) == (len(box.messages), box.unseen())
            assert (told["UIDNEXT"], told["UIDVALIDITY"]) == (box.uidnext, box.uidvalidity)
            assert told["HIGHESTMODSEQ"] == max(box.modseq, 1)

        self.do(work())

    # ------------------------------------------------------------------ coming and going

    @rule(by=who)
    def idle(self, by: int) -> None:
        async def work() -> None:
            await (await self._peer(by)).start_idle()

        self.do(work())

    @rule(by=who, name=boxes, read_only=yes)
    def select(self, by: int, name: bytes, read_only: bool) -> None:
        async def work() -> None:
            peer = await self._peer(by)
            client = await peer.must((b"EXAMINE " if read_only else b"SELECT ") + name)
            assert client.view.uidvalidity == self.boxes[name].uidvalidity
            assert client.view.uidnext == self.boxes[name].uidnext
            assert client.view.highest == max(self.boxes[name].modseq, 1)
            assert len(client.view.uids) == len(self.boxes[name].messages)

        self.do(work())

    @rule(by=who, name=boxes)
    def close(self, by: int, name: bytes) -> None:
        """CLOSE expunges what this client has seen, then it opens another mailbox."""

        async def work() -> None:
            peer = await self._peer(by)
            if not await peer.complete():
                return
            box, seen = self.boxes[peer.client.selected], peer.client.view.known_uids()
            await peer.must(b"CLOSE")
            if not peer.read_only:
                there = box.present(seen)
                box.remove(uid for uid in there if b"\\Deleted" in box.messages[uid].flags)
            await peer.must(b"SELECT " + name)

        self.do(work())

    @rule(by=who, pick=picks)
    def lose_the_connection(self, by: int, pick: list[int]) -> None:
        """Without a word. `pick` is how the client will ask when it comes back: with its next command."""
        self.do(self._leave(by, pick))

    @rule(pick=picks)
    def months_go_by(self, pick: list[int]) -> None:
        """Nobody stays that long, and what was expunged before may be forgotten with the next EXPUNGE."""

        async def work() -> None:
            for by in range(len(self.peers)):
                await self._leave(by, pick)
            self.world.services.clock.moment += MANY

        self.do(work())

    async def _leave(self, by: int, pick: list[int]) -> None:
        peer = self.peers[by]
        if by not in self.away:
            self.away[by] = (peer.client.selected, peer.client.view.cache(), pick)
            await peer.drop()

    async def _peer(self, by: int) -> Peer:
        """The client, come back if it was away: what it had kept and what the server tells now is enough."""
        if by not in self.away:
            return self.peers[by]
        name, cache, pick = self.away.pop(by)
        peer = self.peers[by] = await self._connect(MODES[by])
        if not name:
            return peer
        if not cache.modseq or not peer.mode:
            await peer.must(b"SELECT " + name)
            return peer
        await resynchronise(peer, name, cache, pick)
        flags = self.boxes[name].flags()
        assert cache.uidvalidity == self.boxes[name].uidvalidity
        assert cache.flags == {uid: flags[uid] for uid in cache.flags if uid in flags}
        await self._check(peer)
        return peer

    @rule()
    def compare_everything(self) -> None:
        """A client that comes now sees each message as it should be, text and all."""

        async def work() -> None:
            peer = await self._connect(b"")
            for name, box in self.boxes.items():
                await peer.must(b"EXAMINE " + name)
                client = await peer.must(b"UID FETCH 1:* (FLAGS BODY.PEEK[])")
                told = {
                    answer.value["UID"]: Held(answer.value["BODY[]"], answer.value["FLAGS"] - {b"\\Recent"})
                    for answer in client.untagged("FETCH")
                }
                assert told == box.messages
            await peer.drop()

        self.do(work())

    # ------------------------------------------------------------------ inside

    async def _connect(self, mode: bytes) -> Peer:
        """A client that has logged in."""
        peer = Peer(self.world.connect(), StrictClient(), mode)
        await peer.begin()
        return peer

    async def _watch(self, box: Box) -> None:
        reader, account_id = self.world.store.reader, self.world.account_id
        mailbox = await reader.mailbox_named(account_id, box.name.decode())
        listed = await reader.messages(account_id, mailbox.mailbox_id, [(1, 2**32 - 1)])
        names = (*SYSTEM, *(keyword.encode() for keyword in mailbox.keywords))
        flags = {
            message.uid: frozenset(name for bit, name in enumerate(names) if message.flags >> bit & 1)
            for message in listed
        }
        assert flags == box.flags(), box.name
        assert mailbox.uidnext == box.uidnext
        box.watch(mailbox.uidvalidity, mailbox.modseq, {message.uid: message.modseq for message in listed})
